//! When a worker last looked at the queue: what nobody looks at stands still without anybody's noticing.

use crate::db::schema::worker_looks as w;
use crate::db::{Both, Conn, Ts, Tx};
use diesel::prelude::*;
use time::Duration;

/// A queue that nobody has looked at for so long has no worker.
pub const ALIVE: Duration = Duration::seconds(60);

/// The one row; a worker's look is a look at every lane.
const QUEUE: &str = "queue";

/// Writes down that every lane was looked at by `at`.
pub fn looked(tx: &mut Tx, at: Ts) -> QueryResult<()> {
    let insert = diesel::insert_into(w::table).values((w::part.eq(QUEUE), w::at.eq(at)));
    Both(insert.on_conflict(w::part).do_update().set(w::at.eq(at))).execute(tx.conn()).map(drop)
}

/// When every lane had last been looked at, by whichever worker; `None` where none ever was.
pub fn last_look(conn: &mut Conn) -> QueryResult<Option<Ts>> {
    w::table.find(QUEUE).select(w::at).first(conn).optional()
}
