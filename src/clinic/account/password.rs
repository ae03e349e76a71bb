//! `/password/{token}`: setting a password by a one-time link, which an invitation or a forgotten password brings.

use crate::clinic::guard::shell_for_nobody;
use crate::clock::Token;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::users::{self, SHORTEST_PASSWORD, SetPasswordError, WeakPassword};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/password.html")]
struct PasswordPage {
    shell: Shell,
    errors: FieldErrors,
    shortest: usize,
}

/// Says that a link does not work any more, and how to get another one.
#[derive(Template)]
#[template(path = "clinic/account/link_over.html")]
struct LinkOverPage {
    shell: Shell,
}

/// What is wrong with a new password, in the words of a form.
pub(super) fn weak(cause: WeakPassword) -> &'static str {
    match cause {
        WeakPassword::TooShort => "error-password-short",
        WeakPassword::TooLong => "error-password-long",
        WeakPassword::Common => "error-password-common",
        WeakPassword::OfNames => "error-password-names",
    }
}

async fn over(state: &AppState, head: Head) -> Result<HttpResponse, AppError> {
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    with_status(StatusCode::NOT_FOUND, &LinkOverPage { shell })
}

async fn page(
    state: &AppState,
    head: Head,
    token: Token,
    errors: FieldErrors,
) -> Result<Option<PasswordPage>, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        match users::open_password_link(conn, head.now, &token)? {
            Some(_) => Ok(Some(shell_for_nobody(conn, &head)?)),
            None => Ok(None),
        }
    });
    Ok(read.await?.map(|shell| PasswordPage { shell, errors, shortest: SHORTEST_PASSWORD }))
}

pub async fn show(state: web::Data<AppState>, head: Head, token: web::Path<String>) -> Result<HttpResponse, AppError> {
    state.limits.link(head.from)?;
    match page(&state, head.clone(), Token::received(&token), FieldErrors::default()).await? {
        Some(page) => html(&page),
        None => over(&state, head).await,
    }
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    token: web::Path<String>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    let token = Token::received(&token);
    let mut errors = FieldErrors::default();
    if form.get("password") != form.get("again") {
        errors.add("again", "error-password-differs");
    }
    if errors.is_empty() {
        let set = users::set_password(&state.db, head.now, token.clone(), form.get("password").to_owned());
        match set.await {
            Ok(()) => {
                state.wake.notify_one();
                return Ok(see_other("/sign-in?notice=password-set"));
            }
            Err(SetPasswordError::Weak(cause)) => errors.add("password", weak(cause)),
            Err(SetPasswordError::DeadLink) => return over(&state, head).await,
            Err(SetPasswordError::Db(cause)) => return Err(cause.into()),
            Err(SetPasswordError::Hash(cause)) => return Err(AppError::Internal(cause)),
        }
    }
    match page(&state, head.clone(), token, errors).await? {
        Some(page) => unprocessable(&page),
        None => over(&state, head).await,
    }
}
