//! Compresses pages for patients, who read them on a phone.
//!
//! The length of a compressed page tells how often its parts repeat each other. Where a page has a secret, and words
//! that an outsider chooses and changes, somebody who sees the lengths on the line can find out the secret (BREACH,
//! CVE-2013-3587). So a page is compressed only where all its words are the clinic's or the patient's own, and none
//! come from the address: the patient's list, messages and information. The clinic's pages show a patient's words
//! beside notes that no patient may see, or what was searched for; pages of links have a token: these are not
//! compressed.

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use std::io::Write;

/// Below this length, in bytes, compressing saves no packet.
const WORTH_IT: usize = 1_024;

/// Compresses the answers to GET at these patterns of routes, where the address says nothing more and the browser takes gzip.
///
/// # Errors
/// Those of the page.
pub async fn pages(
    patterns: &'static [&'static str],
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let accepted =
        req.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(takes_gzip);
    let is_asked = *req.method() == Method::GET && req.query_string().is_empty();
    let res = next.call(req).await?.map_into_boxed_body();
    let is_one = res.request().match_pattern().is_some_and(|pattern| patterns.contains(&pattern.as_str()));
    let html = res.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !(is_asked && is_one && html && res.status() == StatusCode::OK) {
        return Ok(res);
    }
    let (request, res) = res.into_parts();
    let (mut res, body) = res.into_parts();
    res.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let body = to_bytes(body).await.map_err(|_| crate::error::AppError::Internal("a page without a body".into()))?;
    let packed = if accepted && body.len() >= WORTH_IT { gzip(&body) } else { None };
    let res: HttpResponse = match packed {
        Some(packed) => {
            res.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            res.set_body(BoxBody::new(packed))
        }
        None => res.set_body(BoxBody::new(body)),
    };
    Ok(ServiceResponse::new(request, res))
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    // a higher level would cost more time than it saves on a phone's line
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::new(3));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// Whether an `Accept-Encoding` takes gzip: named, and not with a weight of 0 (RFC 9110, 12.5.3).
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = |weight: &str| weight.trim_matches(['0', '.']).is_empty();
        is_gzip && !parts.filter_map(|part| part.strip_prefix("q=")).any(is_refused)
    })
}

#[cfg(test)]
mod tests {
    use super::takes_gzip;

    #[test]
    fn gzip_is_taken_where_it_is_named_and_not_refused() {
        for (accepted, is_taken) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("identity", false),
            ("x-gzip", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(accepted), is_taken, "{accepted:?}");
        }
    }
}
