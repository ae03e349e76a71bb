//! A time limit for what a page reads. PostgreSQL has a limit for each statement; SQLite calls a function of ours for
//! each row that a query considers, and stops where that fails.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Bool;
use diesel::sqlite::Sqlite;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// A page that reads for longer is not worth waiting for: the user can narrow it down. PostgreSQL gets the same limit.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// The error text of a query that was stopped.
pub(super) const TOO_LATE: &str = "longer than a page may take";

thread_local! {
    /// Until when this thread's transaction may read.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Starts the clock for a transaction on this thread; `None`: it has no limit.
pub(super) fn begins(limit: Option<Duration>) {
    UNTIL.set(limit.map(|limit| Instant::now() + limit));
}

/// A condition that is true while there is time and then ends the query: for every query that may consider many rows.
pub fn in_time() -> InTime {
    InTime
}

/// See [`in_time`].
#[derive(Debug, Clone, Copy, QueryId)]
pub struct InTime;

impl Expression for InTime {
    type SqlType = Bool;
}
impl<Table> SelectableExpression<Table> for InTime {}
impl<Table> AppearsOnTable<Table> for InTime {}
impl<GroupBy> ValidGrouping<GroupBy> for InTime {
    type IsAggregate = is_aggregate::Never;
}

impl QueryFragment<super::MultiBackend> for InTime {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, super::MultiBackend>) -> QueryResult<()> {
        super::MultiBackend::walk_variant_ast(self, pass)
    }
}
impl QueryFragment<diesel::pg::Pg> for InTime {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, diesel::pg::Pg>) -> QueryResult<()> {
        pass.push_sql("TRUE");
        Ok(())
    }
}
impl QueryFragment<Sqlite> for InTime {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("there_is_time()");
        Ok(())
    }
}

/// What the function gives SQLite: true, or a fault that ends the query.
#[derive(Debug)]
struct Time;

impl ToSql<Bool, Sqlite> for Time {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        match UNTIL.get().is_some_and(|until| Instant::now() > until) {
            true => Err(TOO_LATE.into()),
            false => {
                out.set_value(1);
                Ok(IsNull::No)
            }
        }
    }
}

#[diesel::declare_sql_function]
extern "SQL" {
    fn there_is_time() -> Bool;
}

/// Registers the function on a connection. It is not deterministic, so that SQLite calls it again for each row.
pub(super) fn register(conn: &mut SqliteConnection) -> QueryResult<()> {
    there_is_time_utils::register_nondeterministic_impl(conn, || Time)
}
