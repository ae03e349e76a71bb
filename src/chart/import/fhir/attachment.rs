//! Attachments (R4 §2.24.0.5): decodes the data, or finds it in a Binary (R4 §2.41) of the bundle.

use data_encoding::BASE64_NOPAD;

use super::chart::{At, Chart, Draft};
use super::types::{Attachment, single_line, words};
use super::{ImportedFile, SkipReason};
use crate::chart::item::{ItemBody, ItemKind};

/// Base64 as FHIR has it (white space allowed, R4 §2.24.0.1); none where it is not base64 or nothing.
fn decode(data: &str) -> Option<Vec<u8>> {
    let packed: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let end = packed.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let bytes = BASE64_NOPAD.decode(packed.get(..end)?).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// The file of an attachment, or why there is none. An attachment that has neither data nor address is none without a
/// reason. `fallback` names the file where the record does not.
pub(super) fn file(
    chart: &mut Chart,
    at: At,
    attachment: &Attachment,
    fallback: &str,
) -> Result<Option<ImportedFile>, SkipReason> {
    let declared = attachment.content_type.as_deref();
    let (data, declared) = match (&attachment.data, &attachment.url) {
        (Some(data), _) => (decode(data).ok_or(SkipReason::FileBroken)?, declared),
        (None, Some(url)) => {
            let binary = chart.binary(at, url).ok_or(SkipReason::FileElsewhere)?;
            let data = binary.data.as_deref().and_then(decode).ok_or(SkipReason::FileBroken)?;
            (data, declared.or(binary.content_type.as_deref()))
        }
        (None, None) => return Ok(None),
    };
    let content_type = content_type(declared);
    let title = attachment.title.as_deref().and_then(words).unwrap_or_else(|| fallback.to_owned());
    Ok(Some(ImportedFile { name: file_name(&title, &content_type), content_type, data }))
}

/// `type/subtype` in lower case without parameters (RFC 6838 §4.2 names), else "application/octet-stream".
fn content_type(declared: Option<&str>) -> String {
    let essence = declared.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let name = |part: &str| {
        !part.is_empty()
            && part.len() <= 127
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match essence.split_once('/') {
        Some((kind, sub)) if name(kind) && name(sub) => essence,
        _ => "application/octet-stream".to_owned(),
    }
}

/// A name without paths, with an extension where the type is a usual one.
fn file_name(title: &str, content_type: &str) -> String {
    let safe: String = title.chars().map(|c| if r#"/\:*?"<>|"#.contains(c) { '-' } else { c }).collect();
    let safe = single_line(&safe, 115);
    let safe = safe.trim_start_matches('.').trim();
    let extension = match content_type {
        "application/pdf" => ".pdf",
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "text/plain" => ".txt",
        "text/html" => ".html",
        "text/rtf" | "application/rtf" => ".rtf",
        "text/xml" | "application/xml" => ".xml",
        _ => "",
    };
    let has_one = safe.rsplit_once('.').is_some_and(|(stem, end)| {
        !stem.is_empty() && matches!(end.len(), 2..=4) && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let stem = if safe.is_empty() { "file" } else { safe };
    if has_one { stem.to_owned() } else { format!("{stem}{extension}") }
}

/// Adds an item with the first of the files, and an item of the kind "file" with the same title for each further one
/// (`letter` for those of a letter). A file that can't be read is counted; the item is there all the same.
pub(super) fn add_with_files(chart: &mut Chart, at: At, mut draft: Draft, attachments: &[Attachment]) {
    let fallback = draft.title.clone().unwrap_or_else(|| at.entry.resource.kind().to_owned());
    let mut files = Vec::new();
    for attachment in attachments {
        match file(chart, at, attachment, &fallback) {
            Ok(file) => files.extend(file),
            Err(reason) => chart.skip(at, reason),
        }
    }
    let mut files = files.into_iter();
    draft.attachment = files.next();
    let kind = if draft.kind == ItemKind::Letter { ItemKind::Letter } else { ItemKind::File };
    let (occurred_at, author) = (draft.occurred_at, draft.author.clone());
    let source_id = at.entry.source_id(at.position);
    chart.add(at, draft);
    for (file, number) in files.zip(2..) {
        let (title, author) = (Some(fallback.clone()), author.clone());
        let further = Draft { kind, occurred_at, title, author, body: ItemBody::default(), attachment: Some(file) };
        chart.add_as(at, format!("{source_id}:{number}"), further);
    }
}
