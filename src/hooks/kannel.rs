//! Kannel's calls: unsigned GETs, so the address itself is the secret.

use super::Came;
use crate::config::TextsVia;
use crate::delivery::Reason;
use crate::error::AppError;
use crate::notifications::{Ending, State};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

fn check(state: &AppState) -> Result<(), AppError> {
    let kannel = matches!(state.config.texts.as_ref().map(|texts| &texts.via), Some(TextsVia::Kannel(_)));
    kannel.then_some(()).ok_or(AppError::NotFound)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Receipt {
    /// the kind of report, Kannel's %d
    report: String,
}

pub async fn receipt(
    state: web::Data<AppState>,
    path: web::Path<(i64, String)>,
    query: web::Query<Receipt>,
) -> Result<HttpResponse, AppError> {
    check(&state)?;
    super::receipt(&state, path.into_inner(), ending(&query.report)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The outcome for Kannel's kinds of report: 1 delivered, 2 not delivered, 4 waits at the centre, 8 taken by the
/// centre, 16 refused by the centre.
fn ending(report: &str) -> Option<Ending> {
    let (state, reason) = match report {
        "1" => (State::Delivered, None),
        "2" => (State::Failed, Some(Reason::NotDelivered)),
        "4" | "8" => (State::Sent, None),
        "16" => (State::Failed, Some(Reason::GatewayRefused)),
        _ => return None,
    };
    Some(Ending { state, reason })
}

pub async fn text(
    state: web::Data<AppState>,
    req: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, AppError> {
    check(&state)?;
    let query = req.query_string();
    // Kannel's %p, %I, %C and %b or %a
    let words = |name| String::from_utf8_lossy(&field(query, name)).into_owned();
    let (from, id, charset) = (words("from"), words("id"), words("charset"));
    if id.is_empty() {
        return Err(AppError::BadRequest);
    }
    let body = decoded(&field(query, "text"), &charset);
    let came = Came { from, body, gateway_id: format!("kannel {id}"), answered: false };
    let answer = super::text(&state, "kannel/texts", path.into_inner(), came).await?;
    // Kannel sends the body back as a text, and sends nothing if the body is empty
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(answer.unwrap_or_default()))
}

/// The bytes of a field: Kannel passes a text on in the encoding that it came in, which may not be UTF-8.
fn field(query: &str, name: &str) -> Vec<u8> {
    let value = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
    let mut rest = value.map_or(&b""[..], |(_, value)| value.as_bytes());
    let mut bytes = Vec::with_capacity(rest.len());
    let hex = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(*byte),
            },
            _ => bytes.push(*byte),
        }
    }
    bytes
}

/// The text of a message. UCS-2 comes as UTF-16BE, named in `charset` where the address has that field, else recognised
/// by its zero bytes; any other text is UTF-8, or else the common part of Windows-1252 and Latin 1.
fn decoded(bytes: &[u8], charset: &str) -> String {
    let utf16 = charset.to_ascii_uppercase().replace(['-', '_'], "");
    let is_utf16 = ["UTF16BE", "UTF16", "UCS2"].contains(&utf16.as_str());
    if (is_utf16 || bytes.contains(&0)) && bytes.len().is_multiple_of(2) {
        let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        return char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    match std::str::from_utf8(bytes) {
        Ok(words) => words.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_whatever_coding_it_comes() {
        for (query, charset, expected) in [
            ("text=ARR%C3%8ATEZ", "", "ARRÊTEZ"),
            ("text=ARR%C3%8ATEZ", "UTF-8", "ARRÊTEZ"),
            ("from=1&text=%00A%00R%00R%00%CA%00T%00E%00Z&id=2", "UTF-16BE", "ARRÊTEZ"),
            ("text=%00A%00R%00R%00%CA%00T%00E%00Z", "", "ARRÊTEZ"),
            ("text=%14%03%14%d3", "UTF-16BE", "ᐃᓓ"),
            ("text=ARR%CATEZ", "WINDOWS-1252", "ARRÊTEZ"),
            ("text=STOP+please%21", "GSM", "STOP please!"),
            ("text=%", "", "%"),
            ("text=%d8%00%00A", "UTF-16BE", "\u{fffd}A"),
            ("other=1", "", ""),
        ] {
            assert_eq!(decoded(&field(query, "text"), charset), expected, "{query}");
        }
    }
}
