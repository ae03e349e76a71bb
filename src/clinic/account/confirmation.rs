//! `/account/confirmation`: asks a user to prove once more who they are, before actions that are not allowed in a
//! browser that was left open.

use super::second_step::{PASSKEY, typed, wrong};
use crate::access::OwnAccount;
use crate::access::session::CONFIRMED;
use crate::clinic::guard::{CONFIRMATION, Own, shell_of_own, with_next};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::own_path;
use crate::http::{Form, Head, Shell, html, limits, see_other, unprocessable};
use crate::state::AppState;
use crate::users::{self, Checked, Confirmation, PasskeyUse, SecondFactor, TypedPassword, Vault};
use actix_session::Session;
use actix_web::{HttpResponse, web};
use askama::Template;
use std::collections::HashMap;

#[derive(Template)]
#[template(path = "clinic/account/confirmation.html")]
struct ConfirmationPage {
    shell: Shell,
    next: String,
    /// the second factors that the user has
    factor: SecondFactor,
    /// whether the user has a password
    has_password: bool,
    /// the name of the provider at which the user may prove it, where they are linked
    provider: Option<String>,
    errors: FieldErrors,
}

fn next_path(next: &str) -> &str {
    own_path(next).unwrap_or("/account")
}

async fn page(
    state: &AppState,
    (head, me): (Head, OwnAccount),
    next: &str,
    errors: FieldErrors,
) -> Result<ConfirmationPage, AppError> {
    let next = next_path(next).to_owned();
    let provider = state.provider.as_ref().map(|provider| provider.name().to_owned());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let shell = shell_of_own(conn, &head, &me)?;
        let factor = users::second_factor(conn, me.id())?;
        let account = users::account(conn, me.id())?.ok_or(AppError::NotFound)?;
        let provider = provider.filter(|_| account.is_linked);
        Ok(ConfirmationPage { shell, next, factor, has_password: account.has_password, provider, errors })
    });
    read.await
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    me: Own,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let next = query.get("next").map_or("", String::as_str);
    html(&page(&state, (head, me.0), next, FieldErrors::default()).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    me: Own,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let own = me.0.clone();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        Ok((users::own_email(conn, &own)?, users::second_factor(conn, own.id())?.is_there()))
    });
    let (email, has_factor) = read.await?;
    state.limits.sign_in(head.from, email.as_str())?;
    let (field, confirmation) = match form.get("password") {
        "" if has_factor && (form.has("code") || form.has("recovery") || form.has("credential")) => {
            let (field, typed) = typed(&form, &state, PasskeyUse::Confirmation);
            (field, Confirmation::Factor(typed))
        }
        password => {
            let password = TypedPassword { password: password.to_owned(), from: limits::caller(head.from) };
            ("password", Confirmation::Password(password))
        }
    };
    let vault = Vault::from_files(&state.config.files, &state.random);
    let mut errors = FieldErrors::default();
    match users::confirm(&state.db, head.now, &me.0, (confirmation, head.from), vault).await? {
        Checked::Right => {
            state.wake.notify_one();
            let noted = session.insert(CONFIRMED, head.now.micros());
            noted.map_err(|e| AppError::Internal(e.to_string()))?;
            return Ok(see_other(next_path(form.get("next"))));
        }
        Checked::Wrong if field == PASSKEY => {
            let again = with_next(CONFIRMATION, next_path(form.get("next")));
            return Ok(see_other(&format!("{again}&notice=passkey-failed")));
        }
        Checked::Wrong if field == "password" => errors.add(field, "error-password-wrong"),
        Checked::Wrong => errors.add(field, wrong(field)),
        Checked::Paused(_) => errors.add(field, "error-code-paused"),
    }
    unprocessable(&page(&state, (head, me.0), form.get("next"), errors).await?)
}
