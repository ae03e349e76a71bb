//! How far the conversations of a team were brought in step since it changed last: that takes its time where there are many.

use crate::db::schema::teams;
use crate::db::{Conn, ConversationId, TeamId, Ts, Tx};
use crate::outbox::{self, Task};
use diesel::prelude::*;

/// The team has changed: its conversations are brought in step, from the first one on.
pub(super) fn follow(tx: &mut Tx, now: Ts, team: TeamId) -> QueryResult<()> {
    diesel::update(teams::table.find(team))
        .set((teams::round.eq(teams::round + 1), teams::followed_to.eq(0)))
        .execute(tx.conn())?;
    outbox::enqueue(tx, now, Task::FollowTeam(team), now)
}

/// Which change of a team its conversations follow, and up to which one they have; `None` where there is no such team.
pub fn followed_to(conn: &mut Conn, team: TeamId) -> QueryResult<Option<(i64, ConversationId)>> {
    let row = teams::table.find(team).select((teams::round, teams::followed_to));
    let found: Option<(i64, i64)> = row.first(conn).optional()?;
    Ok(found.map(|(round, to)| (round, ConversationId(to))))
}

/// Its conversations have followed this change up to `last`. `false` where it has changed again since.
pub fn set_followed(tx: &mut Tx, team: TeamId, round: i64, last: Option<ConversationId>) -> QueryResult<bool> {
    let row = teams::table.find(team).filter(teams::round.eq(round));
    Ok(match last {
        Some(last) => diesel::update(row).set(teams::followed_to.eq(last.0)).execute(tx.conn())? > 0,
        None => row.select(teams::id).first::<TeamId>(tx.conn()).optional()?.is_some(),
    })
}
