//! `/sign-in`: signing in with email and password, and signing out.

use crate::access::Device;
use crate::access::session::Holder;
use crate::clinic::guard::shell_for_nobody;
use crate::clock::Token;
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, limits, page, see_other, signed_out, unprocessable};
use crate::state::AppState;
use crate::users::{self, Arrival, RelyingParty, SignInEnd};
use actix_session::Session;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/sign_in.html")]
pub(super) struct SignInPage {
    shell: Shell,
    next: String,
    email: String,
    failed: bool,
    /// why signing in at the provider failed; empty where there is nothing to say
    refused: String,
    /// whether browsers offer passkeys for this clinic's address
    has_passkeys: bool,
    /// the identity provider's name
    provider: Option<String>,
    /// users sign in at the provider only
    only_provider: bool,
    /// the EMRs at which users may sign in: name and address
    launches: Vec<(String, String)>,
    /// the address for signing out at the provider too
    way_out: Option<String>,
}

/// What the page says above the form.
pub(super) enum Told {
    /// nothing
    Nothing,
    /// email or password is wrong
    Wrong,
    /// the words with this key, about the provider
    Refused(String),
    /// the user has signed out; the page offers signing out at the provider too
    SignedOut,
}

/// Where to go after signing in: a path of our own.
pub(super) fn next_path(next: &str) -> &str {
    page::own_path(next).unwrap_or("/inbox")
}

pub(super) async fn sign_in_page(
    state: &AppState,
    head: Head,
    next: &str,
    email: &str,
    told: Told,
) -> Result<SignInPage, AppError> {
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    let only_provider = state.only_provider();
    let has_passkeys = !only_provider && RelyingParty::at(&state.config.public_url, "").is_some();
    let provider = state.provider.as_ref().map(|provider| provider.name().to_owned());
    let emrs = state.launches.iter().filter(|_| !only_provider);
    let launches = emrs.filter_map(|emr| Some((emr.name().to_owned(), emr.fhir()?.to_owned()))).collect();
    let way_out = match (&told, &state.provider) {
        (Told::SignedOut, Some(provider)) => provider.way_out().await.map(String::from),
        _ => None,
    };
    let refused = match &told {
        Told::Refused(key) => shell.t1(key, "provider", provider.as_deref().unwrap_or_default()),
        _ => String::new(),
    };
    Ok(SignInPage {
        shell,
        next: next_path(next).to_owned(),
        email: email.to_owned(),
        failed: matches!(told, Told::Wrong),
        refused,
        has_passkeys,
        provider,
        only_provider,
        launches,
        way_out,
    })
}

/// Refuses to sign in by password or passkey where users sign in at the provider only. The page says so; it leaves an
/// audit row.
pub(super) async fn shut(state: &AppState, head: Head, next: &str) -> Result<HttpResponse, AppError> {
    let (now, from) = (head.now, head.from);
    state.db.write(move |tx| -> Result<_, AppError> { Ok(users::refuse_sign_in(tx, now, from)?) }).await?;
    let told = Told::Refused("provider-only-refused".to_owned());
    with_status(StatusCode::FORBIDDEN, &sign_in_page(state, head, next, "", told).await?)
}

/// In the address after signing out: the user may still be signed in at the provider.
const LEFT: &str = "left";

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    query: web::Query<std::collections::HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let next = query.get("next").map_or("/inbox", String::as_str);
    if head.holder.is_some() {
        return Ok(see_other(next_path(next)));
    }
    let told = if query.contains_key(LEFT) { Told::SignedOut } else { Told::Nothing };
    html(&sign_in_page(&state, head, next, "", told).await?)
}

/// The cookie by which a browser is recognised from which a user has signed in; see [`users::DEVICE_LASTS`].
const BROWSER_COOKIE: &str = "browser";

/// The browser and system, and the token by which the browser is or will be recognised.
pub(super) fn browser_of(state: &AppState, req: &HttpRequest) -> (Device, Token) {
    let says = req.headers().get(header::USER_AGENT).and_then(|says| says.to_str().ok()).unwrap_or_default();
    let known = req.cookie(BROWSER_COOKIE).map(|cookie| Token::received(cookie.value()));
    (Device::from_user_agent(says), known.filter(Token::is_whole).unwrap_or_else(|| state.random.token()))
}

/// A cookie for the sign-in pages only.
pub(super) fn cookie<'c>(state: &AppState, name: &'c str, value: &'c str, lasts: time::Duration) -> Cookie<'c> {
    Cookie::build(name, value)
        .path("/sign-in")
        .http_only(true)
        .secure(state.config.is_https())
        .same_site(SameSite::Lax)
        .max_age(lasts)
        .finish()
}

/// Begins the session of a user who has taken every step of signing in.
pub(super) fn enter(
    state: &AppState,
    session: &Session,
    holder: Holder,
    (device, browser): (Device, &Token),
    next: &str,
) -> Result<HttpResponse, AppError> {
    state.wake.notify_one();
    super::own::begin(state, session, holder, &device.to_stored())?;
    let mut answer = see_other(next_path(next));
    let known = cookie(state, BROWSER_COOKIE, browser.reveal(), users::DEVICE_LASTS);
    answer.add_cookie(&known).map_err(|e| AppError::Internal(e.to_string()))?;
    Ok(answer)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    state.limits.sign_in(head.from, form.get("email"))?;
    if state.only_provider() {
        return shut(&state, head, form.get("next")).await;
    }
    let (email, password) = (form.get("email").to_owned(), form.get("password").to_owned());
    let (device, browser) = browser_of(&state, &req);
    let pending = state.random.token();
    let typed = users::SignIn {
        email,
        password,
        from: limits::caller(head.from),
        arrival: Arrival { address: head.from, device, browser: browser.clone(), pending: pending.clone() },
    };
    match users::sign_in(&state.db, state.clock.now(), typed).await? {
        SignInEnd::SignedIn(holder) => enter(&state, &session, holder, (device, &browser), form.get("next")),
        SignInEnd::SecondStep => super::second_step::ask(&state, &pending, next_path(form.get("next"))),
        SignInEnd::Refused => {
            unprocessable(&sign_in_page(&state, head, form.get("next"), form.get("email"), Told::Wrong).await?)
        }
    }
}

pub async fn sign_out(state: web::Data<AppState>, head: Head, session: Session) -> Result<HttpResponse, AppError> {
    let mut to = "/sign-in?notice=signed-out".to_owned();
    if let Some(Holder::User { id, .. }) = head.holder {
        users::sign_out(&state.db, state.clock.now(), id, super::own::mark(&session)).await?;
        let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(users::provider_link(conn, id)?) });
        if state.provider.is_some() && read.await?.is_some() {
            to = format!("/sign-in?{LEFT}=1&notice=signed-out");
        }
    }
    session.purge();
    Ok(signed_out(&to))
}
