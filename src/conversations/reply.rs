//! A user writes in an open conversation: a message to the patient, or a note for colleagues.

use super::draft::{OwnDraft, draft_is_sent};
use super::mentions::{self, Mentioned};
use super::scheduled::{self, Overtaken};
use super::store::{self, NewMessage};
use super::types::{Body, Writing};
use crate::access::{self, ConversationAccess, Right, rights};
use crate::attachments::{self, AttachError, Picks};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::schema::messages;
use crate::db::{Conn, DbError, MessageId, ScheduledId, Ts, Tx, UserId};
use crate::notifications::{self, Obstacle, Pace, PlanChoice};
use crate::patients;
use crate::settings;
use crate::threads::{self, Author, Happening, NewEvent, OneTap};
use crate::users;
use diesel::prelude::*;

/// What the user wrote.
#[derive(Debug, Clone)]
pub struct Reply {
    /// the text
    pub body: Body,
    /// a message to the patient, or an internal note
    pub writing: Writing,
    /// files
    pub files: Picks,
    /// the newest message that the page showed
    pub shown: Option<MessageId>,
    /// the answers with one tap that it offers
    pub offers: Vec<OneTap>,
    /// the message that this one corrects; a note corrects none
    pub corrects: Option<MessageId>,
    /// users who are mentioned in a note; a message to the patient mentions none
    pub tell: Vec<UserId>,
    /// the form's idempotency key
    pub key: String,
    /// the version of the draft that the form showed
    pub draft: i64,
    /// the message that was to go out later in whose place it comes, and the version that the form showed
    pub replaces: Option<(ScheduledId, i64)>,
    /// the writer has said to write although no email and no text reaches the patient
    pub anyway: bool,
    /// it was to go out later, and its moment has come
    pub is_due: bool,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// The writer was deactivated a moment ago.
    #[error("the writer may not sign in any more")]
    Deactivated,
    /// What was to go out later has gone out, or was changed in another window.
    #[error(transparent)]
    Overtaken(#[from] Overtaken),
    /// The conversation is closed.
    #[error("the conversation is closed")]
    Closed,
    /// Others wrote after the page was made.
    #[error("there is a newer message")]
    Newer,
    /// The message that is to be corrected is not there for the patient.
    #[error("there is nothing to correct")]
    NothingToCorrect,
    /// Somebody who is mentioned was deactivated.
    #[error("somebody who is mentioned may not sign in any more")]
    CannotTell,
    /// The patient cannot be notified.
    #[error("the patient cannot be told")]
    Obstacles(Vec<Obstacle>),
    /// A file cannot be attached.
    #[error(transparent)]
    Files(#[from] AttachError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(ReplyError);

/// Writes message, notifications, jobs and audit row in the caller's transaction. The same key gives the first result
/// again.
///
/// # Errors
/// See [`ReplyError`].
pub fn reply(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    access: &ConversationAccess<rights::Send>,
    reply: &Reply,
) -> Result<MessageId, ReplyError> {
    let (patient, writer) = (access.patient(), access.user().id());
    let internal = reply.writing == Writing::Note;
    let tell = mentions::named(reply, writer);
    // whoever is mentioned is held too before the conversation, as a deactivation does
    let active = access::active(tx, &[&tell[..], &[writer]].concat())?;
    let conversation = store::locked(tx, access.conversation())?;
    let who = format!("u{writer}");
    // the same words as a note and as a message are not one retry of the other
    let kind = if internal { "note\0" } else { "" };
    let corrects = reply.corrects.filter(|_| !internal);
    let correction = corrects.map(|original| format!("correction {original}\0")).unwrap_or_default();
    let told: String = tell.iter().map(|user| format!("tell {user}\0")).collect();
    let words = format!("{kind}{correction}{told}{}{}", reply.body.source, reply.files.fingerprint());
    let send_key = store::send_key(&who, &reply.key, conversation.id.0, &words)?;
    if let Some((_, message)) = store::sent_before(tx, &send_key)? {
        return Ok(message);
    }
    if !active.contains(&writer) {
        return Err(ReplyError::Deactivated);
    }
    let replaced = match reply.replaces.filter(|_| !internal) {
        Some(one) => Some(scheduled::replace(tx, writer, one, (patient, Some(conversation.id)))??),
        None => None,
    };
    if !internal {
        scheduled::none_waits(tx, writer, &reply.key, reply.replaces, (patient, Some(conversation.id)))??;
    }
    if conversation.closed_at.is_some() {
        return Err(ReplyError::Closed);
    }
    if tell.iter().any(|user| !active.contains(user)) {
        return Err(ReplyError::CannotTell);
    }
    // a note does not answer the patient, so newer messages do not matter
    if !internal && store::others_wrote(tx, conversation.id, reply.shown, Some(writer))? {
        return Err(ReplyError::Newer);
    }
    if let Some(original) = corrects
        && correctable(tx, access, original)?.is_none()
    {
        return Err(ReplyError::NothingToCorrect);
    }
    let record = patients::patient_by_id(tx, patient)?;
    let blocks = notifications::blocks(tx, &record)?;
    let settings = settings::load(tx)?;
    let wish = (conversation.only_patient, reply.anyway);
    let at = (now, conversation.created_at);
    let obstacles = notifications::hindrances(tx, at, &settings, &record, &blocks, wish)?;
    if !internal && !obstacles.is_empty() {
        return Err(ReplyError::Obstacles(obstacles));
    }
    if threads::add_participant(tx, conversation.id, writer, false, conversation.last_message_at)? > 0 {
        let event = NewEvent { kind: Happening::Added, by: Some(writer), user: writer, due: None };
        threads::happened(tx, now, conversation.id, event)?;
    }
    let Mentioned { body, came } = mentions::bring_in(tx, now, access, &conversation, (&reply.body, &tell))?;
    let message = store::insert_message(
        tx,
        now,
        &NewMessage {
            conversation: conversation.id,
            author: Author::User,
            user: Some(writer),
            caregiver: None,
            body: &body,
            internal,
            offers: if internal { &[] } else { &reply.offers },
            corrects,
            send_key: &send_key,
        },
    )?;
    attachments::attach(tx, now, access, (message, conversation.id), &reply.files)?;
    draft_is_sent(tx, now, OwnDraft::within(access, reply.writing), reply.draft, &reply.key)?;
    let event = if internal { Event::NoteAdded } else { Event::MessageSent };
    if internal {
        threads::is_news(tx, conversation.id, Some(writer))?;
        threads::mention(tx, now, (conversation.id, message), &tell)?;
        users::tell_of_mention(tx, now, &tell)?;
    } else {
        threads::message_came(tx, now, conversation.id, Author::User, Some(writer))?;
        let of = (message, conversation.id, patient);
        let choice = PlanChoice::from_settings(&settings, settings::reach(tx)?);
        notifications::announce(tx, now, random, of, &record, choice, Pace::AtOnce)?;
    }
    if let Some(replaced) = &replaced {
        scheduled::replaced_by(tx, now, replaced, conversation.id)?;
    }
    let entry = Entry::of_patient(Actor::User(writer), event, patient, Subject::Message(message));
    if came > 0 {
        let subject = Subject::Conversation(conversation.id);
        let added = Entry::of_patient(Actor::User(writer), Event::ParticipantsChanged, patient, subject);
        audit::append(tx, now, added.with("mention"))?;
    }
    let mentioning = ("mention", !tell.is_empty());
    let how: Vec<&str> = [("correction", corrects.is_some()), (scheduled::DUE, reply.is_due), mentioning]
        .into_iter()
        .filter_map(|(word, is)| is.then_some(word))
        .collect();
    audit::append(tx, now, if how.is_empty() { entry } else { entry.with(how.join(" ")) })?;
    Ok(message)
}

/// When a message of the clinic was written that can be corrected: in this conversation, to the patient, and not taken back.
pub fn correctable<R: Right>(
    conn: &mut Conn,
    access: &ConversationAccess<R>,
    message: MessageId,
) -> QueryResult<Option<Ts>> {
    let there = messages::table
        .find(message)
        .filter(messages::conversation_id.eq(access.conversation()))
        .filter(messages::author.eq(Author::User))
        .filter(messages::internal.eq(false))
        .filter(messages::recalled_at.is_null())
        // what the patient has seen nothing of is taken back
        .filter(messages::read_by_patient_at.is_not_null().or(messages::listed_at.is_not_null()));
    there.select(messages::created_at).first(conn).optional()
}
