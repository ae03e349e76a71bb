//! `/sign-in/provider`: to the identity provider and back. A button (`POST`) leads there, by a page that goes on by
//! itself: the content security policy does not let a form's answer redirect to another site, be it the provider or
//! one to which the provider leads on.
//!
//! The browser comes back with a GET, which changes nothing: its page holds the answer in a form that a script or a
//! button sends. So a reload, a prefetch or a scanner of links uses nothing up.

use super::sign_in::{Told, browser_of, cookie, enter, next_path, sign_in_page};
use crate::access::OwnAccount;
use crate::access::session::{CONFIRMED, Holder};
use crate::clinic::guard::{ConfirmedOwn, Own, shell_for_nobody};
use crate::clock::Token;
use crate::error::AppError;
use crate::http::page::{own_path, with_status};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::provider::{Provider, Visit};
use crate::state::AppState;
use crate::users::{
    self, Arrival, ProviderAnswer, ProviderRefusal, SignInEnd, UnlinkError, VISIT_LASTS, VisitEnd, VisitErrand,
    VisitRefused,
};
use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use std::collections::HashMap;
use std::sync::Arc;

/// The cookie of a browser that has gone to the provider.
pub(super) const VISIT_COOKIE: &str = "provider";

/// The page that goes on to the provider by itself.
#[derive(Template)]
#[template(path = "clinic/account/provider_way.html")]
struct WayPage {
    shell: Shell,
    provider: String,
    to: String,
}

/// The page that sends the provider's answer on to the clinic.
#[derive(Template)]
#[template(path = "clinic/account/provider_answer.html")]
struct AnswerPage {
    shell: Shell,
    provider: String,
    fields: Vec<(&'static str, String)>,
}

/// Says why a visit failed, where a user is signed in already.
#[derive(Template)]
#[template(path = "clinic/account/provider_refused.html")]
struct RefusedPage {
    shell: Shell,
    words: String,
}

/// The provider.
///
/// # Errors
/// [`AppError::NotFound`] where there is none.
pub(super) fn provider(state: &AppState) -> Result<Arc<Provider>, AppError> {
    state.provider.clone().ok_or(AppError::NotFound)
}

/// The page that goes on to the provider of this name by itself.
pub(super) fn way(shell: Shell, provider: String, to: String) -> Result<HttpResponse, AppError> {
    html(&WayPage { shell, provider, to })
}

/// The token of the browser, if it has gone to the provider before.
pub(super) fn carried(req: &HttpRequest) -> Option<Token> {
    let carried = req.cookie(VISIT_COOKIE).map(|cookie| Token::received(cookie.value()));
    carried.filter(Token::is_whole)
}

/// The status of the page that says why.
pub(super) const fn status_of(why: ProviderRefusal) -> StatusCode {
    use ProviderRefusal::*;
    match why {
        Unknown | OtherBrowser | Late => StatusCode::BAD_REQUEST,
        Denied | LoginRequired | NotLinked | Deactivated | NoRole | NoAddress | OtherPerson | NotAskedAgain
        | SignedOut => StatusCode::FORBIDDEN,
        EmailTaken | LinkedElsewhere => StatusCode::CONFLICT,
        InvitationOver => StatusCode::NOT_FOUND,
        Failed | Untrue => StatusCode::BAD_GATEWAY,
        Away => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Says why a visit failed: on the sign-in page, which has the other ways to sign in, or on a page of its own for a
/// user who is signed in.
async fn refuse(
    state: &AppState,
    head: Head,
    why: ProviderRefusal,
    (next, email): (&str, &str),
) -> Result<HttpResponse, AppError> {
    let name = provider(state)?.name().to_owned();
    let key = format!("provider-refused-{}", why.as_str());
    if head.holder.is_some() {
        let read = state.db.read(move |conn| -> Result<_, AppError> {
            let shell = shell_for_nobody(conn, &head)?;
            Ok(RefusedPage { words: shell.t1(&key, "provider", name), shell })
        });
        return with_status(status_of(why), &read.await?);
    }
    let page = sign_in_page(state, head, next, email, Told::Refused(key)).await?;
    with_status(status_of(why), &page)
}

/// Begins a visit, and leads the browser to the provider.
async fn lead(
    state: &AppState,
    (head, req): (Head, &HttpRequest),
    errand: VisitErrand,
    (next, email): (&str, &str),
) -> Result<HttpResponse, AppError> {
    let provider = provider(state)?;
    state.limits.visit(head.from)?;
    let browser = carried(req).unwrap_or_else(|| state.random.token());
    let (visit, nonce) = (Visit { state: state.random.token(), browser }, state.random.token());
    let for_shell = head.clone();
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &for_shell)).await?;
    let to = match provider.way_there(&visit, &nonce, shell.lang, errand.asks_anew()).await {
        Ok(to) => to,
        Err(_) => return refuse(state, head, ProviderRefusal::Away, (next, email)).await,
    };
    let (noted, now, after) = (visit.clone(), head.now, next.to_owned());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(users::begin_visit(tx, now, &errand, (&noted, &nonce), &after)?)
    });
    if !write.await? {
        return refuse(state, head, ProviderRefusal::InvitationOver, (next, email)).await;
    }
    let mut answer = way(shell, provider.name().to_owned(), to.into())?;
    let carried = cookie(state, VISIT_COOKIE, visit.browser.reveal(), VISIT_LASTS);
    answer.add_cookie(&carried).map_err(|e| AppError::Internal(e.to_string()))?;
    Ok(answer)
}

pub async fn sign_in(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    lead(&state, (head, &req), VisitErrand::SignIn, (next_path(form.get("next")), form.get("email"))).await
}

pub async fn by_invitation(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    token: web::Path<String>,
) -> Result<HttpResponse, AppError> {
    lead(&state, (head, &req), VisitErrand::Invitation(Token::received(&token)), ("/inbox", "")).await
}

pub async fn link(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    lead(&state, (head, &req), VisitErrand::Link(me.0), ("/account", "")).await
}

pub async fn confirm(
    state: web::Data<AppState>,
    head: Head,
    me: Own,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let next = own_path(form.get("next")).unwrap_or("/account");
    let errand = VisitErrand::Confirmation(OwnAccount::clone(&me.0));
    lead(&state, (head, &req), errand, (next, "")).await
}

/// The fields of an answer (OpenID Connect Core 1.0, section 3.1.2.5; RFC 9207).
const FIELDS: [&str; 4] = ["state", "code", "error", "iss"];

pub async fn show_answer(
    state: web::Data<AppState>,
    head: Head,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let provider = provider(&state)?.name().to_owned();
    let there = |name: &str| query.get(name).is_some_and(|value| !value.is_empty());
    if !there("state") || !(there("code") || there("error")) {
        return refuse(&state, head, ProviderRefusal::Unknown, ("/inbox", "")).await;
    }
    let fields = FIELDS.into_iter().filter_map(|name| Some((name, query.get(name)?.clone()))).collect();
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    html(&AnswerPage { shell, provider, fields })
}

/// What the browser brings back.
pub(super) fn answer_in(req: &HttpRequest, form: &Form) -> ProviderAnswer {
    let issuer = Some(form.get("iss").to_owned()).filter(|issuer| !issuer.is_empty());
    let code = match form.get("error") {
        "" => Ok(form.get("code").to_owned()),
        error => Err(error.to_owned()),
    };
    ProviderAnswer { state: Token::received(form.get("state")), browser: carried(req), issuer, code }
}

pub async fn answer(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let provider = provider(&state)?;
    state.limits.visit(head.from)?;
    let ((device, browser), pending) = (browser_of(&state, &req), state.random.token());
    let arrival = Arrival { address: head.from, device, browser: browser.clone(), pending: pending.clone() };
    let signed_in = match &head.holder {
        Some(Holder::User { id, .. }) => Some(*id),
        _ => None,
    };
    let end = users::finish_visit(&state.db, head.now, &provider, answer_in(&req, &form), (signed_in, arrival)).await;
    state.wake.notify_one();
    match end {
        Ok(VisitEnd::Arrived(SignInEnd::SignedIn(holder), next)) => {
            enter(&state, &session, holder, (device, &browser), &next)
        }
        Ok(VisitEnd::Arrived(SignInEnd::SecondStep, next)) => {
            super::second_step::ask(&state, &pending, next_path(&next))
        }
        Ok(VisitEnd::Arrived(SignInEnd::Refused, next)) => {
            refuse(&state, head, ProviderRefusal::Deactivated, (&next, "")).await
        }
        Ok(VisitEnd::Linked) => Ok(see_other("/account?notice=provider-linked")),
        Ok(VisitEnd::LinkedByInvitation) => Ok(see_other("/sign-in?notice=provider-linked")),
        Ok(VisitEnd::Confirmed(next)) => {
            let noted = session.insert(CONFIRMED, head.now.micros());
            noted.map_err(|e| AppError::Internal(e.to_string()))?;
            Ok(see_other(&next))
        }
        Err(VisitRefused::Because(why, next)) => refuse(&state, head, why, (&next, "")).await,
        Err(VisitRefused::Db(cause)) => Err(cause.into()),
    }
}

pub async fn unlink(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
    session: Session,
) -> Result<HttpResponse, AppError> {
    let (now, only, own) = (head.now, state.only_provider(), me.0.clone());
    match state.db.write(move |tx| users::unlink(tx, now, &own, only)).await {
        Ok(()) => {
            state.wake.notify_one();
            Ok(see_other("/account?notice=provider-unlinked"))
        }
        Err(UnlinkError::Needed) => super::own::link_needed(&state, head, me.0.own(), &session).await,
        Err(UnlinkError::NotThere) => Err(AppError::NotFound),
        Err(UnlinkError::Db(cause)) => Err(cause.into()),
    }
}
