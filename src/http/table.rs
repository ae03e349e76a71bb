//! Tables as files: CSV (RFC 4180), written piece by piece, so that a long table does not fill the memory.

use crate::error::AppError;
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Bytes;
use futures_util::{Stream, TryStreamExt};

/// Tells a spreadsheet that the table is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A table as a file of this name. `pieces` gives its lines, the headings first.
pub fn csv(name: &str, pieces: impl Stream<Item = Result<Vec<Vec<String>>, AppError>> + 'static) -> HttpResponse {
    let mut mark = BYTE_ORDER_MARK;
    let bytes = pieces.and_then(move |lines| {
        let start = std::mem::take(&mut mark);
        std::future::ready(written(start, lines).map(Bytes::from))
    });
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(bytes)
}

/// A table that is written at once.
///
/// # Errors
/// Where there is no memory for it.
pub fn bytes(lines: Vec<Vec<String>>) -> Result<Vec<u8>, AppError> {
    written(BYTE_ORDER_MARK, lines)
}

/// A value that a spreadsheet would take for a formula gets an apostrophe before it.
fn written(start: &str, lines: Vec<Vec<String>>) -> Result<Vec<u8>, AppError> {
    let failed = |cause: String| AppError::Internal(format!("a table failed: {cause}"));
    let begun = start.as_bytes().to_vec();
    let mut writer = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(begun);
    for line in lines {
        let safe = line.into_iter().map(|value| match value.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => format!("'{value}"),
            false => value,
        });
        writer.write_record(safe).map_err(|e| failed(e.to_string()))?;
    }
    writer.into_inner().map_err(|e| failed(e.to_string()))
}
