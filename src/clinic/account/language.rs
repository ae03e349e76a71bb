//! `POST /language`: a user chooses their own language; before signing in, the language of this browser.

use crate::access::session::Holder;
use crate::error::AppError;
use crate::http::page::choose_language;
use crate::http::{Form, Head};
use crate::state::AppState;
use crate::text::Lang;
use crate::users;
use actix_web::{HttpResponse, web};

pub async fn choose(state: web::Data<AppState>, head: Head, form: Form) -> Result<HttpResponse, AppError> {
    let lang = Lang::find(form.get("language")).ok_or(AppError::BadRequest)?;
    if let Some(Holder::User { id, .. }) = head.holder {
        let write = state
            .db
            .write(move |tx| -> Result<_, AppError> { Ok(users::set_language(tx, head.now, id, lang.code())?) });
        write.await?;
    }
    Ok(choose_language(lang, form.get("back"), "/inbox", state.config.is_https()))
}
