//! Answers with a file: streamed, in ranges, with headers that the server chooses.

use crate::attachments::{self, FileIntake};
use crate::error::AppError;
use crate::storage::{Blob, NotServed};
use actix_web::body::SizedStream;
use actix_web::http::header::{
    self, ByteRangeSpec, Charset, ContentDisposition, DispositionParam, DispositionType, ETag, EntityTag,
    ExtendedValue, Header, IfNoneMatch, IfRange, Range as RangeHeader,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use std::ops::Range;

/// The policy for a file that a browser shows: it can load, run, send and frame nothing.
const SANDBOX: &str = "default-src 'none'; sandbox";

/// How a file is to be opened, as its address says: `as=save`, `as=show`, or `as=page`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct How {
    r#as: String,
}

impl How {
    /// Whether the page that shows the same is wanted instead of the file.
    pub fn is_page(&self) -> bool {
        self.r#as == "page"
    }

    /// The file: shown where that is asked for and a browser can do it, and else saved.
    pub fn file<'a>(&self, name: &'a str, media_type: &'a str) -> FileOut<'a> {
        let shown = if self.r#as == "show" { attachments::shown_as(media_type) } else { None };
        let is_drawn = shown.is_some_and(|shown| shown != media_type);
        FileOut { name, media_type, shown: shown.is_some() && !is_drawn, is_drawn, policy: SANDBOX }
    }
}

/// What a file is sent as.
pub struct FileOut<'a> {
    /// name for the reader's computer
    pub name: &'a str,
    /// media type, from our own list
    pub media_type: &'a str,
    /// shown in the browser instead of saved
    pub shown: bool,
    /// shown as a picture that the server draws of it, where it can, and else saved
    pub is_drawn: bool,
    /// the policy under which it is shown
    pub policy: &'a str,
}

impl<'a> FileOut<'a> {
    /// A page of our own making, under its own policy.
    pub fn page(policy: &'a str) -> FileOut<'a> {
        FileOut { name: "", media_type: "text/html; charset=utf-8", shown: true, is_drawn: false, policy }
    }
}

/// Which part of a file a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Unchanged,
    OutOfRange,
    Part(Range<u64>),
    Whole,
}

/// How much of a file an answer sends: the audit log depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// nothing of the file
    Nothing,
    /// its beginning, or all of it
    FromStart,
    /// a later part, as a viewer asks for that moves on in the file
    Later,
}

/// Answers with a blob that the caller may see, and says how much of it is sent.
///
/// # Errors
/// Where it may not be served yet, or storage fails before the first byte.
pub async fn send(
    req: &HttpRequest,
    intake: &FileIntake,
    blob: Blob,
    out: FileOut<'_>,
) -> Result<(HttpResponse, Sent), AppError> {
    let storage = &intake.storage;
    let file = storage.served(blob).map_err(|why| match why {
        NotServed::Infected => AppError::Infected,
        NotServed::Waiting => AppError::NotScanned,
    })?;
    let size = file.size();
    if out.is_drawn
        && let Some(picture) = intake.picture(storage.read(&file, 0..size).await?).await
    {
        return Ok(drawn(req, out, picture));
    }
    let tag = EntityTag::new_strong(data_encoding::HEXLOWER.encode(file.sha256()));
    let wanted = wanted(req, size, &tag);
    let mut response = HttpResponse::build(match wanted {
        Wanted::Unchanged => StatusCode::NOT_MODIFIED,
        Wanted::OutOfRange => StatusCode::RANGE_NOT_SATISFIABLE,
        Wanted::Part(_) => StatusCode::PARTIAL_CONTENT,
        Wanted::Whole => StatusCode::OK,
    });
    response.insert_header(ETag(tag)).insert_header((header::ACCEPT_RANGES, "bytes"));
    let range = match wanted {
        Wanted::Unchanged => return Ok((response.finish(), Sent::Nothing)),
        Wanted::OutOfRange => {
            let told = (header::CONTENT_RANGE, format!("bytes */{size}"));
            // programs that ask for ranges expect an empty answer, not an error page
            let page = response.insert_header(told).content_type("text/html; charset=utf-8").finish();
            return Ok((page, Sent::Nothing));
        }
        Wanted::Part(range) => {
            let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            response.insert_header((header::CONTENT_RANGE, told));
            range
        }
        Wanted::Whole => 0..size,
    };
    response
        .insert_header((header::CONTENT_TYPE, out.media_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, out.policy))
        .insert_header(disposition(out.name, out.shown));
    let length = range.end - range.start;
    if req.method() == Method::HEAD {
        let nothing = futures_util::stream::empty::<Result<Bytes, std::io::Error>>();
        return Ok((response.body(SizedStream::new(length, nothing)), Sent::Nothing));
    }
    let sent = if range.start == 0 { Sent::FromStart } else { Sent::Later };
    let reading = storage.read(&file, range).await?;
    Ok((response.body(SizedStream::new(length, Box::pin(reading.stream()))), sent))
}

/// Answers with the picture that was drawn of a file.
fn drawn(req: &HttpRequest, out: FileOut<'_>, picture: Bytes) -> (HttpResponse, Sent) {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, attachments::shown_as(out.media_type).unwrap_or_default()))
        .insert_header((header::CONTENT_SECURITY_POLICY, out.policy))
        .insert_header(disposition(&format!("{}.jpg", out.name), true));
    if req.method() == Method::HEAD {
        let nothing = futures_util::stream::empty::<Result<Bytes, std::io::Error>>();
        return (response.body(SizedStream::new(picture.len() as u64, nothing)), Sent::Nothing);
    }
    (response.body(picture), Sent::FromStart)
}

/// Names the file twice: in ASCII for old programs, and in full (RFC 6266, RFC 8187).
fn disposition(name: &str, shown: bool) -> ContentDisposition {
    let ascii =
        name.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') { c } else { '_' }).collect();
    let full =
        ExtendedValue { charset: Charset::Ext("UTF-8".into()), language_tag: None, value: name.as_bytes().to_vec() };
    let kind = if shown { DispositionType::Inline } else { DispositionType::Attachment };
    let parameters = vec![DispositionParam::Filename(ascii), DispositionParam::FilenameExt(full)];
    ContentDisposition { disposition: kind, parameters }
}

/// RFC 9110: conditions first (§13.2.2), then one range, for GET alone (§14.2). Several ranges may be answered with the
/// whole, and are.
fn wanted(req: &HttpRequest, size: u64, tag: &EntityTag) -> Wanted {
    let has = |name| req.headers().contains_key(name);
    if has(header::IF_NONE_MATCH) {
        let same = match IfNoneMatch::parse(req) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|other| other.weak_eq(tag)),
            Err(_) => false,
        };
        if same {
            return Wanted::Unchanged;
        }
    }
    let still = match IfRange::parse(req) {
        Ok(IfRange::EntityTag(other)) if has(header::IF_RANGE) => other.strong_eq(tag),
        _ => !has(header::IF_RANGE),
    };
    if !has(header::RANGE) || !still || req.method() != Method::GET {
        return Wanted::Whole;
    }
    match RangeHeader::parse(req) {
        Ok(RangeHeader::Bytes(ranges)) if ranges.len() == 1 => part(&ranges[0], size),
        _ => Wanted::Whole,
    }
}

fn part(range: &ByteRangeSpec, size: u64) -> Wanted {
    match range.to_satisfiable_range(size) {
        Some((first, last)) => Wanted::Part(first..last + 1),
        None => Wanted::OutOfRange,
    }
}
