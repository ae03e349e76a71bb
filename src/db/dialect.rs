//! The few statements that the combined backend cannot say for both databases.

use super::connection::{Conn, MultiBackend, Tx};
use super::ids::{ChartItemId, PatientId};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A statement that each database can render but [`MultiBackend`] cannot (such as ON CONFLICT): the inner one does.
#[derive(Clone, Copy, Debug)]
pub struct Both<T>(pub T);

impl<T> QueryFragment<MultiBackend> for Both<T>
where
    T: QueryFragment<diesel::pg::Pg> + QueryFragment<diesel::sqlite::Sqlite>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        MultiBackend::walk_variant_ast(&self.0, pass)
    }
}

impl<T: QueryId> QueryId for Both<T> {
    type QueryId = Both<T::QueryId>;
    const HAS_STATIC_QUERY_ID: bool = T::HAS_STATIC_QUERY_ID;
}

impl<T: Query> Query for Both<T> {
    type SqlType = T::SqlType;
}

impl<T> RunQueryDsl<Conn> for Both<T> {}

/// Locks one row of `table` for the rest of the transaction. Nothing to do on SQLite, where a write transaction is
/// alone.
pub fn lock_row(conn: &mut Conn, table: &'static str, id: i64) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        diesel::sql_query(format!("SELECT 1 FROM {table} WHERE id = $1 FOR UPDATE"))
            .bind::<diesel::sql_types::BigInt, _>(id)
            .execute(conn)?;
    }
    Ok(())
}

/// The end of a statement that claims rows of a queue: several workers on PostgreSQL pass over each other's rows.
pub fn claim_lock(conn: &Conn) -> &'static str {
    match conn {
        Conn::Pg(_) => " FOR UPDATE SKIP LOCKED",
        Conn::Sqlite(_) => "",
    }
}

/// Writes the words that find a chart item, all in one statement: a list of rows cannot be rendered for both
/// databases, and one statement for each word would be most of an import.
pub fn add_terms(tx: &mut Tx, patient: PatientId, item: ChartItemId, terms: &[&String]) -> QueryResult<()> {
    use diesel::sql_types::{BigInt, Text};
    if terms.is_empty() {
        return Ok(());
    }
    let list = serde_json::to_string(terms).map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?;
    let (values, one, two, three) = match tx.conn() {
        Conn::Pg(_) => ("jsonb_array_elements_text($3::jsonb) AS t (value)", "$1", "$2", ""),
        Conn::Sqlite(_) => ("json_each(?)", "?", "?", " WHERE true"),
    };
    // "WHERE true": without it SQLite takes ON for a join's
    let sql = format!(
        "INSERT INTO chart_item_terms (patient_id, item_id, term) SELECT {one}, {two}, value FROM {values}{three} \
         ON CONFLICT DO NOTHING"
    );
    let query = diesel::sql_query(sql).bind::<BigInt, _>(patient.0).bind::<BigInt, _>(item.0).bind::<Text, _>(list);
    query.execute(tx.conn()).map(drop)
}

/// Adds to a chart's tally of a kind and month; makes the row where there is none.
pub fn add_to_tally(tx: &mut Tx, patient: PatientId, kind: &str, month: i64, more: i64) -> QueryResult<()> {
    use diesel::sql_types::{BigInt, Text};
    let values = match tx.conn() {
        Conn::Pg(_) => "$1, $2, $3, $4",
        Conn::Sqlite(_) => "?, ?, ?, ?",
    };
    let sql = format!(
        "INSERT INTO chart_tallies (patient_id, kind, month, items) VALUES ({values}) \
         ON CONFLICT (patient_id, kind, month) DO UPDATE SET items = chart_tallies.items + excluded.items"
    );
    let query = diesel::sql_query(sql).bind::<BigInt, _>(patient.0).bind::<Text, _>(kind);
    query.bind::<BigInt, _>(month).bind::<BigInt, _>(more).execute(tx.conn()).map(drop)
}
