//! Answers with one tap: the clinic offers one to three with a message, and the patient chooses, also where replies are
//! off.

use super::cover::{AWAY, add_covers, tell_added};
use super::opening;
use super::patient_reply::{PatientReplyError, cannot_reply};
use super::store;
use super::types::CannotReply;
use crate::access::PortalVisit;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{answers, messages};
use crate::db::{Both, CaregiverId, Conn, MessageId, Ts, Tx};
use crate::threads::{self, Author, OneTap};
use crate::users;
use diesel::prelude::*;
use std::collections::HashMap;

/// The offered answers as stored: words with spaces between.
pub(super) fn offers_text(offers: &[OneTap]) -> String {
    let words: Vec<&str> = OneTap::ALL.iter().filter(|one| offers.contains(one)).map(|one| one.as_str()).collect();
    words.join(" ")
}

/// Reads the stored offers; a word that only a later version knows is left out.
pub(super) fn offers_of(text: &str) -> Vec<OneTap> {
    text.split(' ').filter_map(|word| word.parse().ok()).collect()
}

/// An answer, when it was given, and by which caregiver; `None`: by the patient.
pub(super) type Given = (OneTap, Ts, Option<CaregiverId>);

/// The answers to these messages, oldest first.
pub(super) fn given(conn: &mut Conn, of: &[MessageId]) -> QueryResult<HashMap<MessageId, Vec<Given>>> {
    let rows: Vec<(MessageId, Given)> = answers::table
        .filter(answers::message_id.eq_any(of.to_vec()))
        .order((answers::message_id, answers::answered_at))
        .select((answers::message_id, (answers::answer, answers::answered_at, answers::caregiver_id)))
        .load(conn)?;
    let mut all: HashMap<MessageId, Vec<Given>> = HashMap::new();
    for (message, answer) in rows {
        all.entry(message).or_default().push(answer);
    }
    Ok(all)
}

/// Stores an answer, with its marks and audit row. The same answer again changes nothing. "Please call me" makes it the
/// clinic's turn; other answers are only news to those who take part.
///
/// # Errors
/// [`PatientReplyError::NotFound`] where this patient has no such message, or it offers no such answer;
/// [`PatientReplyError::Refused`] where the conversation is closed or the patient may not see it.
pub fn answer(
    tx: &mut Tx,
    now: Ts,
    visit: &PortalVisit,
    number: i64,
    message: MessageId,
    answer: OneTap,
) -> Result<(), PatientReplyError> {
    let found = store::of_number(tx, visit, number)?.ok_or(PatientReplyError::NotFound)?;
    let covering = users::covering(tx, now)?;
    visit.hold(tx)?;
    let conversation = store::locked(tx, found.id)?;
    let of = messages::table.find(message).filter(messages::conversation_id.eq(conversation.id));
    let offers: Option<String> = of
        .filter(messages::internal.eq(false))
        .filter(messages::recalled_at.is_null())
        .select(messages::offers)
        .first(tx.conn())
        .optional()?;
    let offered = offers.is_some_and(|text| offers_of(&text).contains(&answer));
    if !offered {
        return Err(PatientReplyError::NotFound);
    }
    match cannot_reply(tx, visit, &conversation)? {
        None | Some(CannotReply::RepliesOff(_)) => {}
        Some(why) => return Err(PatientReplyError::Refused(why)),
    }
    // whoever answers a message has opened it
    if !opening::open(tx, now, visit, conversation.id, &[message])? {
        return Err(PatientReplyError::NotFound);
    }
    let row = (
        (answers::message_id.eq(message), answers::answer.eq(answer), answers::answered_at.eq(now)),
        answers::caregiver_id.eq(visit.caregiver()),
    );
    let insert = diesel::insert_into(answers::table).values(row).on_conflict_do_nothing();
    if Both(insert).execute(tx.conn())? == 0 {
        return Ok(());
    }
    let mut came = false;
    if answer == OneTap::CallMe {
        came = add_covers(tx, now, &conversation, &covering)?;
        threads::message_came(tx, now, conversation.id, Author::Patient, None)?;
    }
    threads::set_answer(tx, conversation.id, answer)?;
    threads::is_news(tx, conversation.id, None)?;
    users::tell_of_answer(tx, now, conversation.id)?;
    let (patient, subject) = (visit.patient(), Subject::Message(message));
    if came {
        tell_added(tx, now, (conversation.id, patient), AWAY)?;
    }
    let who = Actor::at_portal(patient, visit.caregiver());
    let entry = Entry::of_patient(who, Event::AnswerGiven, patient, subject);
    Ok(audit::append(tx, now, entry.with(answer.as_str()))?)
}
