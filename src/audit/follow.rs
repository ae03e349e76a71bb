//! Following the log: whoever wants to know at once what happens reads the rows that come.

use super::{Event, Row};
use crate::db::schema::audit_events as a;
use crate::db::{Conn, Tx};
use diesel::prelude::*;

/// What stands before a row's id where it is told; see [`Tx::tell`].
const ROW: &str = "row ";

pub(super) fn tell(tx: &mut Tx, id: i64) {
    tx.tell(format!("{ROW}{id}"));
}

/// The id of the row that these words tell of; `None` for other words.
pub fn told_row(words: &str) -> Option<i64> {
    words.strip_prefix(ROW)?.parse().ok()
}

/// The rows with these ids, as far as they are committed, in their order.
pub fn with_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Row>> {
    a::table.filter(a::id.eq_any(ids.to_vec())).order(a::id).select(Row::as_select()).load(conn)
}

/// The rows after this id that are followed, in their order; at most `limit`. On PostgreSQL a row with a smaller id may still be
/// committed later.
pub fn after(conn: &mut Conn, id: i64, limit: i64) -> QueryResult<Vec<Row>> {
    let followed: Vec<&'static str> =
        Event::ALL.iter().filter(|event| event.is_followed()).map(|event| event.as_str()).collect();
    // without the index by action: the rows after this id are few
    let rows = a::table.filter(a::id.gt(id)).filter(a::action.concat("").eq_any(followed));
    rows.order(a::id).limit(limit).select(Row::as_select()).load(conn)
}

/// The id of the last row; 0 where there is none.
pub fn last_row(conn: &mut Conn) -> QueryResult<i64> {
    let last: Option<i64> = a::table.select(diesel::dsl::max(a::id)).first(conn)?;
    Ok(last.unwrap_or(0))
}
