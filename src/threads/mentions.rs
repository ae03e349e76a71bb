//! Who was mentioned in which note, and what of it is new to them.

use crate::db::schema::{mentions, participants};
use crate::db::{Conn, ConversationId, MessageId, Ts, Tx, UserId};
use diesel::prelude::*;
use std::collections::HashSet;

/// These users were mentioned in a note. All of them take part, and the note is news to them.
pub fn mention(
    tx: &mut Tx,
    now: Ts,
    (conversation, note): (ConversationId, MessageId),
    users: &[UserId],
) -> QueryResult<()> {
    for user in users {
        let row =
            (mentions::message_id.eq(note), mentions::user_id.eq(*user), mentions::conversation_id.eq(conversation));
        diesel::insert_into(mentions::table).values(row).execute(tx.conn())?;
        let theirs = diesel::update(participants::table.find((conversation, *user)));
        theirs.set(participants::mentioned_at.eq(now)).execute(tx.conn())?;
    }
    Ok(())
}

/// The mentions of a user that they have not looked at: those after the newest message that they have seen, where there is something
/// new to them at all. Who left and came again was not mentioned since.
macro_rules! unseen {
    ($user:expr) => {{
        let place = participants::conversation_id.eq(mentions::conversation_id);
        mentions::table
            .inner_join(participants::table.on(place.and(participants::user_id.eq(mentions::user_id))))
            .filter(mentions::user_id.eq($user))
            .filter(participants::unread.eq(true))
            .filter(participants::mentioned_at.is_not_null())
            .filter(participants::seen_id.is_null().or(participants::seen_id.lt(mentions::message_id.nullable())))
            .select(mentions::conversation_id)
    }};
}

/// Those of these conversations in which a user was mentioned since they last looked.
pub fn newly_mentioned(
    conn: &mut Conn,
    user: UserId,
    among: &[ConversationId],
) -> QueryResult<HashSet<ConversationId>> {
    let found = unseen!(user).filter(mentions::conversation_id.eq_any(among.to_vec()));
    Ok(found.load::<ConversationId>(conn)?.into_iter().collect())
}

/// In how many conversations a user was mentioned since they last looked; at most a hundred mentions are read.
pub fn count_newly_mentioned(conn: &mut Conn, user: UserId) -> QueryResult<usize> {
    let found = unseen!(user).limit(100).load::<ConversationId>(conn)?;
    Ok(found.into_iter().collect::<HashSet<_>>().len())
}
