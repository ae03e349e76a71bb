//! `POST /portal/language`: another language for this browser, without signing in.

use crate::error::AppError;
use crate::http::Form;
use crate::http::page::choose_language;
use crate::state::AppState;
use crate::text::Lang;
use actix_web::{HttpResponse, web};

pub async fn choose(state: web::Data<AppState>, form: Form) -> Result<HttpResponse, AppError> {
    let lang = Lang::find(form.get("language")).ok_or(AppError::BadRequest)?;
    Ok(choose_language(lang, form.get("back"), "/portal", state.config.is_https()))
}
