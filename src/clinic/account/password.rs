//! `/password/{token}`: setting a password by the one-time link that `postern user add` prints.

use crate::clinic::guard::shell_for_nobody;
use crate::clock::Token;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::users::{self, SHORTEST_PASSWORD, SetPasswordError};
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/password.html")]
struct PasswordPage {
    shell: Shell,
    errors: FieldErrors,
    shortest: usize,
}

async fn page(state: &AppState, head: Head, token: Token, errors: FieldErrors) -> Result<PasswordPage, AppError> {
    let now = state.clock.now();
    let shell = state.db.read(move |conn| {
        users::open_password_link(conn, now, &token)?.ok_or(AppError::NotFound)?;
        shell_for_nobody(conn, &head)
    });
    Ok(PasswordPage { shell: shell.await?, errors, shortest: SHORTEST_PASSWORD })
}

pub async fn show(state: web::Data<AppState>, head: Head, token: web::Path<String>) -> Result<HttpResponse, AppError> {
    state.limits.link(head.from)?;
    html(&page(&state, head, Token::received(&token), FieldErrors::default()).await?)
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
        let set = users::set_password(&state.db, state.clock.now(), token.clone(), form.get("password").to_owned());
        match set.await {
            Ok(()) => return Ok(see_other("/sign-in?notice=password-set")),
            Err(SetPasswordError::TooShort) => errors.add("password", "error-password-short"),
            Err(SetPasswordError::DeadLink) => return Err(AppError::NotFound),
            Err(SetPasswordError::Db(cause)) => return Err(cause.into()),
            Err(SetPasswordError::Hash(cause)) => return Err(AppError::Internal(cause)),
        }
    }
    unprocessable(&page(&state, head, token, errors).await?)
}
