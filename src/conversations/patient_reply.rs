//! A patient's reply. Whether they may write is checked in the transaction that writes.

use super::cover::{AWAY, add_covers, tell_added};
use super::reply_draft::drop_reply;
use super::store::{self, Conversation, NewMessage};
use super::types::{Body, CannotReply};
use crate::access::PortalVisit;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::{Conn, ConversationId, DbError, MessageId, Ts, Tx};
use crate::outbox::{self, Task};
use crate::settings;
use crate::threads::{self, Author};
use crate::users;
use diesel::QueryResult;

/// What the patient wrote.
#[derive(Debug, Clone)]
pub struct PatientReply {
    /// the conversation's number within the patient
    pub number: i64,
    /// the text
    pub body: Body,
    /// the newest message that the page showed
    pub shown: Option<MessageId>,
    /// the form's idempotency key
    pub key: String,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PatientReplyError {
    /// This patient has no such conversation.
    #[error("no such conversation")]
    NotFound,
    /// The clinic wrote after the page was made.
    #[error("there is a newer message")]
    Newer,
    /// The patient may not write in this conversation.
    #[error("the patient may not write")]
    Refused(CannotReply),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(PatientReplyError);

/// Writes message, marks and audit row in the caller's transaction. The same key gives the first result again.
///
/// # Errors
/// See [`PatientReplyError`].
pub fn patient_reply(
    tx: &mut Tx,
    now: Ts,
    visit: &PortalVisit,
    reply: &PatientReply,
) -> Result<MessageId, PatientReplyError> {
    let found = store::of_number(tx, visit, reply.number)?.ok_or(PatientReplyError::NotFound)?;
    // held before the conversation, as a deactivation does
    let covering = users::covering(tx, now)?;
    // whoever ends a caregiver's access waits for this reply, or was first and it is refused below
    visit.hold(tx)?;
    let conversation = store::locked(tx, found.id)?;
    let who = match visit.caregiver() {
        Some(caregiver) => format!("c{caregiver}"),
        None => format!("p{}", visit.patient()),
    };
    let send_key = store::send_key(&who, &reply.key, conversation.id.0, &reply.body.source)?;
    if let Some((_, message)) = store::sent_before(tx, &send_key)? {
        return Ok(message);
    }
    if let Some(why) = cannot_reply(tx, visit, &conversation)? {
        return Err(PatientReplyError::Refused(why));
    }
    if store::others_wrote(tx, conversation.id, reply.shown, None)? {
        return Err(PatientReplyError::Newer);
    }
    let new = NewMessage {
        conversation: conversation.id,
        author: Author::Patient,
        user: None,
        caregiver: visit.caregiver(),
        body: &reply.body,
        internal: false,
        offers: &[],
        corrects: None,
        send_key: &send_key,
    };
    let message = store::insert_message(tx, now, &new)?;
    let came = add_covers(tx, now, &conversation, &covering)?;
    promise(tx, now, conversation.id)?;
    threads::message_came(tx, now, conversation.id, Author::Patient, None)?;
    drop_reply(tx, visit, conversation.id)?;
    users::tell_of_answer(tx, now, conversation.id)?;
    if came {
        tell_added(tx, now, (conversation.id, visit.patient()), AWAY)?;
    }
    let actor = Actor::at_portal(visit.patient(), visit.caregiver());
    audit::append(tx, now, Entry::of_patient(actor, Event::ReplySent, visit.patient(), Subject::Message(message)))?;
    Ok(message)
}

/// The patient has the clinic's word on when it answers. It is theirs from now on, whatever hours the clinic sets later.
fn promise(tx: &mut Tx, now: Ts, conversation: ConversationId) -> QueryResult<()> {
    match settings::answer_by(tx, now)? {
        Some(by) if threads::give_word(tx, now, conversation, by)? => {
            outbox::enqueue(tx, now, Task::SeeToPromise(conversation), by)
        }
        _ => Ok(()),
    }
}

/// The word that the patient was given holds again, and may have been over while it did not: whoever sees to it looks once more.
pub(super) fn promise_again(tx: &mut Tx, now: Ts, conversation: ConversationId) -> QueryResult<()> {
    match store::conversation(tx, conversation)?.answer_by {
        Some(by) => outbox::enqueue(tx, now, Task::SeeToPromise(conversation), by.max(now)),
        None => Ok(()),
    }
}

/// Why this patient cannot write in this conversation at this moment; `None` where they can.
pub(super) fn cannot_reply(
    conn: &mut Conn,
    visit: &PortalVisit,
    conversation: &Conversation,
) -> QueryResult<Option<CannotReply>> {
    if let Some(why) = visit.refusal(conn)? {
        return Ok(Some(CannotReply::PortalRefusal(why)));
    }
    Ok(match conversation.closed_at {
        Some(at) => Some(CannotReply::Closed(at)),
        None if !conversation.replies_allowed => {
            Some(CannotReply::RepliesOff(conversation.replies_since.unwrap_or(conversation.created_at)))
        }
        None => None,
    })
}
