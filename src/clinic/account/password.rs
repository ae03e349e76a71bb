//! `/password/{token}`: setting a password by a one-time link: of an invitation, for a forgotten password, or for an
//! emergency.

use super::sign_in::{browser_of, enter};
use crate::clinic::guard::shell_for_nobody;
use crate::clock::Token;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::users::{self, Arrival, Purpose, SHORTEST_PASSWORD, SetPasswordError, SignInEnd, WeakPassword};
use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/password.html")]
struct PasswordPage {
    shell: Shell,
    errors: FieldErrors,
    shortest: usize,
    token: String,
    /// the provider's name, where an invited user may link themselves there instead of setting a password
    provider: Option<String>,
    /// the provider's name, where users sign in only there: then this link sets no password
    only: Option<String>,
    /// the link signs an owner in although users sign in at the provider only
    is_emergency: bool,
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
    let (provider, only) = (state.provider.as_ref().map(|provider| provider.name().to_owned()), state.only_provider());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let Some((_, purpose)) = users::open_password_link(conn, head.now, &token)? else { return Ok(None) };
        let shell = shell_for_nobody(conn, &head)?;
        let is_emergency = purpose == Purpose::Emergency;
        Ok(Some(PasswordPage {
            shell,
            errors,
            shortest: SHORTEST_PASSWORD,
            token: token.reveal().to_owned(),
            only: provider.clone().filter(|_| only && !is_emergency),
            provider: provider.filter(|_| purpose == Purpose::Invitation),
            is_emergency,
        }))
    });
    read.await
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
    req: HttpRequest,
    session: Session,
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
        let ((device, browser), pending) = (browser_of(&state, &req), state.random.token());
        let arrival = Arrival { address: head.from, device, browser: browser.clone(), pending: pending.clone() };
        let (typed, how) = (form.get("password").to_owned(), (state.only_provider(), arrival));
        match users::set_password(&state.db, head.now, token.clone(), typed, how).await {
            Ok(end) => {
                state.wake.notify_one();
                return match end {
                    Some(SignInEnd::SignedIn(holder)) => enter(&state, &session, holder, (device, &browser), "/inbox"),
                    Some(SignInEnd::SecondStep) => super::second_step::ask(&state, &pending, "/inbox"),
                    Some(SignInEnd::Refused) | None => Ok(see_other("/sign-in?notice=password-set")),
                };
            }
            Err(SetPasswordError::Shut) => {
                return match page(&state, head.clone(), token, errors).await? {
                    Some(page) => with_status(StatusCode::FORBIDDEN, &page),
                    None => over(&state, head).await,
                };
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
