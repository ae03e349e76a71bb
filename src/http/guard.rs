//! Checks before every page: cross-site requests are refused, and each answer carries the headers that keep a browser
//! from doing harm.

use crate::config::Config;
use crate::error::ErrorPage;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

/// The origin that the configuration names, such as `https://messages.example.org`: never the Host header.
#[derive(Clone)]
pub struct Origin(pub String);

/// The Content-Security-Policy: only our own files, no inline script or style, and no frames of our pages.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                       connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    // addresses of the portal hold tokens: other sites learn only our origin
    ("referrer-policy", "strict-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ("cache-control", "no-store"),
];

/// Whether a request may change something: its page must be of our origin, by Fetch Metadata, or else by Origin. A
/// request with neither does not come from a browser, so no cookie was sent without its sender's will.
pub fn same_origin(method: &Method, headers: &HeaderMap, own: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return true;
    }
    let get = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (get("sec-fetch-site"), get("origin")) {
        (Some("same-origin" | "none"), _) => true,
        // `same-site` is refused too: a sibling host is another origin
        (Some(_), _) => false,
        (None, Some(origin)) => origin == own,
        (None, None) => true,
    }
}

/// Refuses cross-site requests, for every route that is not GET or HEAD.
///
/// # Errors
/// Those of the page.
pub async fn cross_site(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let own = req.app_data::<web::Data<Origin>>().map(|origin| origin.0.clone()).unwrap_or_default();
    if same_origin(req.method(), req.headers(), &own) {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    }
    let mut response = HttpResponse::new(StatusCode::FORBIDDEN);
    response.extensions_mut().insert(ErrorPage(StatusCode::FORBIDDEN));
    Ok(req.into_response(response))
}

/// Refuses uploads by patients: no portal route takes anything but a plain form.
///
/// # Errors
/// Those of the page.
pub async fn only_plain_forms(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let kind = req.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    if kind.is_empty() || kind.starts_with("application/x-www-form-urlencoded") {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let mut response = HttpResponse::new(status);
    response.extensions_mut().insert(ErrorPage(status));
    Ok(req.into_response(response))
}

/// Adds the headers that a page has not set itself.
///
/// # Errors
/// Those of the page.
pub async fn headers(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let https = req.app_data::<web::Data<Config>>().filter(|config| config.is_https());
    let strict = https.map(|config| match config.hsts_subdomains {
        true => HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        false => HeaderValue::from_static("max-age=31536000"),
    });
    let mut res = next.call(req).await?;
    let set = res.headers_mut();
    set_headers(set);
    if let Some(strict) = strict {
        set.insert(header::STRICT_TRANSPORT_SECURITY, strict);
    }
    Ok(res)
}

/// Sets the headers of all pages that are not set yet.
pub(super) fn set_headers(set: &mut HeaderMap) {
    for (name, value) in HEADERS {
        if !set.contains_key(*name) {
            set.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}
