//! Whoever has prepared or sends a message to many leaves: another goes on with it.

use super::types::State;
use crate::db::schema::broadcasts as b;
use crate::db::{BroadcastId, Conn, Tx, UserId, lock_row};
use diesel::prelude::*;

/// The states in which somebody has to see to it.
const OPEN: [State; 2] = [State::Prepared, State::Sending];

/// How many this user has prepared, or sends.
pub fn count_open(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    b::table.filter(b::user_id.eq(user)).filter(b::state.eq_any(OPEN)).count().get_result(conn)
}

/// What a user has prepared or sends becomes another's: what has not gone out goes in the other's name. Gives which ones. The caller has
/// locked the user.
pub fn hand_over(tx: &mut Tx, from: UserId, to: UserId) -> QueryResult<Vec<BroadcastId>> {
    let theirs = b::table.filter(b::user_id.eq(from)).filter(b::state.eq_any(OPEN)).order(b::id);
    let theirs: Vec<BroadcastId> = theirs.select(b::id).load(tx.conn())?;
    let mut handed = Vec::new();
    for id in theirs {
        lock_row(tx, "broadcasts", id.0)?;
        // it may have been stopped, or have come to its end, a moment ago
        let open = b::table.find(id).filter(b::state.eq_any(OPEN));
        if diesel::update(open).set(b::user_id.eq(to)).execute(tx.conn())? > 0 {
            handed.push(id);
        }
    }
    Ok(handed)
}
