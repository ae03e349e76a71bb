//! Each word that a patient was given on when they have an answer, and what became of it.

use crate::db::schema::promises as p;
use crate::db::{ConversationId, Ts, Tx, UserId};
use diesel::prelude::*;

/// The patient was given the word.
pub(super) fn given(tx: &mut Tx, now: Ts, id: ConversationId, answer_by: Ts) -> QueryResult<()> {
    let row = (p::conversation_id.eq(id), p::asked_at.eq(now), p::answer_by.eq(answer_by));
    diesel::insert_into(p::table).values(row).execute(tx.conn()).map(drop)
}

/// The conversation was answered or closed: the word that stood is settled.
pub(super) fn settled(tx: &mut Tx, now: Ts, id: ConversationId, by: Option<UserId>) -> QueryResult<()> {
    let open = p::table.filter(p::conversation_id.eq(id)).filter(p::answered_at.is_null());
    diesel::update(open).set((p::answered_at.eq(now), p::user_id.eq(by))).execute(tx.conn()).map(drop)
}

/// The answer was taken back, or the closing: the word that it had settled stands again, and not one that was given since.
pub(super) fn holds_again(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    let settled = p::table.filter(p::conversation_id.eq(id)).filter(p::answered_at.is_not_null());
    let newest: Option<i64> = settled.order(p::id.desc()).select(p::id).first(tx.conn()).optional()?;
    let Some(newest) = newest else { return Ok(()) };
    let since = p::table.filter(p::conversation_id.eq(id)).filter(p::id.gt(newest));
    diesel::delete(since).execute(tx.conn())?;
    let none = (p::answered_at.eq(None::<Ts>), p::user_id.eq(None::<UserId>));
    diesel::update(p::table.find(newest)).set(none).execute(tx.conn()).map(drop)
}
