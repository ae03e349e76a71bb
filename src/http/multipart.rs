//! A multipart body (RFC 7578), read as a stream and within limits. One piece of it is held at a time; the caller knows
//! what its fields and files are for.

use crate::error::AppError;
use actix_multipart::{Field, Multipart};
use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Bytes;
use futures_util::StreamExt;
use std::time::Duration;

/// A sender that sends nothing for this long counts as gone.
const SILENCE: Duration = Duration::from_secs(60);
/// The most that the fields of a form may have besides its files, in bytes.
const LARGEST_TEXT: usize = 1 << 20;
/// Each part counts for this many bytes besides its content, so that a body of nothing but empty parts ends too.
const HEAD_OF_A_PART: u64 = 100;

/// A body, of which at most `left` more bytes are read. Where a body does not say its length, this is the only limit.
pub struct Body {
    parts: Multipart,
    left: u64,
    text: usize,
}

/// One part: a file where it has a file name, else a field.
pub struct Part<'b> {
    /// the field's name
    pub name: String,
    /// the name that the sender gives the file; empty where a file field was left empty
    pub file_name: Option<String>,
    field: Field,
    left: &'b mut u64,
    text: &'b mut usize,
}

impl Body {
    /// A body of at most `most` bytes.
    ///
    /// # Errors
    /// Where its `Content-Length` is larger: then nothing is read.
    pub fn within(req: &HttpRequest, parts: Multipart, most: u64) -> Result<Body, AppError> {
        let length = req.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > most) {
            return Err(AppError::TooLarge);
        }
        Ok(Body { parts, left: most, text: 0 })
    }

    /// The next part; the rest of the previous one is skipped.
    ///
    /// # Errors
    /// Where the body is broken, too large, or its sender has gone.
    pub async fn next(&mut self) -> Result<Option<Part<'_>>, AppError> {
        let next = tokio::time::timeout(SILENCE, self.parts.next()).await.map_err(|_| AppError::BadRequest)?;
        let Some(field) = next.transpose().map_err(|_| AppError::BadRequest)? else { return Ok(None) };
        take(&mut self.left, HEAD_OF_A_PART)?;
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.content_disposition().and_then(|d| d.get_filename().map(str::to_owned));
        Ok(Some(Part { name, file_name, field, left: &mut self.left, text: &mut self.text }))
    }
}

impl Part<'_> {
    /// The next bytes of the part; `None` at its end.
    ///
    /// # Errors
    /// See [`Body::next`].
    pub async fn piece(&mut self) -> Result<Option<Bytes>, AppError> {
        let next = tokio::time::timeout(SILENCE, self.field.next()).await.map_err(|_| AppError::BadRequest)?;
        let bytes = next.transpose().map_err(|_| AppError::BadRequest)?;
        take(self.left, bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))?;
        Ok(bytes)
    }

    /// The whole part as a field's text, without NUL.
    ///
    /// # Errors
    /// See [`Body::next`]; where the texts of the form are together more than a form may have.
    pub async fn into_text(mut self) -> Result<String, AppError> {
        let mut value = Vec::new();
        while let Some(bytes) = self.piece().await? {
            *self.text += bytes.len();
            if *self.text > LARGEST_TEXT {
                return Err(AppError::TooLarge);
            }
            value.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8_lossy(&value).replace('\0', ""))
    }
}

fn take(left: &mut u64, bytes: u64) -> Result<(), AppError> {
    *left = left.checked_sub(bytes).ok_or(AppError::TooLarge)?;
    Ok(())
}
