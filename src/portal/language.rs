//! `POST /portal/language`: another language, without signing in.

use crate::error::AppError;
use crate::http::page::LANGUAGE_COOKIE;
use crate::http::Form;
use crate::state::AppState;
use crate::text::Lang;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use actix_web::{HttpResponse, web};

pub async fn choose(state: web::Data<AppState>, form: Form) -> Result<HttpResponse, AppError> {
    let lang = Lang::find(form.get("language")).ok_or(AppError::BadRequest)?;
    let cookie = Cookie::build(LANGUAGE_COOKIE, lang.code())
        .path("/")
        .http_only(true)
        .secure(state.config.is_https())
        .same_site(SameSite::Lax)
        .max_age(time::Duration::days(365))
        .finish();
    // back to where one was: a path of the portal, nothing else
    let back = form.get("back");
    let own = back.starts_with("/portal") && !back.contains(['\\', '\r', '\n']) && !back.contains("//");
    let to = if own { back } else { "/portal" };
    Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, to)).cookie(cookie).finish())
}
