//! A conversation with all of its messages: for paper, and for an export.

use super::store;
use super::thread::{self, Thread, ThreadPage};
use crate::access::{Authority, ConversationAccess, Right, rights};
use crate::db::schema::conversations;
use crate::db::{Conn, ConversationId, MessageId, PatientId};
use crate::write_back::ToWrite;
use diesel::prelude::*;

/// The most messages that are read for one page: more would not be read by anybody, and must not fill the memory.
pub const MOST_AT_ONCE: usize = 1_000;

/// A conversation with its newest messages, or those before `before`: about [`MOST_AT_ONCE`].
pub fn whole<R: Right>(
    conn: &mut Conn,
    access: &ConversationAccess<R>,
    before: Option<MessageId>,
) -> QueryResult<Thread> {
    read(conn, access.conversation(), before, MOST_AT_ONCE)
}

/// A conversation with all messages, for somebody who may have every record.
pub fn whole_of(
    conn: &mut Conn,
    _by: &impl Authority<rights::Records>,
    conversation: ConversationId,
) -> QueryResult<Thread> {
    read(conn, conversation, None, usize::MAX)
}

/// A conversation with all messages, for the record of an EMR that is to have it.
pub fn whole_for_record(conn: &mut Conn, to: &ToWrite) -> QueryResult<Thread> {
    read(conn, to.conversation, None, usize::MAX)
}

/// The conversations of a patient after this number, oldest first, each with its number; at most `limit`.
pub fn numbers_of(
    conn: &mut Conn,
    _by: &impl Authority<rights::Records>,
    patient: PatientId,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<(ConversationId, i64)>> {
    conversations::table
        .filter(conversations::patient_id.eq(patient))
        .filter(conversations::number.gt(after))
        .order(conversations::number)
        .limit(limit)
        .select((conversations::id, conversations::number))
        .load(conn)
}

fn read(conn: &mut Conn, id: ConversationId, before: Option<MessageId>, most: usize) -> QueryResult<Thread> {
    let conversation = store::conversation(conn, id)?;
    let which = before.map_or(ThreadPage::Newest, ThreadPage::Before);
    let mut whole = thread::thread_of(conn, conversation.clone(), which)?;
    while let Some(earlier) = whole.earlier.filter(|_| whole.messages.len() < most) {
        let (mut page, next) = thread::page(conn, &conversation, Some(earlier), true)?;
        page.append(&mut whole.messages);
        (whole.messages, whole.earlier) = (page, next);
    }
    Ok(whole)
}
