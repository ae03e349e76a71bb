//! `/portal/messages/{number}`: one conversation: read, and answer where the clinic allows it.

use super::gone::gone;
use super::guard::{Visit, Writer, clinic_writer, number, refusal_text, shell};
use crate::access::PortalVisit;
use crate::conversations::{
    self, Author, Body, BodyFormat, CannotReply, MessageRow, OneTap, PatientReply, PatientReplyError, PatientThread,
};
use crate::db::{MessageId, Ts};
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings::{self, Settings};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::{Deserialize, Serialize};

#[derive(Template)]
#[template(path = "portal/message.html")]
struct MessagePage {
    shell: Shell,
    settings: Settings,
    thread: PatientThread,
    form: Typed,
    /// messages after this one arrived while the patient was writing: they are shown with the form
    newer_than: Option<MessageId>,
    /// says in words what was just sent, kept or answered, below that message
    sent: &'static str,
    kept: &'static str,
    answered: &'static str,
}

/// A reply as it comes back with its page.
#[derive(Default, Clone)]
struct Typed {
    key: String,
    body: String,
    /// the newest message that the page showed
    shown: Option<MessageId>,
    /// the key of why it was not sent; empty: it was not tried
    error: &'static str,
}

impl Typed {
    fn from_form(form: &Form, error: &'static str) -> Typed {
        let shown = form.numbers("shown").first().copied().map(MessageId);
        Typed { key: form.get("key").to_owned(), body: form.get("body").to_owned(), shown, error }
    }
}

impl MessagePage {
    /// Whether this message arrived while the patient was writing.
    fn is_newer(&self, message: &MessageRow) -> bool {
        self.newer_than.is_some_and(|shown| message.id > shown) && message.author != Author::Patient
    }

    /// Whether the page opens at this message: the newest unread one, unless it is the first on the page.
    fn is_news(&self, message: &MessageRow) -> bool {
        let newest = self.thread.messages.iter().skip(1).rfind(|message| is_unread(message));
        self.form.error.is_empty() && newest.is_some_and(|newest| newest.id == message.id)
    }

    /// Whether the unread messages begin with this one, after others.
    fn begins_news(&self, message: &MessageRow) -> bool {
        let first = self.thread.messages.iter().position(is_unread).filter(|at| *at > 0);
        first.and_then(|at| self.thread.messages.get(at)).is_some_and(|first| first.id == message.id)
    }

    /// Whether this message was just sent: the newest of the patient's own.
    fn is_sent(&self, message: &MessageRow) -> bool {
        let newest = self.thread.messages.iter().rfind(|m| m.author == Author::Patient);
        !self.sent.is_empty() && newest.is_some_and(|newest| newest.id == message.id)
    }

    /// The words about what was just done, if they belong below this message; else empty.
    fn said_below(&self, message: &MessageRow) -> &'static str {
        if self.is_sent(message) {
            return self.sent;
        }
        let answer = |m: &MessageRow| m.answers.iter().map(|(_, at)| *at).max();
        let last = self.thread.messages.iter().filter(|m| answer(m).is_some()).max_by_key(|m| answer(m)).map(|m| m.id);
        if !self.answered.is_empty() && last == Some(message.id) { self.answered } else { "" }
    }

    /// Who wrote a message, as whoever reads at the portal is told.
    fn writer(&self, message: &MessageRow) -> String {
        match message.author {
            Author::Patient => self.thread.writer(message, &self.shell.lang),
            Author::User => clinic_writer(&self.shell, &self.settings, message.user_name.as_deref()).to_owned(),
            Author::System => self.shell.clinic_name.clone(),
        }
    }

    /// An answer with one tap, in words.
    fn answered_words(&self, message: &MessageRow, answer: &OneTap, at: &Ts) -> String {
        self.thread.answered(message, (*answer, self.shell.moment(at)), &self.shell.lang)
    }

    /// The address of this conversation, for its files.
    fn address(&self) -> String {
        format!("/portal/messages/{}", self.thread.number)
    }

    /// Whether a message is on this page, so that a link can lead to it.
    fn is_here(&self, id: &MessageId) -> bool {
        self.thread.messages.iter().any(|message| message.id == *id)
    }

    /// Why the patient cannot write, in words: a heading, and what to do instead.
    fn why_not(&self, why: &CannotReply) -> (String, String) {
        let clinic = self.settings.name.as_str();
        let heading = match why {
            CannotReply::Closed(at) => self.shell.t2("portal-closed", "clinic", clinic, "when", self.shell.moment(at)),
            CannotReply::RepliesOff(since) => {
                self.shell.t2("portal-replies-off", "clinic", clinic, "when", self.shell.moment(since))
            }
            CannotReply::PortalRefusal(why) => refusal_text(&self.shell, why),
        };
        let own = self.settings.closing_text.as_str();
        let advice = match why {
            CannotReply::Closed(_) if !own.is_empty() => own.to_owned(),
            _ => self.call(),
        };
        (heading, advice)
    }

    /// The text in the box for the reply.
    fn written(&self) -> &str {
        match &self.thread.draft {
            Some((kept, _)) => kept,
            None => &self.form.body,
        }
    }

    /// Who reads a reply, in words.
    fn readers(&self) -> String {
        match self.thread.readers.as_slice() {
            [] => self.shell.t1("portal-read-by-team", "clinic", &self.settings.name),
            names => self.shell.t1("portal-read-by", "names", names.join(", ")),
        }
    }

    /// Whether the clinic is late with the answer that it promised.
    fn is_late(&self) -> bool {
        self.thread.answer_by.is_some_and(|by| self.shell.is_past(&by))
    }

    /// By when the patient has an answer, in words; empty where nothing is promised.
    fn promise(&self) -> String {
        let said = |key: &str, at: &Ts| self.shell.t1(key, "when", self.shell.deadline(at));
        match (&self.thread.answer_by, &self.thread.answer_if_now) {
            _ if self.hides_messages() => String::new(),
            (Some(by), _) if self.is_late() => format!("{} {}", said("portal-answer-late", by), self.call()),
            (Some(by), _) => said("portal-answer-by", by),
            (None, Some(by)) => said("portal-answer-if-now", by),
            (None, None) => String::new(),
        }
    }

    /// What to do instead of writing.
    fn call(&self) -> String {
        match self.settings.phone.as_str() {
            "" => self.shell.t1("portal-contact-clinic", "clinic", &self.settings.name),
            phone => self.shell.t2("portal-call-clinic", "clinic", &self.settings.name, "phone", phone),
        }
    }
}

/// Whether a message is the clinic's, and the patient has not opened it.
fn is_unread(message: &MessageRow) -> bool {
    message.author != Author::Patient && message.read_by_patient_at.is_none()
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    before: Option<i64>,
}

async fn page(
    state: &AppState,
    head: Head,
    visit: PortalVisit,
    number: i64,
    before: Option<MessageId>,
    mut form: Typed,
) -> Result<MessagePage, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (mut shell, settings) = shell(conn, &head, None)?;
        let found = conversations::patient_thread(conn, &visit, number, before)?;
        let mut thread = found.ok_or(AppError::NotFound)?;
        if thread.cannot_reply.is_none() && thread.answer_by.is_none() {
            thread.answer_if_now = settings::answer_by(conn, head.now)?;
        }
        // what was just typed replaces the stored draft
        if !form.body.is_empty() {
            thread.draft = None;
        }
        // a reply that comes back counts as typed over its old page, until the patient was told of newer messages
        let newer_than = form.shown.filter(|_| form.error == NEWER);
        form.shown = form.shown.filter(|_| newer_than.is_none()).or(thread.newest);
        let (sent, kept) = (shell.said_there(&["reply-sent"]), shell.said_there(&["reply-kept"]));
        let answered = shell.said_there(&["answer-given"]);
        Ok(MessagePage { shell, settings, thread, form, newer_than, sent, kept, answered })
    });
    read.await
}

/// The page, whose messages are marked as opened: the only way to one that is shown.
async fn opened(
    state: &AppState,
    head: &Head,
    visit: &PortalVisit,
    number: i64,
    before: Option<MessageId>,
    form: &Typed,
) -> Result<MessagePage, AppError> {
    let now = head.now;
    loop {
        let page = page(state, head.clone(), visit.clone(), number, before, form.clone()).await?;
        // where the portal is off or access was withdrawn, the page says so and shows no message
        if page.hides_messages() || head.is_probe {
            return Ok(page);
        }
        let (thread, reader) = (page.thread.clone(), visit.clone());
        let mark = state.db.write(move |tx| -> Result<_, AppError> { Ok(thread.mark_read(tx, now, &reader)?) });
        // each further round is for a message that was taken back between the look and the mark
        if mark.await? {
            return Ok(page);
        }
    }
}

/// The clinic wrote after the page was made.
const NEWER: &str = "portal-error-newer";

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    visit: Visit,
    req: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let number = number(&req, "number")?;
    let form = Typed { key: state.random.token().reveal().to_owned(), ..Typed::default() };
    let before = query.before.map(MessageId);
    match opened(&state, &head, &visit.0, number, before, &form).await {
        Err(AppError::NotFound) => gone(&state, head, visit.0, number).await,
        page => html(&page?),
    }
}

impl MessagePage {
    /// Whether answers with one tap are taken: also where replies are off.
    fn takes_taps(&self) -> bool {
        matches!(self.thread.cannot_reply, None | Some(CannotReply::RepliesOff(_)))
    }

    fn hides_messages(&self) -> bool {
        matches!(self.thread.cannot_reply, Some(CannotReply::PortalRefusal(_)))
    }
}

/// Keeps what is typed; `false` where there is no such conversation.
async fn keep_typed(
    state: &AppState,
    writer: impl conversations::Writer + Send + 'static,
    number: i64,
    body: &str,
) -> Result<bool, AppError> {
    let (now, body) = (state.clock.now(), body.to_owned());
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(conversations::keep_reply(tx, now, &writer, number, &body)?) });
    write.await
}

/// The answer to the script that saves while the patient types.
#[derive(Serialize)]
struct Saved {
    version: i64,
    saved_at: String,
}

/// Saves what is typed on the server: a script does so while the patient types; without script there is a button.
pub async fn keep(
    state: web::Data<AppState>,
    head: Head,
    visit: Visit,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let number = number(&req, "number")?;
    if let Err(too_many) = state.limits.draft(&visit.0) {
        let is_script = req.headers().get(ACCEPT).is_some_and(|accept| accept == "application/json");
        return if is_script { Err(too_many) } else { too_often(&state, head, visit, number, &form).await };
    }
    if !keep_typed(&state, visit.0, number, form.get("body")).await? {
        return Err(AppError::NotFound);
    }
    if req.headers().get(ACCEPT).is_none_or(|accept| accept != "application/json") {
        return Ok(see_other(&format!("/portal/messages/{number}?notice=reply-kept#end")));
    }
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, None)?;
        let at = shell.time(&shell.now);
        Ok(shell.t1("reply-saved", "time", at))
    });
    Ok(HttpResponse::Ok().json(Saved { version: 1, saved_at: read.await? }))
}

/// The page with what was typed, which was refused because too many requests came in a short time.
async fn too_often(
    state: &AppState,
    head: Head,
    visit: Visit,
    number: i64,
    form: &Form,
) -> Result<HttpResponse, AppError> {
    let form = Typed::from_form(form, "portal-error-too-often");
    let page = opened(state, &head, &visit.0, number, None, &form).await?;
    with_status(StatusCode::TOO_MANY_REQUESTS, &page)
}

/// Takes an answer with one tap.
pub async fn answer(
    state: web::Data<AppState>,
    head: Head,
    visit: Visit,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let number = number(&req, "number")?;
    let message = form.numbers("message").first().copied().map(MessageId).ok_or(AppError::NotFound)?;
    let chosen: OneTap = form.get("answer").parse().map_err(|_| AppError::NotFound)?;
    state.limits.reply(&visit.0)?;
    let (now, writer) = (state.clock.now(), visit.0.clone());
    let write = state.db.write(move |tx| conversations::answer(tx, now, &writer, number, message, chosen));
    match write.await {
        Ok(()) => Ok(see_other(&format!("/portal/messages/{number}?notice=answer-given#message-{message}"))),
        Err(PatientReplyError::NotFound) => Err(AppError::NotFound),
        Err(PatientReplyError::Db(cause)) => Err(cause.into()),
        // the page says why
        Err(PatientReplyError::Refused(_) | PatientReplyError::Newer) => {
            let page = opened(&state, &head, &visit.0, number, None, &Typed::default()).await?;
            with_status(StatusCode::CONFLICT, &page)
        }
    }
}

pub async fn reply(
    state: web::Data<AppState>,
    head: Head,
    writer: Writer,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let number = number(&req, "number")?;
    let visit = match writer {
        Writer::Here(visit) => Visit(visit),
        // the session ended while the patient was writing: the text is not sent, but kept
        Writer::Lapsed(lapsed) => {
            keep_typed(&state, lapsed, number, form.get("body")).await?;
            return Ok(see_other(&format!("/portal?notice=session-over-kept&back=/portal/messages/{number}")));
        }
    };
    let typed = |error| Typed::from_form(&form, error);
    let key = form.get("key");
    let error = match () {
        () if form.get("body").chars().count() > LONGEST => "portal-error-long",
        () if !(16..=64).contains(&key.len()) => "error-form-old",
        () => "portal-error-empty",
    };
    let body = Body::parse(form.get("body"), BodyFormat::Plain).filter(|_| error == "portal-error-empty");
    let Some(body) = body else {
        let page = opened(&state, &head, &visit.0, number, None, &typed(error)).await?;
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    if state.limits.reply(&visit.0).is_err() {
        return too_often(&state, head, visit, number, &form).await;
    }
    let (now, writer) = (state.clock.now(), visit.0.clone());
    let new = PatientReply { number, body, shown: typed("").shown, key: key.to_owned() };
    let write = state.db.write(move |tx| conversations::patient_reply(tx, now, &writer, &new));
    match write.await {
        Ok(message) => Ok(see_other(&format!("/portal/messages/{number}?notice=reply-sent#message-{message}"))),
        Err(PatientReplyError::NotFound) => Err(AppError::NotFound),
        Err(PatientReplyError::Db(cause)) if cause.is_full() => {
            tracing::error!(%cause, "a reply could not be kept");
            let mut page = page(&state, head, visit.0, number, None, typed("portal-error-full")).await?;
            // that something was opened cannot be stored now, so nothing is
            page.thread.messages.retain(|m| m.author == Author::Patient || m.read_by_patient_at.is_some());
            with_status(StatusCode::INSUFFICIENT_STORAGE, &page)
        }
        Err(PatientReplyError::Db(cause)) => Err(cause.into()),
        Err(PatientReplyError::Newer) => {
            let page = opened(&state, &head, &visit.0, number, None, &typed(NEWER)).await?;
            with_status(StatusCode::CONFLICT, &page)
        }
        // the page says why, and keeps what was typed
        Err(PatientReplyError::Refused(_)) => {
            let page = opened(&state, &head, &visit.0, number, None, &typed("portal-error-not-sent")).await?;
            with_status(StatusCode::CONFLICT, &page)
        }
    }
}

/// The longest reply, in characters.
const LONGEST: usize = 20_000;

/// The page with a message that is not sent yet, for the clinic's preview.
///
/// # Errors
/// When the template cannot be rendered.
pub fn preview(shell: Shell, settings: Settings, thread: PatientThread) -> askama::Result<String> {
    let (form, newer_than, nothing) = (Typed::default(), None, "");
    let (sent, kept, answered) = (nothing, nothing, nothing);
    MessagePage { shell, settings, thread, form, newer_than, sent, kept, answered }.render()
}
