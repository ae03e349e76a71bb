//! `/account/notifications`: how a user is told of patients' answers. `/inbox/count`: the mark in the bar, kept fresh.

use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::conversations;
use crate::error::AppError;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use crate::users::{self, Told};
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/notifications.html")]
struct AccountPage {
    shell: Shell,
    told: Told,
    email: String,
}

pub async fn show(state: web::Data<AppState>, head: Head, user: User<rights::Read>) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (told, email) = (users::told(conn, user.0.id())?, users::email_of(conn, user.0.id())?);
        Ok(AccountPage { shell, told, email: email.to_string() })
    });
    html(&page.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    user: User<rights::Read>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, told) = (state.clock.now(), form.get("told").parse().map_err(|_| AppError::BadRequest)?);
    state.db.write(move |tx| -> Result<_, AppError> { Ok(users::set_told(tx, now, &user.0, told)?) }).await?;
    Ok(see_other("/account/notifications?notice=settings-saved"))
}

/// How many conversations hold something new, as a bare number.
pub async fn count(state: web::Data<AppState>, user: User<rights::Read>) -> Result<HttpResponse, AppError> {
    let count =
        state.db.read(move |conn| -> Result<_, AppError> { Ok(conversations::count_unread(conn, &user.0)?) }).await?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(count.to_string()))
}
