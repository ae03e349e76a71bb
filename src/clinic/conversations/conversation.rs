//! `/conversations/{id}`: the thread, and what a user can do in it.

use super::live::LivePart;
use super::outbox;
use crate::access::{Action, ConversationAccess, Right, Role, rights};
use crate::attachments::Refusal;
use crate::chart::ItemKind;
use crate::clinic::account::kept_words::words_back;
use crate::clinic::composing::later::{self, Later};
use crate::clinic::composing::one_tap::offers;
use crate::clinic::composing::rich_text::RichText;
use crate::clinic::files::lines::{FileLines, Picker};
use crate::clinic::guard::{AskedConversation, Conversation, shell};
use crate::conversations::{self, Author, DraftPlace, MessageRow, OneTap, Thread, UNDO_WITHIN, Writing};
use crate::db::{ConversationId, MessageId, ScheduledId, Ts, UserId};
use crate::error::AppError;
use crate::http::form::{FieldError, FieldErrors};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::history::Step;
use crate::notifications::{self, NotificationRow, PlanStep, StepState};
use crate::patients::{self, Patient};
use crate::state::AppState;
use crate::users::{self, UserRow};
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/conversations/conversation.html", blocks = ["live"])]
pub struct ConversationPage {
    shell: Shell,
    id: i64,
    /// the reader
    me: UserId,
    patient: Patient,
    thread: Thread,
    colleagues: Vec<UserRow>,
    takes_part: bool,
    /// the reader has marked it done
    done: bool,
    may_write: bool,
    /// may take back what others wrote
    is_owner: bool,
    may_undo: bool,
    /// the newest message that the reader has not seen yet
    newest: Option<MessageId>,
    /// what was just sent, in words, to be said below it
    sent: &'static str,
    writing: Writing,
    /// there is a draft of the other kind
    other_draft: bool,
    key: String,
    draft_version: i64,
    /// when the draft that fills the form was saved; empty where there is none
    draft_from: String,
    /// the draft was changed in another window
    conflict: bool,
    /// the newest message that the page shows, as far as its reader knows
    shown: Option<MessageId>,
    /// the messages after this one came while the reader was writing: they are shown with the form
    newer_than: Option<MessageId>,
    typed: RichText,
    /// the message that the reply corrects, and when that was written
    corrects: Option<(MessageId, Ts)>,
    files: FileLines,
    offered: Vec<OneTap>,
    later: Later,
    /// where "Send later" is sent
    later_goal: String,
    errors: FieldErrors,
    /// what can change while it is open
    pub live: LivePart,
}

impl ConversationPage {
    /// The conversation that it shows.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// What the page shows of the whole conversation, beside its messages, as a word: a page with another one is out of date.
    fn stamp(&self) -> String {
        let thread = &self.thread;
        let users: Vec<String> = thread.participants.iter().map(|(id, ..)| id.to_string()).collect();
        let closed = thread.closed.as_ref().map_or(0, |(at, _)| at.micros());
        let attention = thread.attention.map_or("", |state| state.as_str());
        let (replies, recalled) = (u8::from(thread.replies_allowed), thread.recalled);
        format!("{closed}.{replies}.{recalled}.{attention}.{}", users.join("-"))
    }

    /// The address of this conversation, for its files.
    fn address(&self) -> String {
        format!("/conversations/{}", self.id)
    }

    /// Where a writing is sent; its draft and its files are below.
    fn goal(&self, writing: &Writing) -> String {
        goal(ConversationId(self.id), *writing)
    }

    /// Whether this is the message at which the page opens: the newest that the reader has not seen yet.
    fn is_news(&self, message: &MessageRow) -> bool {
        self.newest == Some(message.id)
    }

    /// How a message looks, by who wrote it for whom.
    fn message_class(&self, message: &MessageRow) -> &'static str {
        match message.author {
            _ if message.internal => " note",
            Author::Patient => " theirs",
            Author::User => " mine",
            Author::System => " system",
        }
    }

    /// Whether this message came while the reader was writing.
    fn is_newer(&self, message: &MessageRow) -> bool {
        self.newer_than.is_some_and(|shown| message.id > shown) && message.user != Some(self.me)
    }

    /// Whether this is the message that was just sent.
    fn is_sent(&self, message: &MessageRow) -> bool {
        !self.sent.is_empty() && self.own() == Some(message.id)
    }

    /// What the form asks for.
    fn label(&self) -> &'static str {
        match self.writing {
            Writing::Reply => "reply-label",
            Writing::Note => "note-label",
        }
    }

    /// The newest of the reader's own messages on this page.
    fn own(&self) -> Option<MessageId> {
        self.thread.messages.iter().rfind(|message| message.user == Some(self.me)).map(|message| message.id)
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
            && message.recalled.is_none()
            && notices.peek().is_some()
            && self.notices(message).all(|n| n.state.is_final())
            && self.notices(message).any(|n| n.state.ended_badly())
    }

    /// What can be done about a message that was wrong: take it back, or correct it where the patient has seen something of it.
    fn remedy(&self, message: &MessageRow) -> Remedy {
        let is_seen = message.read_by_patient_at.or(message.listed_at).is_some();
        let of_clinic = message.author == Author::User && !message.internal && message.recalled.is_none();
        match self.may_write && of_clinic {
            true if !is_seen && (self.is_owner || message.user == Some(self.me)) => Remedy::TakeBack,
            true if is_seen && self.thread.closed.is_none() => Remedy::Correct,
            _ => Remedy::Nothing,
        }
    }

    /// When the patient saw a message's line in the list, where they have not opened it.
    fn listed_only(&self, message: &MessageRow) -> Option<Ts> {
        message.listed_at.filter(|_| message.read_by_patient_at.is_none() && message.recalled.is_none())
    }

    /// Whether a message is on this page, so that a link can lead to it.
    fn is_here(&self, id: &MessageId) -> bool {
        self.thread.messages.iter().any(|message| message.id == *id)
    }

    /// Whether a day line stands before a message.
    fn new_day(&self, index: &usize) -> bool {
        let day = |at: usize| self.thread.messages.get(at).map(|m| self.shell.day(&m.created_at));
        let index = *index;
        index == 0 || day(index) != day(index - 1)
    }
}

/// What can be done about a message that was wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// it can be taken back, as if it had not been sent
    TakeBack,
    /// another message can correct it
    Correct,
    Nothing,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    before: Option<i64>,
    /// the message that a reply is to correct
    corrects: Option<i64>,
    /// the reply that is to go out later and is changed
    scheduled: Option<i64>,
    /// the session ended, and what was sent then is to be shown
    kept: Option<i64>,
}

/// The newest message that the page of this form showed.
pub fn shown(form: &Form) -> Option<MessageId> {
    form.numbers("shown").first().copied().map(MessageId)
}

/// The message that this form corrects.
pub fn corrected(form: &Form) -> Option<MessageId> {
    form.numbers("corrects").first().copied().map(MessageId)
}

/// The address to which a writing is sent: what it is, is said by the form's own address.
pub fn goal(conversation: ConversationId, writing: Writing) -> String {
    match writing {
        Writing::Reply => format!("/conversations/{conversation}/messages"),
        Writing::Note => format!("/conversations/{conversation}/notes"),
    }
}

/// The page on which something is written, and the place there.
pub fn intake(conversation: ConversationId, writing: Writing, notice: &str) -> String {
    let page = match writing {
        Writing::Reply => format!("/conversations/{conversation}"),
        Writing::Note => goal(conversation, writing),
    };
    if notice.is_empty() { page } else { format!("{page}?notice={notice}") }
}

/// How the form is to be shown.
pub struct Showing {
    /// a reply or a note
    pub writing: Writing,
    /// as typed; `None`: a draft, or nothing
    pub typed: Option<Form>,
    /// files that were not taken just now
    pub refused: Vec<(String, Refusal)>,
    /// what is wrong with it
    pub errors: FieldErrors,
    /// the draft was changed in another window
    pub conflict: bool,
    /// there was news for the reader
    pub news: bool,
    /// the session ended, and what was sent then is to be shown
    pub kept: bool,
    /// the message that the reply is to correct, where the form does not say so itself
    pub corrects: Option<MessageId>,
    /// the reply that is to go out later and is changed, where the form does not say so itself
    pub scheduled: Option<ScheduledId>,
}

impl Showing {
    /// The form as it was left.
    pub fn fresh(writing: Writing) -> Showing {
        let (refused, errors) = (Vec::new(), FieldErrors::default());
        Showing {
            writing,
            typed: None,
            refused,
            errors,
            conflict: false,
            news: false,
            kept: false,
            corrects: None,
            scheduled: None,
        }
    }

    /// The form as typed.
    pub fn typed(writing: Writing, form: Form) -> Showing {
        Showing { typed: Some(form), ..Showing::fresh(writing) }
    }
}

/// `GET /conversations/{id}`: with the form of a reply.
pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    show_writing(state, head, asked, query.into_inner(), Writing::Reply).await
}

/// `GET /conversations/{id}/notes`: with the form of an internal note.
pub async fn show_notes(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    show_writing(state, head, asked, query.into_inner(), Writing::Note).await
}

async fn show_writing(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: Query,
    writing: Writing,
) -> Result<HttpResponse, AppError> {
    let now = head.now;
    let (access, news) = match head.is_probe {
        true => (state.db.read(move |conn| asked.proof(conn)).await?, false),
        false => {
            let trace = state.db.write(move |tx| -> Result<_, AppError> {
                let access = asked.proof(tx)?;
                let news = conversations::mark_viewed(tx, now, &access)?;
                Ok((access, news))
            });
            trace.await?
        }
    };
    let corrects = query.corrects.map(MessageId);
    let scheduled = query.scheduled.map(ScheduledId).filter(|_| writing == Writing::Reply);
    let kept = query.kept.is_some();
    let (asked, place) = (scheduled.filter(|_| !kept), (access.patient(), Some(access.conversation())));
    if let Some(to) = later::elsewhere(&state, access.user().clone(), asked, place).await? {
        return Ok(see_other(&to));
    }
    let showing = Showing { news, kept, corrects, scheduled, ..Showing::fresh(writing) };
    html(&page(&state, head, access, query.before.map(MessageId), showing).await?)
}

/// The page, with what is to be shown in its form.
pub async fn page<R: Right + Send>(
    state: &web::Data<AppState>,
    head: Head,
    access: ConversationAccess<R>,
    before: Option<MessageId>,
    showing: Showing,
) -> Result<ConversationPage, AppError> {
    let fresh = state.random.token().reveal().to_owned();
    let (now, intake) = (state.clock.now(), state.intake.clone());
    let answering = state.live.answering(now, access.conversation(), access.user().id());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (mut shell, settings) = shell(conn, &head, access.user())?;
        let patient = patients::patient_by_id(conn, access.patient())?;
        let thread = conversations::thread(conn, &access, before)?;
        let role = access.user().role();
        let may_close = role.may(Action::Close);
        let may_undo = may_close
            && thread.recalled_at.is_none()
            && thread.closed.as_ref().is_some_and(|(at, _)| now.since(*at) <= UNDO_WITHIN);
        let there = |user: &UserRow| thread.participants.iter().any(|(id, ..)| *id == user.id);
        let may_write = role.may(Action::Send);
        let everyone = if may_write { users::active(conn)? } else { Vec::new() };
        let colleagues = everyone.into_iter().filter(|user| !there(user)).collect();
        let me = access.user().id();
        let own = thread.participants.iter().find(|(id, ..)| *id == me);
        let (takes_part, done) = (own.is_some(), own.is_some_and(|(.., done)| *done));
        let from_others = thread.messages.iter().rfind(|message| message.user != Some(me));
        let newest = from_others.filter(|_| showing.news).map(|message| message.id);
        let (writing, other) = match showing.writing {
            Writing::Reply => (Writing::Reply, Writing::Note),
            Writing::Note => (Writing::Note, Writing::Reply),
        };
        let draft = conversations::draft(conn, DraftPlace::within(&access, writing))?;
        let other_draft = conversations::draft(conn, DraftPlace::within(&access, other))?.kept.is_some();
        let mut draft_from = String::new();
        let saved_at = draft.kept.as_ref().map(|(_, at)| *at);
        let kept = if showing.kept { words_back(conn, &mut shell, access.user(), saved_at)? } else { None };
        let typed = showing.typed.or(kept);
        let place = (access.patient(), Some(access.conversation()));
        let begun = draft.kept.as_ref().map(|(pairs, _)| pairs.as_slice());
        let edited = match writing {
            Writing::Reply => later::edited(conn, access.user(), (typed.as_ref(), begun), showing.scheduled, place)?,
            Writing::Note => None,
        };
        let typed = typed.or_else(|| showing.scheduled.and_then(|_| later::opened(edited.as_ref())));
        // words that come back were typed over what their page showed, and the reader is asked before they go out
        let (said, asks) = (typed.as_ref().and_then(shown), showing.errors.has(FieldError::NewerMessage));
        let is_typed = typed.is_some();
        let mut form = match (typed, draft.kept) {
            (Some(typed), _) => typed,
            (None, Some((pairs, at))) => {
                draft_from = shell.short(&at);
                Form::of_pairs(pairs)
            }
            (None, None) => Form::default(),
        };
        if showing.errors.has(FieldError::ScheduledWaits) {
            form.put_all("upload", &[]);
        }
        // "Correct…" was pressed on another message than the one that a draft corrects
        let chosen =
            if is_typed { corrected(&form).or(showing.corrects) } else { showing.corrects.or(corrected(&form)) };
        let corrects = match chosen.filter(|_| writing == Writing::Reply) {
            Some(original) => conversations::correctable(conn, &access, original)?.map(|at| (original, at)),
            None => None,
        };
        let later = Later::new(&shell, &settings.time_zone, &form, edited.as_ref());
        let mut files = FileLines::read(conn, &intake, &access.chart(), &form)?;
        files.action = format!("{}/files", goal(access.conversation(), writing));
        files.browse_by.clone_from(&files.action);
        files.picker = Picker::asked(conn, &access.chart(), &form)?;
        files.refused = showing.refused;
        let mut errors = showing.errors;
        files.name_refused(&mut errors);
        // wherever the form comes from: what is not there any more is not on it, and would be missed by nobody
        if files.gone {
            errors.add("files", FieldError::FilesGone);
        }
        let typing = users::names_of(conn, &answering)?.into_iter().map(|(_, name)| name).collect();
        let typed_over: i64 = form.get("draft_version").parse().unwrap_or_default();
        Ok(ConversationPage {
            sent: shell.said_there(&["message-sent", "note-added"]),
            shell,
            id: access.conversation().0,
            me,
            patient,
            colleagues,
            takes_part,
            done,
            may_write,
            is_owner: role == Role::Owner,
            may_undo,
            newest,
            shown: said.filter(|_| !asks).or(thread.newest),
            newer_than: said.filter(|_| asks),
            thread,
            writing,
            other_draft,
            // each window has a key of its own; whoever was told that the same form waits to go out later presses again for another
            // message
            key: Some(form.get("key"))
                .filter(|key| !key.is_empty() && draft_from.is_empty() && !errors.has(FieldError::ScheduledWaits))
                .map_or(fresh, str::to_owned),
            draft_version: match typed_over {
                // what is changed here is no draft, and a draft in the same place stays as it is
                _ if later.editing.is_some() => -1,
                // nor does the page of one that is gone write over a draft that it never showed
                -1 if saved_at.is_some() => -1,
                over if showing.conflict || over < 1 => draft.version,
                over => over,
            },
            draft_from,
            conflict: showing.conflict,
            typed: RichText::typed(&form),
            corrects,
            later,
            later_goal: format!("/conversations/{}/messages/scheduled", access.conversation()),
            offered: offers(&form),
            files,
            errors,
            live: LivePart { answering: typing, ..LivePart::default() },
        })
    });
    read.await
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
