//! A mail in a frame of a page, exactly as a mail program gets it: in a sandbox, in light or dark.

use super::guard::CSP;
use crate::error::AppError;
use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};

/// What a mail may do in its frame: nothing but show itself, and open its links elsewhere.
const MAIL_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; \
                        base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

/// The document of a mail, for its frame. `look` is `light` or `dark`; anything else leaves it to the reader's system.
pub fn document(mail: &str, look: &str) -> HttpResponse {
    // its links open in a window of their own: no page of ours lets itself be framed
    let mut shown = mail.replacen("<head>", "<head><base target=\"_blank\">", 1);
    if let "light" | "dark" = look {
        let named = |look: &str| format!("name=\"color-scheme\" content=\"{look}\"");
        shown = shown.replacen(&named("light dark"), &named(look), 1);
    }
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, MAIL_CSP))
        .insert_header((X_FRAME_OPTIONS, "SAMEORIGIN"))
        .body(shown)
}

/// Lets a page frame a [`document`] of our own origin.
///
/// # Errors
/// When the policy is no header, which cannot be.
pub fn allow_in(mut page: HttpResponse) -> Result<HttpResponse, AppError> {
    let policy = format!("{CSP}; frame-src 'self'").parse().map_err(|_| AppError::BadRequest)?;
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(page)
}

/// The word among those offered that an address says.
pub fn chosen(said: &str, offered: [&'static str; 2]) -> Option<&'static str> {
    offered.into_iter().find(|one| *one == said)
}
