//! How each road is doing: when it last took something, and the last fault of the road itself.

use crate::db::schema::roads;
use crate::db::{Both, Conn, MultiBackend, Ts, Tx};
use crate::delivery::{Channel, Failure, Reason};
use diesel::prelude::*;
use time::Duration;

/// A road's row.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = roads, check_for_backend(MultiBackend))]
pub struct Road {
    /// email or texts
    pub channel: Channel,
    /// when it last took something
    pub last_success_at: Option<Ts>,
    /// when it last had a fault
    pub last_error_at: Option<Ts>,
    /// the last fault
    pub last_error: Option<Reason>,
}

/// The row is written at most this often, because many workers would wait for this one row.
const SELDOM: Duration = Duration::seconds(10);

/// Notes the result of a sending. The refusal of one address is no fault of the road.
pub fn record_result(tx: &mut Tx, now: Ts, channel: Channel, sent: Result<(), Failure>) -> QueryResult<()> {
    let fault = match sent {
        Ok(()) => None,
        Err(Failure::Transient(reason) | Failure::Unknown(reason)) => Some(reason),
        Err(Failure::Permanent(reason @ (Reason::GatewayRefused | Reason::NoGateway))) => Some(reason),
        Err(Failure::Permanent(_)) => return Ok(()),
    };
    let fresh = find(tx, channel)?.is_some_and(|road| match fault {
        None => road.last_success_at.is_some_and(|at| now.since(at) < SELDOM),
        Some(reason) => road.last_error == Some(reason) && road.last_error_at.is_some_and(|at| now.since(at) < SELDOM),
    });
    if fresh {
        return Ok(());
    }
    match fault {
        None => {
            let row = (roads::channel.eq(channel), roads::last_success_at.eq(now));
            let insert = diesel::insert_into(roads::table).values(row).on_conflict(roads::channel);
            Both(insert.do_update().set(roads::last_success_at.eq(now))).execute(tx.conn())
        }
        Some(reason) => {
            let set = (roads::last_error_at.eq(now), roads::last_error.eq(reason));
            let insert = diesel::insert_into(roads::table).values((roads::channel.eq(channel), set));
            Both(insert.on_conflict(roads::channel).do_update().set(set)).execute(tx.conn())
        }
    }
    .map(drop)
}

/// One road; `None` where it was never used.
pub fn find(conn: &mut Conn, channel: Channel) -> QueryResult<Option<Road>> {
    roads::table.find(channel).select(Road::as_select()).first(conn).optional()
}
