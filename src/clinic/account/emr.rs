//! `/emr/launch`: an EMR opens Postern on the chart that is open there (SMART App Launch 2.2), and signs its user in. As
//! with the identity provider, both ways begin with a GET that changes nothing: its page holds a form that a script or a
//! button sends. `/account/emr` asks somebody whom the EMR knows and Postern does not, once, to be linked.

use super::provider::{VISIT_COOKIE, answer_in, carried, status_of, way};
use super::sign_in::{browser_of, cookie, enter, next_path};
use crate::access::rights;
use crate::access::session::{CONFIRMED, Holder};
use crate::clinic::guard::{Confirmed, ConfirmedOwn, User, shell, shell_for_nobody, with_next};
use crate::clock::Token;
use crate::error::AppError;
use crate::http::page::{own_path, with_status};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::patients::{self, SourceId};
use crate::provider::{Provider, Visit};
use crate::state::AppState;
use crate::users::{
    self, Arrival, LaunchEnd, NEWCOMER_LASTS, Opened, ProviderRefusal, SignInEnd, VISIT_LASTS, VisitErrand,
    VisitRefused,
};
use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use std::collections::HashMap;
use std::sync::Arc;

/// The page that asks to be linked.
const LINK_PATH: &str = "/account/emr";
/// The cookie of a browser in which somebody came from an EMR and was not known.
const NEWCOMER_COOKIE: &str = "emr";
/// The word by which an EMR asks for a new message instead of the chart.
const MESSAGE: &str = "message";
/// The longest name of a launch that is passed on, in bytes.
const LONGEST_LAUNCH: usize = 2048;

/// The page that sends a launch, or an EMR's answer, on to the clinic.
#[derive(Template)]
#[template(path = "clinic/account/emr_onward.html")]
struct OnwardPage {
    shell: Shell,
    emr: String,
    /// the key of the words
    words: &'static str,
    action: &'static str,
    fields: Vec<(&'static str, String)>,
}

/// Says why Postern was not opened.
#[derive(Template)]
#[template(path = "clinic/account/emr_refused.html")]
struct RefusedPage {
    shell: Shell,
    words: String,
}

/// Asks a user whether the person who came is them.
#[derive(Template)]
#[template(path = "clinic/account/emr_link.html")]
struct LinkPage {
    shell: Shell,
    /// whose account would be linked
    me: String,
    /// the EMR's name; `None`: nobody came from one in this browser of late
    source: Option<String>,
    next: String,
}

/// Says that the patient of the EMR is none of the clinic's.
#[derive(Template)]
#[template(path = "clinic/account/emr_unknown_patient.html")]
struct UnknownPatientPage {
    shell: Shell,
}

/// The names of the EMRs that open Postern; 404 where there are none.
fn names(state: &AppState) -> Result<String, AppError> {
    let names: Vec<&str> = state.launches.iter().map(|emr| emr.name()).collect();
    if names.is_empty() { Err(AppError::NotFound) } else { Ok(names.join(", ")) }
}

/// The page that says why; `key` names the words.
async fn say(state: &AppState, head: Head, status: StatusCode, key: String) -> Result<HttpResponse, AppError> {
    let names = names(state)?;
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let shell = shell_for_nobody(conn, &head)?;
        Ok(RefusedPage { words: shell.t1(&key, "provider", names), shell })
    });
    with_status(status, &read.await?)
}

async fn refuse(state: &AppState, head: Head, why: ProviderRefusal) -> Result<HttpResponse, AppError> {
    say(state, head, status_of(why), format!("provider-refused-{}", why.as_str())).await
}

/// The EMR at this address; the key of the words where it is none that is configured.
fn emr_at(state: &AppState, address: &str) -> Result<Arc<Provider>, &'static str> {
    state.launches.iter().find(|emr| emr.is_at(address)).cloned().ok_or("emr-launch-elsewhere")
}

/// The EMR that a launch names; the key of the words where it names none that is configured, or no launch.
fn launched(state: &AppState, address: &str, launch: &str) -> Result<Arc<Provider>, &'static str> {
    let emr = emr_at(state, address)?;
    if launch.is_empty() || launch.len() > LONGEST_LAUNCH { Err("emr-launch-incomplete") } else { Ok(emr) }
}

pub async fn show_launch(
    state: web::Data<AppState>,
    head: Head,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    names(&state)?;
    let said = |name: &str| query.get(name).cloned().unwrap_or_default();
    let fields = vec![("iss", said("iss")), ("launch", said("launch"))];
    let emr = match launched(&state, &said("iss"), &said("launch")) {
        Ok(emr) => emr.name().to_owned(),
        Err(key) => return say(&state, head, StatusCode::BAD_REQUEST, key.to_owned()).await,
    };
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    html(&OnwardPage { shell, emr, words: "provider-way", action: "/sign-in/emr", fields })
}

pub async fn launch(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    names(&state)?;
    state.limits.visit(head.from)?;
    // the sign-in page leads to the EMR without a launch, and from there on to where the user was going
    let is_alone = form.get("alone") == "1";
    let (launch, next) = if is_alone { ("", next_path(form.get("next"))) } else { (form.get("launch"), "") };
    let named = if is_alone { emr_at(&state, form.get("iss")) } else { launched(&state, form.get("iss"), launch) };
    let emr = match named {
        Ok(emr) => emr,
        Err(key) => return say(&state, head, StatusCode::BAD_REQUEST, key.to_owned()).await,
    };
    let browser = carried(&req).unwrap_or_else(|| state.random.token());
    let (visit, nonce) = (Visit { state: state.random.token(), browser }, state.random.token());
    let for_shell = head.clone();
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &for_shell)).await?;
    let to = match emr.way_of_launch(&visit, &nonce, shell.lang, launch).await {
        Ok(to) => to,
        Err(_) => return refuse(&state, head, ProviderRefusal::Away).await,
    };
    let (noted, now, errand) = (visit.clone(), head.now, VisitErrand::Launch(emr.name().to_owned()));
    let next = next.to_owned();
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(users::begin_visit(tx, now, &errand, (&noted, &nonce), &next)?) });
    write.await?;
    let mut answer = way(shell, emr.name().to_owned(), to.into())?;
    let carried = cookie(&state, VISIT_COOKIE, visit.browser.reveal(), VISIT_LASTS);
    answer.add_cookie(&carried).map_err(|e| AppError::Internal(e.to_string()))?;
    Ok(answer)
}

/// The fields of an answer (OpenID Connect Core 1.0, section 3.1.2.5; RFC 9207).
const FIELDS: [&str; 4] = ["state", "code", "error", "iss"];

pub async fn show_answer(
    state: web::Data<AppState>,
    head: Head,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let emr = names(&state)?;
    let there = |name: &str| query.get(name).is_some_and(|value| !value.is_empty());
    if !there("state") || !(there("code") || there("error")) {
        return refuse(&state, head, ProviderRefusal::Unknown).await;
    }
    let fields = FIELDS.into_iter().filter_map(|name| Some((name, query.get(name)?.clone()))).collect();
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    html(&OnwardPage { shell, emr, words: "provider-back", action: "/sign-in/emr/answer", fields })
}

pub async fn answer(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    names(&state)?;
    state.limits.visit(head.from)?;
    let ((device, browser), pending) = (browser_of(&state, &req), state.random.token());
    let arrival = Arrival { address: head.from, device, browser: browser.clone(), pending: pending.clone() };
    let signed_in = match &head.holder {
        Some(Holder::User { id, .. }) => Some(*id),
        _ => None,
    };
    let with = (signed_in, state.only_provider(), arrival);
    let end = users::finish_launch(&state.db, head.now, &state.launches, answer_in(&req, &form), with).await;
    state.wake.notify_one();
    let (end, opened) = match end {
        Ok(end) => end,
        Err(VisitRefused::Because(why, _)) => return refuse(&state, head, why).await,
        Err(VisitRefused::Db(cause)) => return Err(cause.into()),
    };
    let next = place(&state, opened).await?;
    match end {
        LaunchEnd::Arrived(SignInEnd::SignedIn(holder)) => {
            let answer = enter(&state, &session, holder, (device, &browser), &next)?;
            // the EMR says whose session it is there, which may have been open for hours: nobody proved just now who they are
            session.insert(CONFIRMED, 0_i64).map_err(|e| AppError::Internal(e.to_string()))?;
            Ok(answer)
        }
        LaunchEnd::Arrived(SignInEnd::SecondStep) => super::second_step::ask(&state, &pending, next_path(&next)),
        LaunchEnd::Arrived(SignInEnd::Refused) => refuse(&state, head, ProviderRefusal::Deactivated).await,
        LaunchEnd::Here | LaunchEnd::Elsewhere => Ok(see_other(&next)),
        LaunchEnd::Newcomer => {
            let mut answer = see_other(&with_next(LINK_PATH, &next));
            if let Some(visitor) = carried(&req) {
                let mut known = cookie(&state, NEWCOMER_COOKIE, visitor.reveal(), NEWCOMER_LASTS);
                known.set_path(LINK_PATH);
                answer.add_cookie(&known).map_err(|e| AppError::Internal(e.to_string()))?;
            }
            Ok(answer)
        }
    }
}

/// The page of what was open at the EMR. A patient is found by the EMR's id alone, and never guessed. Nothing of it is
/// shown before somebody is signed in.
async fn place(state: &AppState, opened: Opened) -> Result<String, AppError> {
    let Some(id) = opened.patient else { return Ok(next_path(&opened.next).to_owned()) };
    let key = SourceId { source: opened.source, id };
    let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(patients::by_source(conn, &key)?) });
    Ok(match read.await? {
        None => "/emr/unknown-patient".to_owned(),
        Some(patient) if opened.intent.as_deref() == Some(MESSAGE) => format!("/patients/{patient}/messages/new"),
        Some(patient) => format!("/patients/{patient}"),
    })
}

pub async fn unknown_patient(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
) -> Result<HttpResponse, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        Ok(UnknownPatientPage { shell })
    });
    html(&read.await?)
}

fn newcomer(req: &HttpRequest) -> Option<Token> {
    let known = req.cookie(NEWCOMER_COOKIE).map(|cookie| Token::received(cookie.value()));
    known.filter(Token::is_whole)
}

pub async fn show_link(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Read>,
    req: HttpRequest,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let next = next_path(query.get("next").map_or("", String::as_str)).to_owned();
    let visitor = newcomer(&req);
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, me.0.user())?;
        let source = match &visitor {
            Some(visitor) => users::newcomer(conn, head.now, visitor)?,
            None => None,
        };
        Ok(LinkPage { shell, me: me.0.user().name().to_owned(), source, next })
    });
    html(&read.await?)
}

pub async fn link(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let next = own_path(form.get("next")).unwrap_or("/inbox").to_owned();
    // the page says that nobody came, and leads on
    let Some(visitor) = newcomer(&req) else { return Ok(see_other(&with_next(LINK_PATH, &next))) };
    let (now, own) = (head.now, me.0);
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(users::link_newcomer(tx, now, &own, &visitor)?) });
    match write.await? {
        Some(true) => {
            state.wake.notify_one();
            let mark = if next.contains('?') { '&' } else { '?' };
            Ok(see_other(&format!("{next}{mark}notice=provider-linked")))
        }
        Some(false) => refuse(&state, head, ProviderRefusal::LinkedElsewhere).await,
        None => Ok(see_other(&with_next(LINK_PATH, &next))),
    }
}
