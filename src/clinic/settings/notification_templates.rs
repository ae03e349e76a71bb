//! `/settings/notification-templates/…`: the clinic's own wording of one notification, with a preview and a test.

use super::notification_preview::{Preview, explain, sample_word};
use crate::access::rights;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{User, shell};
use crate::clinic::patients::demographics::phone_error;
use crate::delivery::{Channel, Failure};
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::templates::{self, NotificationTemplate, Placeholder, Slot, Version};
use crate::notifications::{Address, Parcel, Wording};
use crate::settings::{self, Settings};
use crate::state::AppState;
use crate::users;
use crate::values::{EmailAddress, PhoneNumber};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Earlier versions on the page of one wording.
const VERSIONS: i64 = 20;

#[derive(Template)]
#[template(path = "clinic/settings/notification_template.html")]
struct EditPage {
    shell: Shell,
    slot: Slot,
    by_name: bool,
    own: bool,
    subject: String,
    body: String,
    phone: String,
    subject_errors: Vec<String>,
    body_errors: Vec<String>,
    phone_error: &'static str,
    /// whether the test succeeded, and the result in words
    tested: Option<(bool, String)>,
    previews: Vec<(bool, Preview)>,
    versions: Vec<Version>,
    seen: Seen,
}

/// What the form edits, as it is in use.
fn stored(slot: Slot, template: &NotificationTemplate) -> Stored {
    let stored = Stored::default().text("body", "wording-body", template.body());
    match slot.channel {
        Channel::Email => stored.text("subject", "wording-subject", template.subject()),
        Channel::Sms => stored,
    }
}

#[derive(Template)]
#[template(path = "clinic/settings/notification_preview.html")]
struct PreviewPart {
    shell: Shell,
    slot: Slot,
    subject_errors: Vec<String>,
    body_errors: Vec<String>,
    previews: Vec<(bool, Preview)>,
}

impl EditPage {
    fn path(&self) -> String {
        path(&self.slot)
    }
}

pub(super) fn path(slot: &Slot) -> String {
    let (kind, channel, language) = (slot.kind.as_str(), slot.channel.as_str(), slot.lang.code());
    format!("/settings/notification-templates/{kind}/{channel}/{language}")
}

pub(super) type SlotPath = web::Path<(String, String, String)>;

pub(super) fn slot(place: &SlotPath) -> Result<Slot, AppError> {
    Slot::parse(&place.0, &place.1, &place.2).ok_or(AppError::NotFound)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    version: Option<i64>,
}

/// What was typed, and what the page says about it.
#[derive(Default)]
struct Typed {
    words: Option<(String, String)>,
    phone: String,
    phone_error: &'static str,
    tested: Option<(bool, String)>,
    seen: Option<Seen>,
}

impl Typed {
    fn from_form(form: &Form) -> Typed {
        let words = (form.get("subject").to_owned(), form.get("body").to_owned());
        let seen = Some(Seen::from_form(form));
        Typed { words: Some(words), phone: form.get("phone").to_owned(), seen, ..Typed::default() }
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    place: SlotPath,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let slot = slot(&place)?;
    html(&page(&state, head, user, slot, Typed::default(), query.version).await?)
}

/// The page of one wording: as typed, as in an earlier version, or as it is in use.
async fn page(
    state: &web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    slot: Slot,
    typed: Typed,
    version: Option<i64>,
) -> Result<EditPage, AppError> {
    let (origin, now) = (state.config.origin(), state.clock.now());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let versions = templates::versions(conn, slot, VERSIONS)?;
        let (template, own) = templates::in_use(conn, &settings, slot)?;
        let earlier = versions.iter().find(|v| Some(v.version) == version && v.body.is_some());
        let (subject, body) = match (typed.words, earlier) {
            (Some(words), _) => words,
            (None, Some(v)) => (v.subject.clone().unwrap_or_default(), v.body.clone().unwrap_or_default()),
            (None, None) => (template.subject().to_owned(), template.body().to_owned()),
        };
        let parsed = NotificationTemplate::parse(&settings, slot, &subject, &body);
        let by_name = settings.notify_by_name;
        let (subject_errors, body_errors) = explain(&shell, slot, by_name, parsed.as_ref().err());
        let own_word = sample_word(conn)?;
        let shown = |template| Preview::all(&shell, &settings, (origin.as_str(), own_word), now, template);
        let previews = parsed.ok().map(shown).unwrap_or_default();
        let seen = typed.seen.unwrap_or_else(|| stored(slot, &template).seen());
        let (phone, phone_error, tested) = (typed.phone, typed.phone_error, typed.tested);
        Ok(EditPage {
            shell,
            slot,
            by_name,
            own,
            subject,
            body,
            phone,
            subject_errors,
            body_errors,
            phone_error,
            tested,
            previews,
            versions,
            seen,
        })
    });
    read.await
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    place: SlotPath,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (slot, now) = (slot(&place)?, state.clock.now());
    let mut typed = Typed::from_form(&form);
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let settings = settings::hold(tx)?;
        let (before, _) = templates::in_use(tx, &settings, slot)?;
        if let Some(seen) = stored(slot, &before).newer(&form) {
            return Ok(Some((user, Some(seen))));
        }
        match NotificationTemplate::parse(&settings, slot, form.get("subject"), form.get("body")) {
            Ok(template) => {
                templates::save(tx, now, &user.0, slot, Some(&template))?;
                Ok(None)
            }
            // the proof is given back, for the page that is shown again
            Err(_) => Ok(Some((user, None))),
        }
    });
    match write.await? {
        None => Ok(see_other(&format!("{}?notice=wording-saved", path(&slot)))),
        Some((user, newer)) => {
            let status = if newer.is_some() { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            typed.seen = newer.or(typed.seen);
            with_status(status, &page(&state, head, user, slot, typed, None).await?)
        }
    }
}

/// Goes back to the program's own wording; the clinic's wording stays among the versions.
pub async fn reset(
    state: web::Data<AppState>,
    user: User<rights::Settings>,
    place: SlotPath,
) -> Result<HttpResponse, AppError> {
    let (slot, now) = (slot(&place)?, state.clock.now());
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(templates::save(tx, now, &user.0, slot, None)?) });
    write.await?;
    Ok(see_other(&format!("{}?notice=wording-reset", path(&slot))))
}

/// Shows what was typed as it would arrive. Nothing is stored.
pub async fn preview(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    place: SlotPath,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let slot = slot(&place)?;
    let fragment = head.fragment;
    let page = page(&state, head, user, slot, Typed::from_form(&form), None).await?;
    if !fragment {
        let refused = !page.subject_errors.is_empty() || !page.body_errors.is_empty();
        return with_status(if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, &page);
    }
    let EditPage { shell, subject_errors, body_errors, previews, .. } = page;
    html(&PreviewPart { shell, slot, subject_errors, body_errors, previews })
}

/// Sends what was typed to the user who typed it: by email to their own address, by text to a number that they give.
pub async fn test(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    place: SlotPath,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let slot = slot(&place)?;
    let mut typed = Typed::from_form(&form);
    let phone = PhoneNumber::read(form.get("phone"), &state.config.calling_code);
    if let (Channel::Sms, Err(problem)) = (slot.channel, &phone) {
        typed.phone_error = phone_error(*problem);
    }
    let phone = phone.ok();
    let (me, lang_of) = (user.0.clone(), head.clone());
    let ready = state.db.read(move |conn| -> Result<_, AppError> {
        let settings = settings::load(conn)?;
        let template = NotificationTemplate::parse(&settings, slot, form.get("subject"), form.get("body"));
        let (email, own_word) = (users::email_of(conn, me.id())?, sample_word(conn)?);
        Ok((template.ok(), (email, own_word), lang_of.lang(settings.lang()), settings))
    });
    let (template, (email, own_word), lang, settings) = ready.await?;
    let Some(template) = template.filter(|_| typed.phone_error.is_empty()) else {
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page(&state, head, user, slot, typed, None).await?);
    };
    let (now, me) = (state.clock.now(), user.0.id());
    let trace = Entry::of_clinic(Actor::User(me), Event::NotificationTemplateTested, Subject::None);
    let trace = trace.with(format!("{} {} {}", slot.kind.as_str(), slot.channel.as_str(), slot.lang.code()));
    state.record(trace).await?;
    let origin = state.config.origin();
    let words = Wording::new(template, (&settings, origin.as_str()), user.0.name(), now);
    let words = words.with_own_word(own_word);
    let sent = send(&state, slot, &settings, &words, (email, phone)).await;
    typed.tested = Some(match sent {
        Ok(to) => (true, lang.t1("wording-tested", "address", to)),
        Err(Failure::Permanent(reason) | Failure::Transient(reason) | Failure::Unknown(reason)) => {
            (false, lang.t1("wording-not-tested", "reason", lang.t_of("reason", reason.as_str())))
        }
    });
    html(&page(&state, head, user, slot, typed, None).await?)
}

/// Hands a test to the mail server or gateway; gives the masked address.
async fn send(
    state: &AppState,
    slot: Slot,
    settings: &Settings,
    words: &Wording,
    (email, phone): (EmailAddress, Option<PhoneNumber>),
) -> Result<String, Failure> {
    let secret = super::notification_preview::sample_secret(slot.kind, &state.config.origin());
    let message_uid = state.random.token().reveal().to_lowercase();
    let (shown, to) = match (slot.channel, phone) {
        (Channel::Sms, Some(phone)) => (phone.masked(), Address::Sms(phone)),
        _ => (email.masked(), Address::Email(email)),
    };
    let parcel = Parcel { to, from_name: &settings.name, words, secret: &secret, message_uid, report_to: None };
    parcel.send(&state.delivery).await.map(|_| shown)
}
