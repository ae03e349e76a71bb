//! `/.well-known/security.txt`: where weaknesses are reported (RFC 9116).

use crate::clock::Clock;
use crate::config::Config;
use crate::error::AppError;
use actix_web::{HttpResponse, web};
use time::format_description::well_known::Rfc3339;
use time::{Duration, Time};

/// The file expires after this time and is to be fetched again; the standard recommends less than a year.
const GOOD_FOR: Duration = Duration::days(180);

/// Shows the contact address of the configuration; without one there is no such page.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn show(config: web::Data<Config>, clock: web::Data<Clock>) -> Result<HttpResponse, AppError> {
    let contact = config.security_contact.as_ref().ok_or(AppError::NotFound)?;
    let day = clock.now().plus(GOOD_FOR).get().replace_time(Time::MIDNIGHT);
    let expires = day.format(&Rfc3339).map_err(|cause| AppError::Internal(cause.to_string()))?;
    let origin = config.origin();
    let words = format!(
        "Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en, fr\n\
         Canonical: {origin}/.well-known/security.txt\n"
    );
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(words))
}
