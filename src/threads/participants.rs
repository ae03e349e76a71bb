//! Who takes part, to whom it is news, and for whom it is done.

use crate::db::schema::participants;
use crate::db::{Both, ConversationId, Ts, Tx, UserId};
use diesel::prelude::*;

/// Adds a participant who is not there yet; says how many came.
pub fn add_participant(
    tx: &mut Tx,
    conversation: ConversationId,
    user: UserId,
    unread: bool,
    last_message_at: Ts,
) -> QueryResult<usize> {
    let row = (
        (participants::conversation_id.eq(conversation), participants::user_id.eq(user)),
        (participants::unread.eq(unread), participants::done_at.eq(None::<Ts>)),
        participants::last_message_at.eq(last_message_at),
    );
    Both(diesel::insert_into(participants::table).values(row).on_conflict_do_nothing()).execute(tx.conn())
}

/// The time of the newest message, by which each inbox is ordered.
pub(super) fn moved_at(tx: &mut Tx, now: Ts, conversation: ConversationId) -> QueryResult<()> {
    let all = participants::table.filter(participants::conversation_id.eq(conversation));
    diesel::update(all).set(participants::last_message_at.eq(now)).execute(tx.conn()).map(drop)
}

/// There is something new for all who take part but `writer`: unread, and no longer done.
pub fn is_news(tx: &mut Tx, conversation: ConversationId, writer: Option<UserId>) -> QueryResult<()> {
    let all = participants::table.filter(participants::conversation_id.eq(conversation));
    diesel::update(all.filter(participants::user_id.ne(writer.unwrap_or(UserId(0)))))
        .set((participants::unread.eq(true), participants::done_at.eq(None::<Ts>)))
        .execute(tx.conn())
        .map(drop)
}

/// There is something new for this one user, if they take part.
pub fn is_news_to(tx: &mut Tx, conversation: ConversationId, user: UserId) -> QueryResult<()> {
    diesel::update(participants::table.find((conversation, user)))
        .set((participants::unread.eq(true), participants::done_at.eq(None::<Ts>)))
        .execute(tx.conn())
        .map(drop)
}

/// A user's own mark that it needs nothing more from them. Says how many have not made it yet.
pub fn mark_done(tx: &mut Tx, now: Ts, conversation: ConversationId, user: UserId) -> QueryResult<i64> {
    let all = participants::table.filter(participants::conversation_id.eq(conversation));
    diesel::update(all.filter(participants::user_id.eq(user)))
        .set((participants::done_at.eq(now), participants::unread.eq(false)))
        .execute(tx.conn())?;
    all.filter(participants::done_at.is_null()).count().get_result(tx.conn())
}

/// A user has looked. Says whether there was something new for them.
pub fn mark_seen(tx: &mut Tx, conversation: ConversationId, user: UserId) -> QueryResult<bool> {
    let mine = participants::table.find((conversation, user)).filter(participants::unread.eq(true));
    Ok(diesel::update(mine).set(participants::unread.eq(false)).execute(tx.conn())? > 0)
}
