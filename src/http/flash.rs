//! A notice that is shown once: "The settings were saved." A redirect names it as `?notice=KEY`. Here it is taken out
//! of the address, which may be loaded again, saved and shared, and moved into a cookie that only the next page gets.
//! The cookie holds the key of a fixed text, and is sent to that one path only.

use crate::config::Config;
use actix_web::body::MessageBody;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};
use time::Duration;

/// The cookie that carries the key.
const COOKIE: &str = "notice";
/// How long the cookie lasts: a browser follows a redirect at once.
const LASTS: Duration = Duration::seconds(60);
/// The header that tells a script where to go; see [`super::page::landed`].
const LANDING: HeaderName = HeaderName::from_static("x-location");

/// The key of the notice that this page shows; empty where there is none. A part of a page shows none, so that the page
/// to which its script leads shows it.
pub fn key(req: &HttpRequest) -> String {
    let shows = *req.method() == Method::GET && !req.headers().contains_key("x-fragment");
    let cookie = shows.then(|| req.cookie(COOKIE)).flatten();
    cookie.map(|cookie| cookie.value().to_owned()).unwrap_or_default()
}

/// Moves a notice from the address to which an answer leads into the cookie, and ends the cookie once a page has shown it.
///
/// # Errors
/// Those of the page.
pub async fn once(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let https = req.app_data::<web::Data<Config>>().is_some_and(|config| config.is_https());
    let shown = (!key(req.request()).is_empty()).then(|| req.path().to_owned());
    let mut res = next.call(req).await?;
    if let Some(path) = shown.filter(|_| is_page(&res)) {
        let mut cookie = carry("", &path, https);
        cookie.set_max_age(Duration::ZERO);
        set(res.headers_mut(), &cookie);
    }
    for name in [header::LOCATION, LANDING] {
        let Some((to, notice)) = res.headers().get(&name).and_then(|to| taken_out(to.to_str().ok()?)) else { continue };
        let path = to.split(['?', '#']).next().unwrap_or_default();
        set(res.headers_mut(), &carry(&notice, path, https));
        if let Ok(to) = HeaderValue::from_str(&to) {
            res.headers_mut().insert(name, to);
        }
    }
    Ok(res)
}

fn is_page(res: &ServiceResponse<impl MessageBody>) -> bool {
    let html = res.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    html && res.status() == StatusCode::OK
}

fn carry(notice: &str, path: &str, https: bool) -> Cookie<'static> {
    Cookie::build(COOKIE, notice.to_owned())
        .path(path.to_owned())
        .http_only(true)
        .secure(https)
        .same_site(SameSite::Lax)
        .max_age(LASTS)
        .finish()
}

fn set(headers: &mut HeaderMap, cookie: &Cookie) {
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        headers.append(header::SET_COOKIE, value);
    }
}

/// An address without its notice, and the notice's key; `None` where it has none.
fn taken_out(to: &str) -> Option<(String, String)> {
    let (rest, fragment) = to.split_once('#').map_or((to, None), |(rest, fragment)| (rest, Some(fragment)));
    let (path, query) = rest.split_once('?')?;
    let is_notice = |pair: &&str| pair.starts_with("notice=");
    let notice = query.split('&').find(is_notice)?.strip_prefix("notice=")?;
    let is_key = !notice.is_empty() && notice.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let others: Vec<&str> = query.split('&').filter(|pair| !is_notice(pair)).collect();
    let query = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    is_key.then(|| (format!("{path}{query}{fragment}"), notice.to_owned()))
}
