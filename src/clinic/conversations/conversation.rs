//! `/conversations/{id}`: the thread, and what a user can do in it.

use super::outbox;
use crate::access::{Action, ConversationAccess, Right, rights};
use crate::attachments::Refusal;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::ItemKind;
use crate::clinic::composing::one_tap::offers;
use crate::clinic::composing::rich_text::{RichText, read_body};
use crate::clinic::files::lines::{FileLines, Picker};
use crate::clinic::files::{sent_along, uploads};
use crate::clinic::guard::{Conversation, shell};
use crate::conversations::{self, Author, MessageRow, OneTap, Reply, ReplyError, Thread, UNDO_WITHIN};
use crate::db::{MessageId, UserId};
use crate::error::AppError;
use crate::http::form::{FieldError, FieldErrors};
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::history::Step;
use crate::notifications::{self, NotificationRow, PlanStep, StepState};
use crate::patients::{self, Patient};
use crate::state::AppState;
use crate::users::{self, UserRow};
use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/conversations/conversation.html")]
struct ConversationPage {
    shell: Shell,
    id: i64,
    patient: Patient,
    thread: Thread,
    colleagues: Vec<UserRow>,
    takes_part: bool,
    may_write: bool,
    may_undo: bool,
    key: String,
    typed: RichText,
    internal: bool,
    files: FileLines,
    offered: Vec<OneTap>,
    errors: FieldErrors,
}

impl ConversationPage {
    /// The address of this conversation, for its files.
    fn address(&self) -> String {
        format!("/conversations/{}", self.id)
    }

    /// The notifications of one message.
    fn notices<'a>(&'a self, message: &'a MessageRow) -> impl Iterator<Item = &'a NotificationRow> {
        self.thread.notifications.iter().filter(|row| row.message_id == Some(message.id))
    }

    /// The way that a notification took: its states with their times.
    fn steps<'a>(&'a self, notice: &'a NotificationRow) -> impl Iterator<Item = &'a Step> {
        self.thread.steps.iter().filter(|step| step.notification_id == notice.id)
    }

    /// What follows where the patient does not open a message.
    fn plan<'a>(&'a self, message: &'a MessageRow) -> impl Iterator<Item = &'a PlanStep> {
        self.thread.plan.iter().filter(|step| step.message_id == message.id)
    }

    /// Whether "Send again" makes sense for a message: something ended, and not well.
    fn may_send_again(&self, message: &MessageRow) -> bool {
        let mut notices = self.notices(message).peekable();
        self.may_write
            && self.thread.closed.is_none()
            && message.read_by_patient_at.is_none()
            && notices.peek().is_some()
            && self.notices(message).all(|n| n.state.is_final())
            && self.notices(message).any(|n| n.state.ended_badly())
    }

    /// Whether a day line stands before a message.
    fn new_day(&self, index: &usize) -> bool {
        let day = |at: usize| self.thread.messages.get(at).map(|m| self.shell.day(&m.created_at));
        let index = *index;
        index == 0 || day(index) != day(index - 1)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    before: Option<i64>,
}

/// What a form that came back shows.
#[derive(Default)]
struct Typed {
    key: Option<String>,
    body: RichText,
    internal: bool,
    /// the fields that name files
    files: Form,
    /// files that were not taken just now
    refused: Vec<(String, Refusal)>,
    offered: Vec<OneTap>,
    errors: FieldErrors,
}

impl Typed {
    fn of(form: Form, errors: FieldErrors) -> Typed {
        let (body, key) = (RichText::typed(&form), Some(form.get("key").to_owned()));
        let (internal, offered) = (form.has("internal"), offers(&form));
        Typed { key, body, internal, offered, files: form, refused: Vec::new(), errors }
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let access = conversation.0;
    let (id, now) = (access.conversation(), head.now);
    let user = access.user().clone();
    let trace = state.db.write(move |tx| -> Result<_, AppError> {
        let access = crate::access::conversation(tx, user, id)?.ok_or(AppError::NotFound)?;
        Ok(conversations::mark_viewed(tx, now, &access)?)
    });
    trace.await?;
    html(&page(&state, head, access, query.before.map(MessageId), Typed::default()).await?)
}

async fn page<R: Right + Send>(
    state: &web::Data<AppState>,
    head: Head,
    access: ConversationAccess<R>,
    before: Option<MessageId>,
    typed: Typed,
) -> Result<ConversationPage, AppError> {
    let fresh = state.random.token().reveal().to_owned();
    let (now, desk) = (state.clock.now(), state.desk.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, access.user())?;
        let patient = patients::patient_by_id(conn, access.patient())?;
        let thread = conversations::thread(conn, &access, before)?;
        let role = access.user().role();
        let may_close = role.may(Action::Close);
        let may_undo = may_close && thread.closed.as_ref().is_some_and(|(at, _)| now.since(*at) <= UNDO_WITHIN);
        let there = |user: &UserRow| thread.participants.iter().any(|(id, ..)| *id == user.id);
        let may_write = role.may(Action::Send);
        let everyone = if may_write { users::active(conn)? } else { Vec::new() };
        let colleagues = everyone.into_iter().filter(|user| !there(user)).collect();
        let me = access.user().id();
        let takes_part = thread.participants.iter().any(|(id, _, done)| *id == me && !done);
        let mut files = FileLines::of(conn, &desk, &access.chart(), &typed.files)?;
        files.action = format!("/conversations/{}/files", access.conversation());
        files.browse_by.clone_from(&files.action);
        files.picker = Picker::asked(conn, &access.chart(), &typed.files)?;
        files.refused = typed.refused;
        Ok(ConversationPage {
            shell,
            id: access.conversation().0,
            patient,
            colleagues,
            takes_part,
            may_write,
            may_undo,
            thread,
            key: typed.key.unwrap_or(fresh),
            typed: typed.body,
            internal: typed.internal,
            files,
            offered: typed.offered,
            errors: typed.errors,
        })
    });
    read.await
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let access = conversation.0;
    let internal = form.has("internal");
    let mut errors = FieldErrors::default();
    let body = read_body(&form, &mut errors);
    if !(16..=64).contains(&form.get("key").len()) {
        errors.add("body", "error-form-old");
    }
    sent_along::check(&form, &mut errors);
    let Some(body) = body.filter(|_| errors.is_empty()) else {
        let page = page(&state, head, access, None, Typed::of(form, errors)).await?;
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    let Some(files) = sent_along::picks(&state, &access.chart(), &form, &mut errors).await? else {
        let status = errors.status();
        let page = page(&state, head, access, None, Typed::of(form, errors)).await?;
        return with_status(status, &page);
    };
    let (now, random, id) = (state.clock.now(), state.random.clone(), access.conversation());
    let new = Reply { body, internal, files, offers: offers(&form), key: form.get("key").to_owned() };
    let again = access.again();
    let write = state.db.write(move |tx| conversations::reply(tx, now, &random, &access, &new));
    let (field, why) = match write.await {
        Ok(message) => {
            state.wake.notify_one();
            let notice = if internal { "note-added" } else { "message-sent" };
            return Ok(see_other(&format!("/conversations/{id}?notice={notice}#message-{message}")));
        }
        Err(ReplyError::Closed) => ("body", FieldError::Closed),
        Err(ReplyError::Obstacles(_)) => ("body", FieldError::CannotBeTold),
        Err(ReplyError::Files(cause)) => ("files", sent_along::why_not(cause)?),
        Err(ReplyError::Db(cause)) if cause.is_full() => {
            tracing::error!(%cause, "a message could not be kept");
            ("files", FieldError::FilesFull)
        }
        Err(ReplyError::Db(cause)) => return Err(cause.into()),
    };
    let mut errors = FieldErrors::default();
    errors.add(field, why);
    let status = errors.status();
    let page = page(&state, head, again, None, Typed::of(form, errors)).await?;
    with_status(status, &page)
}

/// `POST /conversations/{id}/files`: "Add files", "Remove" and a list of the chart without script.
pub async fn change_files(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    conversation: Conversation<rights::Send>,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let access = conversation.0;
    let (form, refused) = uploads::change(&state, &req, &access.chart(), body).await?;
    let status = uploads::status(&refused);
    if form.has("browse") {
        let who = Actor::User(access.user().id());
        let trace = Entry::of_patient(who, Event::ChartViewed, access.patient(), Subject::None);
        state.record(trace).await?;
    }
    let typed = Typed { refused, ..Typed::of(form, FieldErrors::default()) };
    with_status(status, &page(&state, head, access, None, typed).await?)
}

pub async fn set_replies(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, allowed, id) = (state.clock.now(), form.get("allowed") == "on", conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(conversations::set_replies_allowed(tx, now, &conversation.0, allowed)?)
    });
    write.await?;
    let notice = if allowed { "replies-on" } else { "replies-off" };
    Ok(see_other(&format!("/conversations/{id}?notice={notice}")))
}

pub async fn add_participants(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let users: Vec<UserId> = form.numbers("to").into_iter().map(UserId).collect();
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(conversations::change_participants(tx, now, &conversation.0, &users)?)
    });
    write.await?;
    Ok(see_other(&format!("/conversations/{id}?notice=participants-added")))
}

pub async fn mark_done(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write =
        state.db.write(move |tx| -> Result<_, AppError> { Ok(conversations::mark_done(tx, now, &conversation.0)?) });
    // the last one to be done is offered to close it
    Ok(see_other(&match write.await? {
        true => format!("/conversations/{id}/closure?notice=last-done"),
        false => format!("/conversations/{id}?notice=marked-done"),
    }))
}

pub async fn send_again(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Notify>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let message = form.numbers("message").first().copied().map(MessageId).ok_or(AppError::BadRequest)?;
    let (now, random, id) = (state.clock.now(), state.random.clone(), conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(notifications::send_again(tx, now, &random, &conversation.0, message)?)
    });
    let notice = outbox::notice_of(write.await?)?;
    state.wake.notify_one();
    Ok(see_other(&format!("/conversations/{id}?notice={notice}")))
}

pub async fn settle_attention(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Notify>,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(notifications::attention::dealt_with(tx, now, &conversation.0)?)
    });
    write.await?;
    Ok(see_other(&format!("/conversations/{id}?notice=attention-settled")))
}
