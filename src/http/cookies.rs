//! The session cookies of the clinic and the portal.

use crate::access::session::{Door, Store};
use actix_session::SessionMiddleware;
use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_web::body::MessageBody;
use actix_web::cookie::{Cookie, Key, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};

/// The name of a door's session cookie. The `__Host-` prefix (RFC 6265bis) binds it to this host and to TLS; browsers
/// refuse it over plain HTTP, which only loopback may use.
pub fn name(door: Door, https: bool) -> &'static str {
    match (door, https) {
        (Door::Clinic, true) => "__Host-postern",
        (Door::Clinic, false) => "postern",
        (Door::Portal, true) => "__Host-postern-portal",
        (Door::Portal, false) => "postern-portal",
    }
}

/// actix-session over our store. The store sets the limits; the cookie ends with the browser unless [`Stay`] says
/// longer.
pub fn sessions(store: Store, key: Key, https: bool) -> SessionMiddleware<Store> {
    let cookie = name(store.door, https).to_owned();
    SessionMiddleware::builder(store, key)
        .cookie_name(cookie)
        .cookie_secure(https)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".into())
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(BrowserSession::default())
        .build()
}

/// Put into a request by the page that signs somebody in for days ("Stay logged in").
#[derive(Clone, Copy)]
pub struct Stay(pub time::Duration);

/// Makes the cookie outlive the browser where [`Stay`] was asked for.
///
/// # Errors
/// Those of the page.
pub async fn lengthen(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut res = next.call(req).await?;
    let stay = res.request().extensions().get::<Stay>().copied();
    if let Some(Stay(length)) = stay {
        let cookies: Vec<HeaderValue> = res.headers().get_all(SET_COOKIE).cloned().collect();
        res.headers_mut().remove(SET_COOKIE);
        for cookie in cookies {
            let longer = cookie.to_str().ok().and_then(|text| Cookie::parse(text.to_owned()).ok()).map(|mut c| {
                c.set_max_age(length);
                c.to_string()
            });
            let value = longer.and_then(|text| HeaderValue::from_str(&text).ok()).unwrap_or(cookie);
            res.headers_mut().append(SET_COOKIE, value);
        }
    }
    Ok(res)
}
