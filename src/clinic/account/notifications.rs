//! `/account/notifications`: how a user is told of patients' answers. `/inbox/count`: the number in the bar, kept
//! current.

use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::conversations;
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use crate::users::{self, ReplyMails};
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/notifications.html")]
struct AccountPage {
    shell: Shell,
    told: ReplyMails,
    email: String,
    seen: Seen,
}

/// What the form edits, as it is stored.
fn stored(told: ReplyMails) -> Stored {
    Stored::default().choice("told", "told-of-replies", "told-when", told.as_str())
}

pub async fn show(state: web::Data<AppState>, head: Head, user: User<rights::Read>) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (told, email) = (users::reply_mails(conn, user.0.id())?, users::email_of(conn, user.0.id())?);
        Ok(AccountPage { shell, told, email: email.to_string(), seen: stored(told).seen() })
    });
    html(&page.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, told) = (state.clock.now(), form.get("told").parse().map_err(|_| AppError::BadRequest)?);
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        if let Some(seen) = stored(users::reply_mails(tx, user.0.id())?).newer(&form) {
            let (shell, _) = shell(tx, &head, &user.0)?;
            let email = users::email_of(tx, user.0.id())?.to_string();
            return Ok(Some(AccountPage { shell, told, email, seen }));
        }
        users::set_reply_mails(tx, now, &user.0, told)?;
        Ok(None)
    });
    if let Some(page) = write.await? {
        return with_status(StatusCode::CONFLICT, &page);
    }
    Ok(see_other("/account/notifications?notice=settings-saved"))
}

/// How many conversations have something new for the user, as plain text: the number alone.
pub async fn count(state: web::Data<AppState>, user: User<rights::Read>) -> Result<HttpResponse, AppError> {
    let count =
        state.db.read(move |conn| -> Result<_, AppError> { Ok(conversations::count_unread(conn, &user.0)?) }).await?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(count.to_string()))
}
