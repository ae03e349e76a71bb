//! `/sign-in/second-step`: what is asked for after the password.

use super::sign_in::{browser_of, cookie, enter, next_path};
use crate::clinic::guard::{shell_for_nobody, with_next};
use crate::clock::Token;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::users::{self, PENDING_LASTS, RecoveryCode, SecondStep, SecondStepEnd, TypedFactor, Vault};
use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use std::collections::HashMap;

/// The cookie of a browser in which the password was typed.
const PENDING_COOKIE: &str = "second-step";
/// The page.
const PATH: &str = "/sign-in/second-step";

#[derive(Template)]
#[template(path = "clinic/account/second_step.html")]
struct SecondStepPage {
    shell: Shell,
    next: String,
    errors: FieldErrors,
}

/// Leads from the password to the second step.
pub(super) fn ask(state: &AppState, pending: &Token, next: &str) -> Result<HttpResponse, AppError> {
    let mut answer = see_other(&with_next(PATH, next));
    let carried = cookie(state, PENDING_COOKIE, pending.reveal(), PENDING_LASTS);
    answer.add_cookie(&carried).map_err(|e| AppError::Internal(e.to_string()))?;
    Ok(answer)
}

fn pending(req: &HttpRequest) -> Option<Token> {
    let carried = req.cookie(PENDING_COOKIE).map(|cookie| Token::received(cookie.value()));
    carried.filter(Token::is_whole)
}

/// The password is asked for again.
fn over(next: &str) -> HttpResponse {
    see_other(&format!("{}&notice=second-step-over", with_next("/sign-in", next_path(next))))
}

async fn page(state: &AppState, head: Head, next: &str, errors: FieldErrors) -> Result<SecondStepPage, AppError> {
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    Ok(SecondStepPage { shell, next: next_path(next).to_owned(), errors })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let next = query.get("next").map_or("/inbox", String::as_str);
    let is_pending = match pending(&req) {
        Some(token) => {
            let now = head.now;
            let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(users::is_pending(conn, now, &token)?) });
            read.await?
        }
        None => false,
    };
    match (is_pending, &head.holder) {
        (true, _) => html(&page(&state, head, next, FieldErrors::default()).await?),
        (false, Some(_)) => Ok(see_other(next_path(next))),
        (false, None) => Ok(over(next)),
    }
}

/// What was typed: a recovery code where there is one, else a code of the app.
pub(super) fn typed(form: &Form) -> (&'static str, TypedFactor) {
    match form.get("recovery").trim() {
        "" => ("code", TypedFactor::Code(form.get("code").to_owned())),
        code => ("recovery", TypedFactor::Recovery(RecoveryCode::typed(code))),
    }
}

/// What is said of a wrong one.
pub(super) fn wrong(field: &str) -> &'static str {
    if field == "recovery" { "error-recovery-code" } else { "error-app-code" }
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    let next = form.get("next");
    let Some(pending) = pending(&req) else { return Ok(over(next)) };
    let ((device, browser), (field, typed)) = (browser_of(&state, &req), typed(&form));
    let step = SecondStep { pending, typed, address: head.from, device, browser: browser.clone() };
    let vault = Vault::from_files(&state.config.files, &state.random);
    let mut errors = FieldErrors::default();
    match users::second_step(&state.db, head.now, step, vault).await? {
        SecondStepEnd::SignedIn(holder) => {
            let mut answer = enter(&state, &session, holder, (device, &browser), next)?;
            let used = cookie(&state, PENDING_COOKIE, "", time::Duration::ZERO);
            answer.add_cookie(&used).map_err(|e| AppError::Internal(e.to_string()))?;
            return Ok(answer);
        }
        SecondStepEnd::Over => return Ok(over(next)),
        SecondStepEnd::Wrong => errors.add(field, wrong(field)),
        SecondStepEnd::Paused(_) => errors.add(field, "error-code-paused"),
    }
    state.wake.notify_one();
    unprocessable(&page(&state, head, next, errors).await?)
}
