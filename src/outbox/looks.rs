//! When a worker last looked at the queue: without a worker the queue would stand still and nobody would notice.

use crate::db::schema::worker_looks as w;
use crate::db::{Both, Conn, Ts, Tx};
use diesel::prelude::*;
use time::Duration;

/// A queue that no worker has looked at for this long has no worker.
pub const ALIVE: Duration = Duration::seconds(60);

/// The name of the one row: a worker always looks at every lane.
const QUEUE: &str = "queue";

/// Notes that every lane was looked at by `at`.
pub fn looked(tx: &mut Tx, at: Ts) -> QueryResult<()> {
    let insert = diesel::insert_into(w::table).values((w::part.eq(QUEUE), w::at.eq(at)));
    Both(insert.on_conflict(w::part).do_update().set(w::at.eq(at))).execute(tx.conn()).map(drop)
}

/// When a worker last looked at every lane; `None` where none ever did.
pub fn last_look(conn: &mut Conn) -> QueryResult<Option<Ts>> {
    w::table.find(QUEUE).select(w::at).first(conn).optional()
}
