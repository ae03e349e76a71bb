//! A user takes back a message that the patient has not opened: nothing of it is left for the patient, and its text stays for
//! users. What was opened can only be corrected, by another message.

use super::patient_reply::promise_again;
use super::store::{self, Conversation};
use crate::access::{self, ConversationAccess, Right, Role, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::schema::{answers, messages};
use crate::db::{Conn, ConversationId, DbError, MessageId, Ts, Tx, UserId};
use crate::notifications;
use crate::patients;
use crate::portal_links;
use crate::settings;
use crate::threads::{self, Author, OneTap, Standing};
use crate::write_back;
use diesel::prelude::*;

/// What can be done about a message that was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recallable {
    /// it can be taken back: the patient has not opened it
    Yes,
    /// only its writer and owners can take it back
    NotYours,
    /// the patient has opened it, or seen its line in the list, at this moment
    Opened(Ts),
    /// it was taken back at this moment
    Recalled(Ts),
}

/// Why a message was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    /// The user was deactivated a moment ago.
    #[error("the user may not sign in any more")]
    Deactivated,
    /// The conversation has no such message of the clinic to the patient.
    #[error("no such message")]
    NotThere,
    /// It cannot be taken back, or not by this user.
    #[error("it cannot be taken back")]
    Not(Recallable),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(RecallError);

/// What became of a message that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recalled {
    /// nothing of the conversation is left for the patient, and it is closed
    pub is_whole: bool,
    /// the patient is told that a message was taken back
    pub is_told: bool,
}

type Found = (Option<UserId>, Option<Ts>, Option<Ts>, Option<Ts>);

fn find(conn: &mut Conn, conversation: ConversationId, message: MessageId) -> QueryResult<Option<Found>> {
    let there = messages::table
        .find(message)
        .filter(messages::conversation_id.eq(conversation))
        .filter(messages::author.eq(Author::User))
        .filter(messages::internal.eq(false));
    let columns = (messages::user_id, messages::read_by_patient_at, messages::listed_at, messages::recalled_at);
    there.select(columns).first(conn).optional()
}

fn judge<R: Right>(access: &ConversationAccess<R>, (writer, read, listed, recalled): Found) -> Recallable {
    let user = access.user();
    match (recalled, read.or(listed)) {
        (Some(at), _) => Recallable::Recalled(at),
        (None, Some(at)) => Recallable::Opened(at),
        (None, None) if writer == Some(user.id()) || user.role() == Role::Owner => Recallable::Yes,
        (None, None) => Recallable::NotYours,
    }
}

/// Whether this user can take a message back at this moment; `None` where the conversation has no such message to the patient.
pub fn recallable<R: Right>(
    conn: &mut Conn,
    access: &ConversationAccess<R>,
    message: MessageId,
) -> QueryResult<Option<Recallable>> {
    Ok(find(conn, access.conversation(), message)?.map(|found| judge(access, found)))
}

/// Takes a message back: its links end, notifications of it that wait are cancelled, and its reminders stop. Where one has
/// gone out, the patient is told that a message was taken back, if the clinic wants that. A conversation of which nothing is
/// left for the patient is closed.
///
/// # Errors
/// See [`RecallError`].
pub fn recall(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    access: &ConversationAccess<rights::Send>,
    message: MessageId,
) -> Result<Recalled, RecallError> {
    let user = access.user().id();
    let is_active = !access::active(tx, &[user])?.is_empty();
    // the notifications before the conversation, as everybody locks them who stores what became of one
    notifications::hold(tx, message)?;
    let conversation = store::locked(tx, access.conversation())?;
    let found = find(tx, conversation.id, message)?.ok_or(RecallError::NotThere)?;
    if !is_active {
        return Err(RecallError::Deactivated);
    }
    match judge(access, found) {
        Recallable::Yes => {}
        other => return Err(RecallError::Not(other)),
    }
    // whoever comes first wins: the patient's opening is a change of the same row under the opposite condition
    let unopened = messages::table
        .find(message)
        .filter(messages::recalled_at.is_null())
        .filter(messages::read_by_patient_at.is_null())
        .filter(messages::listed_at.is_null());
    let marks = (messages::recalled_at.eq(now), messages::recalled_by.eq(user));
    if diesel::update(unopened).set(marks).execute(tx.conn())? == 0 {
        let found = find(tx, conversation.id, message)?.ok_or(RecallError::NotThere)?;
        return Err(RecallError::Not(judge(access, found)));
    }
    let gone_out = notifications::recall(tx, now, message)?;
    portal_links::end_of_message(tx, now, message)?;
    write_back::take_back(tx, now, (message, conversation.id))?;
    let left = left(tx, &conversation)?;
    threads::message_went(tx, conversation.id, left.standing, user)?;
    if conversation.answer_by.is_none() {
        promise_again(tx, now, conversation.id)?;
    }
    if left.is_nothing {
        threads::set_recalled(tx, now, conversation.id, user)?;
        super::reply_draft::drop_all(tx, conversation.id)?;
    }
    notifications::resume(tx, now, conversation.id, left.unopened)?;
    let mut is_told = false;
    if !gone_out.is_empty() && settings::load(tx)?.tells_of_recall() {
        let record = patients::patient_by_id(tx, access.patient())?;
        is_told = notifications::tell_of_recall(tx, now, random, (message, conversation.id), &record, &gone_out)?;
    }
    let subject = Subject::Message(message);
    let entry = Entry::of_patient(Actor::User(user), Event::MessageRecalled, access.patient(), subject);
    audit::append(tx, now, if left.is_nothing { entry.with("conversation") } else { entry })?;
    Ok(Recalled { is_whole: left.is_nothing, is_told })
}

/// What is left of a conversation for its patient.
struct Left {
    is_nothing: bool,
    standing: Standing,
    /// the clinic's newest message that is left, where the patient has not opened it
    unopened: Option<MessageId>,
}

fn left(conn: &mut Conn, conversation: &Conversation) -> QueryResult<Left> {
    type Row = (MessageId, Author, Ts, Option<Ts>);
    macro_rules! seen_by_patient {
        () => {
            messages::table
                .filter(messages::conversation_id.eq(conversation.id))
                .filter(messages::internal.eq(false))
                .filter(messages::recalled_at.is_null())
                .select((messages::id, messages::author, messages::created_at, messages::read_by_patient_at))
        };
    }
    let newest: Option<Row> = seen_by_patient!().order(messages::id.desc()).first(conn).optional()?;
    let of_clinic = seen_by_patient!().filter(messages::author.eq(Author::User)).order(messages::id.desc());
    let of_clinic: Option<Row> = of_clinic.first(conn).optional()?;
    let after = of_clinic.map_or(MessageId(0), |row| row.0);
    let waits = seen_by_patient!().filter(messages::author.eq(Author::Patient)).filter(messages::id.gt(after));
    let waits: Option<Row> = waits.order(messages::id).first(conn).optional()?;
    let since = of_clinic.map_or(conversation.created_at, |row| row.2);
    let taps: Vec<(OneTap, Ts)> = answers::table
        .inner_join(messages::table)
        .filter(messages::conversation_id.eq(conversation.id))
        .filter(messages::recalled_at.is_null())
        .filter(answers::answered_at.ge(since))
        .order(answers::answered_at)
        .select((answers::answer, answers::answered_at))
        .load(conn)?;
    // "Please call me" is as good as a message
    let calls = || taps.iter().filter(|(answer, _)| *answer == OneTap::CallMe).map(|(_, at)| *at);
    let mut last = newest.map_or((conversation.created_at, Author::User), |row| (row.2, row.1));
    if let Some(call) = calls().max().filter(|call| *call > last.0) {
        last = (call, Author::Patient);
    }
    Ok(Left {
        is_nothing: newest.is_none(),
        standing: Standing {
            last_message_at: last.0,
            last_author: last.1,
            waiting_since: waits.map(|row| row.2).into_iter().chain(calls()).min(),
            read_by_patient_at: of_clinic.and_then(|row| row.3),
            answer: taps.last().map(|(answer, _)| *answer),
        },
        unopened: of_clinic.filter(|row| row.3.is_none()).map(|row| row.0),
    })
}
