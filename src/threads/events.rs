//! What happened in a conversation beside its messages, written down where it happens, so that its page can say it there.

use crate::db::schema::conversation_events as events;
use crate::db::{ConversationId, TeamId, Ts, Tx, UserId};
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// What happened.
    pub enum Happening {
        /// a user or a team was added
        Added = "added",
        /// a user left
        Left = "left",
        /// a user or a team was removed
        Removed = "removed",
        /// it was assigned to a user or a team
        Assigned = "assigned",
        /// it is not assigned to a user or a team any more
        Unassigned = "unassigned",
    }
}

/// One that is to be written down.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent {
    /// what happened
    pub kind: Happening,
    /// who did it; `None`: the program, or a command
    pub by: Option<UserId>,
    /// whom it is about
    pub user: UserId,
    /// until when it is to be seen to
    pub due: Option<Ts>,
}

/// Writes down what happened.
pub fn happened(tx: &mut Tx, now: Ts, conversation: ConversationId, new: NewEvent) -> QueryResult<()> {
    let row = (
        (events::conversation_id.eq(conversation), events::at.eq(now), events::kind.eq(new.kind)),
        (events::by_id.eq(new.by), events::user_id.eq(new.user), events::due_at.eq(new.due)),
    );
    diesel::insert_into(events::table).values(row).execute(tx.conn()).map(drop)
}

/// Writes down what happened to a team, and who did it.
pub fn happened_to_team(
    tx: &mut Tx,
    now: Ts,
    conversation: ConversationId,
    (kind, by, team): (Happening, UserId, TeamId),
    due: Option<Ts>,
) -> QueryResult<()> {
    let row = (
        (events::conversation_id.eq(conversation), events::at.eq(now), events::kind.eq(kind), events::due_at.eq(due)),
        (events::by_id.eq(by), events::user_id.eq(by), events::team_id.eq(team)),
    );
    diesel::insert_into(events::table).values(row).execute(tx.conn()).map(drop)
}
