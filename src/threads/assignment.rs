//! To whom a conversation is assigned: one of those who take part, kept in their row.

use super::to_do;
use crate::db::schema::participants;
use crate::db::{Conn, ConversationId, Ts, Tx, UserId};
use diesel::prelude::*;

/// Who sees to a conversation, and until when; `None`: no time was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// one of those who take part
    pub user: UserId,
    /// until when
    pub due: Option<Ts>,
}

/// The time that was set, from the column.
pub fn due_of(until: Ts) -> Option<Ts> {
    (until < Ts::LAST).then_some(until)
}

/// To whom a conversation is assigned.
pub fn assigned(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Option<Assigned>> {
    let theirs = participants::table
        .filter(participants::conversation_id.eq(conversation))
        .filter(participants::assigned_until.is_not_null());
    let found: Option<(UserId, Option<Ts>)> =
        theirs.select((participants::user_id, participants::assigned_until)).first(conn).optional()?;
    Ok(found.map(|(user, until)| Assigned { user, due: until.and_then(due_of) }))
}

/// Assigns a conversation to one of those who take part in it, or to nobody. Whoever calls this holds the conversation's row.
pub fn set_assigned(tx: &mut Tx, conversation: ConversationId, to: Option<Assigned>) -> QueryResult<()> {
    let before = assigned(tx, conversation)?;
    let row = |user: UserId| participants::table.find((conversation, user));
    // of one conversation only one row may say it, so the old one goes first
    if let Some(before) = before {
        let none = participants::assigned_until.eq(None::<Ts>);
        diesel::update(row(before.user)).set(none).execute(tx.conn())?;
        to_do::marked(tx, conversation, before.user)?;
    }
    if let Some(Assigned { user, due }) = to {
        let until = participants::assigned_until.eq(due.unwrap_or(Ts::LAST));
        diesel::update(row(user)).set(until).execute(tx.conn())?;
        to_do::marked(tx, conversation, user)?;
    }
    Ok(())
}
