//! The patient opens messages: on the page of their conversation, by one of their files, or in the download of everything. From
//! then on they cannot be taken back, and what was taken back before is not shown.

use super::patient_inbox::PatientRow;
use super::store;
use crate::access::PortalVisit;
use crate::db::schema::{conversations, messages};
use crate::db::{Conn, ConversationId, MessageId, Ts, Tx, lock_row};
use crate::notifications::{self, StepState};
use crate::threads::{self, Author, Reasons};
use diesel::prelude::*;

/// Marks messages of a conversation, which were read a moment ago, as opened by the patient, or by the caregiver who read them.
/// `false`, and nothing is marked, where one of them, or the whole conversation, was taken back since, or the caregiver does not read
/// for the patient any more: then nothing of what was read may be shown.
pub fn open(
    tx: &mut Tx,
    now: Ts,
    visit: &PortalVisit,
    conversation: ConversationId,
    shown: &[MessageId],
) -> QueryResult<bool> {
    if !visit.hold(tx)? {
        return Ok(false);
    }
    lock_row(tx, "conversations", conversation.0)?;
    let whole = conversations::table.find(conversation).select(conversations::recalled_at);
    if whole.first::<Option<Ts>>(tx.conn()).optional()? != Some(None) {
        return Ok(false);
    }
    let of = |ids: &[MessageId]| messages::table.filter(messages::id.eq_any(ids.to_vec()));
    let recalled = of(shown).filter(messages::recalled_at.is_not_null());
    if recalled.select(messages::id).first::<MessageId>(tx.conn()).optional()?.is_some() {
        return Ok(false);
    }
    let unread = of(shown).filter(messages::author.ne(Author::Patient)).filter(messages::read_by_patient_at.is_null());
    let marks = (messages::read_by_patient_at.eq(now), messages::reader_id.eq(visit.caregiver()));
    diesel::update(unread).set(marks).execute(tx.conn())?;
    // an older page shows the newest message to nobody
    let newest = messages::table
        .filter(messages::conversation_id.eq(conversation))
        .filter(messages::author.ne(Author::Patient))
        .filter(messages::internal.eq(false))
        .filter(messages::recalled_at.is_null())
        .order(messages::id.desc());
    let read: Option<Option<Ts>> = newest.select(messages::read_by_patient_at).first(tx.conn()).optional()?;
    if read.flatten().is_some() {
        threads::mark_read_by_patient(tx, now, conversation)?;
        threads::clear_attention(tx, conversation, Reasons::AllButFile)?;
        notifications::stop_plan(tx, now, conversation, StepState::Opened)?;
    }
    Ok(true)
}

/// Whether the patient has opened a message.
pub fn was_opened(conn: &mut Conn, message: MessageId) -> QueryResult<bool> {
    let read: Option<Ts> = messages::table.find(message).select(messages::read_by_patient_at).first(conn)?;
    Ok(read.is_some())
}

/// Opens one message of the patient by one of its files. `false` where it is not there any more.
pub fn open_by_file(tx: &mut Tx, now: Ts, visit: &PortalVisit, number: i64, message: MessageId) -> QueryResult<bool> {
    match store::of_number(tx, visit, number)? {
        Some(conversation) => open(tx, now, visit, conversation.id, &[message]),
        None => Ok(false),
    }
}

/// Marks what these lines of the patient's list show of messages that are not opened: title and beginning. Says whether
/// anything was marked. The caller reads the lines anew in the same transaction: until it ends none of their messages can be
/// taken back, but one may have been since the lines were read.
pub fn list(tx: &mut Tx, now: Ts, visit: &PortalVisit, rows: &[PatientRow]) -> QueryResult<bool> {
    // whoever does not read for the patient any more is shown nothing when the lines are read anew
    if !visit.hold(tx)? {
        return Ok(false);
    }
    let mut ids: Vec<ConversationId> = rows.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    for id in &ids {
        lock_row(tx, "conversations", id.0)?;
    }
    let unseen = messages::table
        .filter(messages::conversation_id.eq_any(ids))
        .filter(messages::author.ne(Author::Patient))
        .filter(messages::internal.eq(false))
        .filter(messages::recalled_at.is_null())
        .filter(messages::read_by_patient_at.is_null())
        .filter(messages::listed_at.is_null());
    Ok(diesel::update(unseen).set(messages::listed_at.eq(now)).execute(tx.conn())? > 0)
}
