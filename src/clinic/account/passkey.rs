//! Passkeys at the sign-in pages: `/sign-in/passkey` signs in without a password, and the challenges for the second
//! step and for a confirmation are made here. A challenge is sent as JSON to a script, which asks the device.

use super::second_step;
use super::sign_in::{browser_of, enter, next_path, shut};
use crate::clinic::guard::{Own, with_next};
use crate::clock::Token;
use crate::error::AppError;
use crate::http::{Form, Head, see_other};
use crate::state::AppState;
use crate::users::{self, PasskeyAnswer, PasskeyUse, RelyingParty};
use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::value::RawValue;
use url::Url;

/// The clinic as browsers and devices identify it.
///
/// # Errors
/// [`AppError::NotFound`] where there are no passkeys: see [`RelyingParty::at`].
pub(super) fn party(origin: &Url, clinic: &str) -> Result<RelyingParty, AppError> {
    RelyingParty::at(origin, clinic).ok_or(AppError::NotFound)
}

/// Reads a device's answer from the fields that the script fills.
pub(super) fn answer_in(form: &Form) -> PasskeyAnswer {
    PasskeyAnswer { challenge: Token::received(form.get("challenge")), credential: form.get("credential").to_owned() }
}

/// The answer to a script that asks for a challenge.
pub(super) fn challenge(token: &Token, options: &str) -> Result<HttpResponse, AppError> {
    let options: &RawValue = serde_json::from_str(options).map_err(|cause| AppError::Internal(cause.to_string()))?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "challenge": token.reveal(), "options": options })))
}

pub async fn sign_in_challenge(state: web::Data<AppState>, head: Head) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    if state.only_provider() {
        return Err(AppError::NotFound);
    }
    let (party, token) = (party(&state.config.public_url, "")?, state.random.token());
    let stored = token.clone();
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(users::begin_passkey_sign_in(tx, head.now, &party, &stored)?) });
    challenge(&token, &write.await?)
}

pub async fn sign_in(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    if state.only_provider() {
        return shut(&state, head, form.get("next")).await;
    }
    let (party, (device, browser)) = (party(&state.config.public_url, "")?, browser_of(&state, &req));
    let whence = (device, browser.clone(), head.from);
    let signed_in = users::sign_in_with_passkey(&state.db, head.now, party, answer_in(&form), whence).await?;
    match signed_in {
        Some(holder) => enter(&state, &session, holder, (device, &browser), form.get("next")),
        None => {
            let back = with_next("/sign-in", next_path(form.get("next")));
            Ok(see_other(&format!("{back}&notice=passkey-failed")))
        }
    }
}

pub async fn second_step_challenge(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    let pending = second_step::pending(&req).ok_or(AppError::NotFound)?;
    let (party, token) = (party(&state.config.public_url, "")?, state.random.token());
    let stored = token.clone();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let user = users::pending_user(tx, head.now, &pending)?.ok_or(AppError::NotFound)?;
        let options = users::begin_assertion(tx, head.now, (user, PasskeyUse::SecondStep), &party, &stored)?;
        options.ok_or(AppError::NotFound)
    });
    challenge(&token, &write.await?)
}

pub async fn confirmation_challenge(state: web::Data<AppState>, head: Head, me: Own) -> Result<HttpResponse, AppError> {
    let (party, token) = (party(&state.config.public_url, "")?, state.random.token());
    let stored = token.clone();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let of = (me.0.id(), PasskeyUse::Confirmation);
        users::begin_assertion(tx, head.now, of, &party, &stored)?.ok_or(AppError::NotFound)
    });
    challenge(&token, &write.await?)
}
