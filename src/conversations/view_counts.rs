//! Counts the conversations in each view of the inbox, up to the highest number that the page shows. One statement,
//! prepared once, counts all views, each by the index of its view.

use super::inbox::{InboxFilter, Scope};
use crate::access::{Right, SignedInUser};
use crate::db::{Conn, MultiBackend};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

/// The highest number that the page shows for a view, so that counting costs the same in a large clinic.
pub const MOST_COUNTED: i64 = 99;

/// Counts the views of one user's list.
#[derive(QueryId)]
struct Mine(i64);
/// Counts the views of the clinic's list, as one user sees them.
#[derive(QueryId)]
struct All(i64);

impl QueryFragment<MultiBackend> for Mine {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        views(&mut pass, Scope::Mine, &self.0)
    }
}
impl QueryFragment<MultiBackend> for All {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        views(&mut pass, Scope::All, &self.0)
    }
}

/// One number for each view, in the order of [`InboxFilter::ALL`].
type Counts = (BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt);
impl Query for Mine {
    type SqlType = Counts;
}
impl Query for All {
    type SqlType = Counts;
}
impl RunQueryDsl<Conn> for Mine {}
impl RunQueryDsl<Conn> for All {}

fn views<'b>(pass: &mut AstPass<'_, 'b, MultiBackend>, scope: Scope, user: &'b i64) -> QueryResult<()> {
    for (number, filter) in InboxFilter::ALL.iter().enumerate() {
        pass.push_sql(if number == 0 { "SELECT " } else { ", " });
        let own = scope == Scope::Mine || filter.is_own();
        pass.push_sql("(SELECT count(*) FROM (SELECT 1 FROM ");
        if own {
            pass.push_sql("participants WHERE user_id = ");
            pass.push_bind_param::<BigInt, _>(user)?;
        } else {
            pass.push_sql("conversations WHERE 1 = 1");
        }
        pass.push_sql(match filter {
            // a deleted record may leave an empty row, which is closed and has the number 0: see `db::erase`
            InboxFilter::Any if !own => " AND number <> 0",
            InboxFilter::Closed if !own => " AND closed_at IS NOT NULL AND number <> 0",
            InboxFilter::Any => "",
            InboxFilter::ToDo => " AND to_do_since IS NOT NULL",
            InboxFilter::Assigned => " AND assigned_until IS NOT NULL AND closed_at IS NULL AND done_at IS NULL",
            InboxFilter::MyTeams => " AND team_until IS NOT NULL AND closed_at IS NULL AND done_at IS NULL",
            InboxFilter::Mentions => " AND mentioned_at IS NOT NULL AND closed_at IS NULL AND done_at IS NULL",
            InboxFilter::Unread => " AND unread = TRUE",
            InboxFilter::Done => " AND done_at IS NOT NULL",
            InboxFilter::NeedsAttention => " AND attention IS NOT NULL",
            InboxFilter::Open => " AND closed_at IS NULL",
            InboxFilter::Closed => " AND closed_at IS NOT NULL",
            InboxFilter::WaitingForPatient => " AND closed_at IS NULL AND waiting_since IS NULL",
            InboxFilter::WaitingForUs => " AND answer_due IS NOT NULL",
        });
        pass.push_sql(&format!(" LIMIT {}) one)", MOST_COUNTED + 1));
    }
    Ok(())
}

/// How many conversations are in each view. More than [`MOST_COUNTED`] are given as one more than that.
pub fn count_views<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    scope: Scope,
) -> QueryResult<Vec<(InboxFilter, i64)>> {
    type Row = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64);
    let counts: Row = match scope {
        Scope::Mine => Mine(user.id().0).get_result(conn)?,
        Scope::All => All(user.id().0).get_result(conn)?,
    };
    let (a, b, c, d, e, f, g, h, i, j, k, l) = counts;
    Ok(InboxFilter::ALL.iter().copied().zip([a, b, c, d, e, f, g, h, i, j, k, l]).collect())
}
