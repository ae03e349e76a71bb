//! `/portal/link/{token}`: from the notification to the message. Opening the page, by a person or a mail scanner,
//! changes nothing; a passcode is made only when the button is pressed.

use super::gone::RecalledPage;
use super::guard::{return_path, shell};
use crate::access::Carer;
use crate::access::session::{HOLDER, Holder};
use crate::caregivers;
use crate::clock::Token;
use crate::db::{PatientId, Ts};
use crate::delivery::Channel;
use crate::error::AppError;
use crate::http::cookies::Stay;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, limits, see_other};
use crate::notifications::{self, Reached};
use crate::patients;
use crate::portal_entry::{self, LoginError, Proof};
use crate::portal_links::{self, OpenLink, PasscodeState, PasscodeStatus, RequestRefused};
use crate::settings::Settings;
use crate::state::AppState;
use crate::values::{BirthDate, EmailAddress, PhoneNumber};
use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "portal/link.html")]
struct LinkPage {
    shell: Shell,
    settings: Settings,
    /// for the addresses of the page's own forms
    token: String,
    /// the link was made for somebody who says who they are: nothing on the page may tell whether it is true
    is_claim: bool,
    /// the name of whoever's date of birth is asked for, where others have the same address; else empty. Always
    /// empty for a claim, of which nothing is told.
    whose: String,
    /// the page to go to next; empty: where the link leads
    back: String,
    /// the road by which a passcode is sent
    road: Channel,
    /// the address that it is sent to, mostly hidden; empty for a claim, of which nothing is told
    to: String,
    /// the first letter of the word that was chosen with the patient; empty: none is shown. All of it stands in the notification.
    word_begins: String,
    /// seconds until another passcode can be requested; 0: now, and always for a claim, since only a passcode that could not be
    /// sent is replaced at once
    wait: i64,
    passcode: Option<PasscodeStatus>,
    /// until when no passcode is made or taken, after too many tries
    locked: Option<Ts>,
    /// the key of what went wrong; empty if nothing did
    error: &'static str,
    typed: Typed,
}

impl LinkPage {
    /// Whether passcode and date of birth were refused, and may be tried again.
    fn is_refused(&self) -> bool {
        !self.error.is_empty() && self.locked.is_none()
    }

    /// The date of birth is marked as wrong too: it may be the part that does not match.
    fn birth_date_errors(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        if self.is_refused() {
            errors.add("birth_date", self.error);
        }
        errors
    }

    /// When another passcode may be requested, with the place of the seconds left open for the script that counts down.
    fn again_in(&self) -> String {
        self.shell.t1("passcode-again-in", "seconds", "{seconds}")
    }

    /// Whether to say that the passcode could not be sent: never for a claim, of which nothing is told.
    fn not_sent(&self, status: &PasscodeStatus) -> bool {
        status.send_state == PasscodeState::Failed && !self.is_claim
    }
}

#[derive(Template)]
#[template(path = "portal/link_over.html")]
struct LinkOverPage {
    shell: Shell,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    back: String,
}

/// What the form shows again. Never the passcode.
#[derive(Default)]
struct Typed {
    back: String,
    day: String,
    month: String,
    year: String,
    stay: bool,
}

/// The link, or the page that says that it does not work: unknown, expired, ended and withdrawn links look alike. One to a
/// message that was taken back says so.
async fn found(state: &AppState, head: &Head, token: &Token) -> Result<Result<OpenLink, HttpResponse>, AppError> {
    let (now, token, head) = (state.clock.now(), token.clone(), head.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        match portal_links::open(conn, now, &token)? {
            Some(link) => Ok(Ok(link)),
            None => Ok(Err((shell(conn, &head, None)?.0, portal_links::is_of_recalled(conn, &token)?))),
        }
    });
    Ok(match read.await? {
        Ok(link) => Ok(link),
        Err((shell, true)) => Err(with_status(StatusCode::GONE, &RecalledPage { shell })?),
        Err((shell, false)) => Err(with_status(StatusCode::NOT_FOUND, &LinkOverPage { shell })?),
    })
}

async fn page(
    state: &AppState,
    head: Head,
    link: OpenLink,
    token: &Token,
    error: &'static str,
    typed: Typed,
) -> Result<LinkPage, AppError> {
    let (now, token, delivery) = (state.clock.now(), token.reveal().to_owned(), state.delivery.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, link.language.as_deref())?;
        let passcode = portal_links::status(conn, now, link.id)?;
        let locked = passcode.as_ref().and_then(|status| status.lock(now));
        let (is_claim, back) = (link.is_claim, typed.back.clone());
        let wait = passcode.as_ref().filter(|_| !is_claim).and_then(|status| status.wait(now));
        let wait = wait.map_or(0, |left| left.whole_seconds().max(1));
        let mut word_begins = String::new();
        let (road, to, whose) = match link.patient.filter(|_| !is_claim) {
            Some(patient) => {
                let reached = Reached::read(conn, now, patient, link.caregiver)?;
                let blocks = notifications::blocks(conn, &reached.record)?;
                let road = notifications::passcode_channel(&reached.record, &blocks, &delivery, link.channel);
                let shared = reached.is_shared(conn, Channel::Email)?
                    || reached.is_shared(conn, Channel::Sms)?
                    || caregivers::has_patients_own(conn, now, patient)?;
                let to = match road {
                    Channel::Email => reached.record.email.as_ref().map(EmailAddress::hidden),
                    Channel::Sms => reached.record.phone.as_ref().map(PhoneNumber::masked),
                };
                // the word was chosen with the patient: no caregiver learns it
                if link.caregiver.is_none()
                    && crate::settings::shows_own_word(conn)?
                    && let Some(word) = patients::own_word(conn, patient)?
                {
                    word_begins = word.first_letter();
                }
                // the date of birth is asked of whoever the link was sent to
                let whose = if shared { reached.record.called().to_owned() } else { String::new() };
                (road, to.unwrap_or_default(), whose)
            }
            None => (link.channel, String::new(), String::new()),
        };
        Ok(LinkPage {
            shell,
            settings,
            token,
            is_claim,
            whose,
            back,
            road,
            to,
            word_begins,
            wait,
            passcode,
            locked,
            error,
            typed,
        })
    });
    read.await
}

/// Where a link leads. A claim leads to the page where the patient was before, if that is one of their own.
fn destination(link: &OpenLink, back: &str) -> String {
    match link.leads_to {
        Some(number) => format!("/portal/messages/{number}"),
        None => return_path(back).unwrap_or("/portal/messages").to_owned(),
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    token: web::Path<String>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    state.limits.link(head.from)?;
    let token = Token::received(&token);
    let link = match found(&state, &head, &token).await? {
        Ok(link) => link,
        Err(over) => return Ok(over),
    };
    // a patient who has proved who they are need not do so again
    let is_theirs = |id: PatientId, carer: Option<Carer>| {
        Some(id) == link.patient && carer.map(|carer| carer.id()) == link.caregiver
    };
    if matches!(&head.holder, Some(Holder::Patient { id, carer, .. }) if is_theirs(*id, *carer)) {
        return Ok(see_other(&destination(&link, &query.back)));
    }
    let typed = Typed { back: return_path(&query.back).unwrap_or_default().to_owned(), ..Typed::default() };
    html(&page(&state, head, link, &token, "", typed).await?)
}

pub async fn request_passcode(
    state: web::Data<AppState>,
    head: Head,
    token: web::Path<String>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    let token = Token::received(&token);
    let link = match found(&state, &head, &token).await? {
        Ok(link) => link,
        Err(over) => return Ok(over),
    };
    let back = return_path(form.get("back")).unwrap_or_default().to_owned();
    let (now, asked) = (state.clock.now(), link.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(portal_links::request(tx, now, &asked)?) });
    match write.await? {
        // a passcode was sent a moment ago, which is as good as a new one
        Ok(()) | Err(RequestRefused::JustSent) => {
            state.wake.notify_one();
            Ok(see_other(&address(&token, &back)))
        }
        Err(why) => {
            let typed = Typed { back, ..Typed::default() };
            let error = match why {
                RequestRefused::EnoughToday => "portal-error-enough-today",
                _ => "portal-error-locked",
            };
            let page = page(&state, head, link, &token, error, typed).await?;
            with_status(StatusCode::TOO_MANY_REQUESTS, &page)
        }
    }
}

pub async fn login(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    session: Session,
    token: web::Path<String>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    let token = Token::received(&token);
    let link = match found(&state, &head, &token).await? {
        Ok(link) => link,
        Err(over) => return Ok(over),
    };
    let typed = Typed {
        back: return_path(form.get("back")).unwrap_or_default().to_owned(),
        day: form.get("day").to_owned(),
        month: form.get("month").to_owned(),
        year: form.get("year").to_owned(),
        stay: form.has("stay"),
    };
    // something that is no date proves nothing and reveals nothing: it does not count as a try
    let Some(birth_date) = BirthDate::typed(&typed.day, &typed.month, &typed.year) else {
        let page = page(&state, head, link, &token, "portal-error-no-date", typed).await?;
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    let proof = Proof {
        passcode: form.get("passcode").to_owned(),
        birth_date,
        stay: typed.stay,
        from: limits::caller(head.from),
    };
    match portal_entry::login(&state.db, state.clock.now(), link.clone(), proof).await {
        Ok(holder) => {
            let lasts = holder.lasts();
            session.renew();
            session.insert(HOLDER, holder).map_err(|e| AppError::Internal(e.to_string()))?;
            if lasts.idle == lasts.all {
                req.extensions_mut().insert(Stay(time::Duration::seconds(lasts.all)));
            }
            Ok(see_other(&destination(&link, &typed.back)))
        }
        Err(LoginError::NoMatch) => {
            let page = page(&state, head, link, &token, "portal-error-no-match", typed).await?;
            with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(LoginError::Db(cause)) => Err(cause.into()),
    }
}

/// The address of a link's page, with the way back.
pub fn address(token: &Token, back: &str) -> String {
    let path = format!("/portal/link/{}", token.reveal());
    match return_path(back) {
        Some(back) => format!("{path}?back={back}"),
        None => path,
    }
}
