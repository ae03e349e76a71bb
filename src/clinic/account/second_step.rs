//! `/sign-in/second-step`: what is asked for after the password.

use super::passkey::answer_in;
use super::sign_in::{browser_of, cookie, enter, next_path};
use crate::clinic::guard::{shell_for_nobody, with_next};
use crate::clock::Token;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::users::{
    self, PENDING_LASTS, PasskeyUse, RecoveryCode, RelyingParty, SecondFactor, SecondStep, SecondStepEnd, TypedFactor,
    Vault,
};
use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use std::collections::HashMap;

/// The cookie of a browser in which the password was typed.
const PENDING_COOKIE: &str = "second-step";
/// The address of the second step.
const PATH: &str = "/sign-in/second-step";

#[derive(Template)]
#[template(path = "clinic/account/second_step.html")]
struct SecondStepPage {
    shell: Shell,
    next: String,
    /// the second factor that this user has
    factor: SecondFactor,
    errors: FieldErrors,
}

/// Leads from the password to the second step.
pub(super) fn ask(state: &AppState, pending: &Token, next: &str) -> Result<HttpResponse, AppError> {
    let mut answer = see_other(&with_next(PATH, next));
    let carried = cookie(state, PENDING_COOKIE, pending.reveal(), PENDING_LASTS);
    answer.add_cookie(&carried).map_err(|e| AppError::Internal(e.to_string()))?;
    Ok(answer)
}

pub(super) fn pending(req: &HttpRequest) -> Option<Token> {
    let carried = req.cookie(PENDING_COOKIE).map(|cookie| Token::received(cookie.value()));
    carried.filter(Token::is_whole)
}

/// The second step is over: leads back to the password.
fn over(next: &str) -> HttpResponse {
    see_other(&format!("{}&notice=second-step-over", with_next("/sign-in", next_path(next))))
}

/// The page; `None` where this browser is not at the second step.
async fn page(
    state: &AppState,
    (head, req): (Head, &HttpRequest),
    next: &str,
    errors: FieldErrors,
) -> Result<Option<SecondStepPage>, AppError> {
    let Some(token) = pending(req) else { return Ok(None) };
    let next = next_path(next).to_owned();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let Some(user) = users::pending_user(conn, head.now, &token)? else { return Ok(None) };
        let (shell, factor) = (shell_for_nobody(conn, &head)?, users::second_factor(conn, user)?);
        Ok(Some(SecondStepPage { shell, next, factor, errors }))
    });
    read.await
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let next = query.get("next").map_or("/inbox", String::as_str);
    let is_signed_in = head.holder.is_some();
    match page(&state, (head, &req), next, FieldErrors::default()).await? {
        Some(page) => html(&page),
        None if is_signed_in => Ok(see_other(next_path(next))),
        None => Ok(over(next)),
    }
}

/// Reads what was sent, with its field: what a device signed, or else a recovery code, or else a code of the app.
pub(super) fn typed(form: &Form, state: &AppState, is_for: PasskeyUse) -> (&'static str, TypedFactor) {
    if form.has("credential")
        && let Some(party) = RelyingParty::at(&state.config.public_url, "")
    {
        return (PASSKEY, TypedFactor::Passkey(Box::new((party, is_for, answer_in(form)))));
    }
    match form.get("recovery").trim() {
        "" => ("code", TypedFactor::Code(form.get("code").to_owned())),
        code => ("recovery", TypedFactor::Recovery(RecoveryCode::typed(code))),
    }
}

/// Stands for a field where a device was asked: what is wrong is said in a notice.
pub(super) const PASSKEY: &str = "passkey";

/// The key of the error for a wrong code in this field.
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
    let ((device, browser), (field, typed)) = (browser_of(&state, &req), typed(&form, &state, PasskeyUse::SecondStep));
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
        SecondStepEnd::Wrong if field == PASSKEY => {
            return Ok(see_other(&format!("{}&notice=passkey-failed", with_next(PATH, next_path(next)))));
        }
        SecondStepEnd::Wrong => errors.add(field, wrong(field)),
        SecondStepEnd::Paused(_) => errors.add(field, "error-code-paused"),
    }
    state.wake.notify_one();
    match page(&state, (head, &req), next, errors).await? {
        Some(page) => unprocessable(&page),
        None => Ok(over(next)),
    }
}
