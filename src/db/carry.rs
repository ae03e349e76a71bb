//! What moves with a chart that is merged into another one, and the statements that move it: they change whose a row is,
//! and nothing that its room decides. A row that moves is written down with what it was.

use super::connection::{Conn, Tx};
use super::ids::PatientId;
use super::schema::merge_moves;
use diesel::prelude::*;
use diesel::query_builder::SqlQuery;
use diesel::sql_types::{BigInt, Text};

/// What becomes of a table's rows when their patient's chart is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// they move, each written down by its identity
    Moves,
    /// they go with what they belong to, or as a verb of their own says
    Follows,
    /// they stay: they say something of the record that was
    Stays,
    /// they end
    Ends,
}

/// Every column that names a patient. A test compares this with the tables.
pub const PLACES: [(&str, &str, Fate); 21] = [
    ("chart_items", "patient_id", Fate::Moves),
    ("conversations", "patient_id", Fate::Moves),
    ("notifications", "patient_id", Fate::Moves),
    ("uploads", "patient_id", Fate::Moves),
    ("patient_sources", "patient_id", Fate::Moves),
    ("chart_item_terms", "patient_id", Fate::Follows),
    ("chart_tallies", "patient_id", Fate::Follows),
    ("drafts", "patient_id", Fate::Follows),
    ("patient_identifiers", "patient_id", Fate::Follows),
    ("patient_terms", "patient_id", Fate::Ends),
    ("portal_links", "patient_id", Fate::Ends),
    ("sessions", "patient_id", Fate::Ends),
    ("audit_events", "patient_id", Fate::Stays),
    ("uploads", "suspect_id", Fate::Stays),
    ("patients", "merged_into", Fate::Stays),
    ("distinctions", "one_id", Fate::Stays),
    ("distinctions", "other_id", Fate::Stays),
    ("merges", "kept_id", Fate::Stays),
    ("merges", "merged_id", Fate::Stays),
    ("record_holds", "patient_id", Fate::Stays),
    ("deleted_records", "patient_id", Fate::Stays),
];

/// A statement whose parameters are written as PostgreSQL numbers them; SQLite numbers them alike, with another sign.
pub(super) fn sql_query(conn: &Conn, statement: &str) -> SqlQuery {
    match conn {
        Conn::Pg(_) => diesel::sql_query(statement),
        Conn::Sqlite(_) => diesel::sql_query(statement.replace('$', "?")),
    }
}

fn moving() -> impl Iterator<Item = &'static str> {
    PLACES.iter().filter(|(.., fate)| *fate == Fate::Moves).map(|(table, ..)| *table)
}

/// Two charts, and the merge that makes one of them.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// the merge
    pub merge: i64,
    /// whose chart is left
    pub kept: PatientId,
    /// whose chart goes into it
    pub merged: PatientId,
}

/// Keeps others from changing this patient's conversations until the transaction ends. They are locked before the
/// patients are, as a reply locks them.
pub fn lock_conversations(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    if let Conn::Pg(conn) = tx.conn() {
        diesel::sql_query("SELECT 1 FROM conversations WHERE patient_id = $1 ORDER BY id FOR UPDATE")
            .bind::<BigInt, _>(patient.0)
            .execute(conn)?;
    }
    Ok(())
}

/// Moves every row of the merged chart to the other one.
pub fn carry_over(tx: &mut Tx, pair: Pair) -> QueryResult<()> {
    for table in moving() {
        let was = match table {
            "chart_items" => "source_key",
            "conversations" => "CAST(number AS TEXT)",
            _ => "NULL",
        };
        let statement = format!(
            "INSERT INTO merge_moves (merge_id, place, row_id, was) SELECT $1, $2, id, {was} FROM {table} \
             WHERE patient_id = $3"
        );
        sql_query(tx.conn(), &statement)
            .bind::<BigInt, _>(pair.merge)
            .bind::<Text, _>(table)
            .bind::<BigInt, _>(pair.merged.0)
            .execute(tx.conn())?;
    }
    // an item's key is unique within its chart; by the row that knows its patient its source finds it again
    sql_query(
        tx.conn(),
        "UPDATE chart_items SET source_key = source_key || COALESCE('~o' || CAST(origin_id AS TEXT), $1) \
         WHERE patient_id = $2 AND source_key IN (SELECT source_key FROM chart_items WHERE patient_id = $3)",
    )
    .bind::<Text, _>(format!("~{}", pair.merge))
    .bind::<BigInt, _>(pair.merged.0)
    .bind::<BigInt, _>(pair.kept.0)
    .execute(tx.conn())?;
    // and so is a conversation's number: those that come are counted on from the last one
    sql_query(
        tx.conn(),
        "UPDATE conversations SET number = number + (SELECT COALESCE(MAX(number), 0) FROM conversations \
         WHERE patient_id = $1), patient_id = $1 WHERE patient_id = $2",
    )
    .bind::<BigInt, _>(pair.kept.0)
    .bind::<BigInt, _>(pair.merged.0)
    .execute(tx.conn())?;
    for table in moving().filter(|table| *table != "conversations") {
        sql_query(tx.conn(), &format!("UPDATE {table} SET patient_id = $1 WHERE patient_id = $2"))
            .bind::<BigInt, _>(pair.kept.0)
            .bind::<BigInt, _>(pair.merged.0)
            .execute(tx.conn())?;
    }
    carry_terms(tx, pair, pair.kept)
}

fn carry_terms(tx: &mut Tx, pair: Pair, to: PatientId) -> QueryResult<()> {
    sql_query(
        tx.conn(),
        "UPDATE chart_item_terms SET patient_id = $1 WHERE item_id IN \
         (SELECT row_id FROM merge_moves WHERE merge_id = $2 AND place = 'chart_items')",
    )
    .bind::<BigInt, _>(to.0)
    .bind::<BigInt, _>(pair.merge)
    .execute(tx.conn())
    .map(drop)
}

/// Moves back exactly what [`carry_over`] moved, and what came of it since: what has been told of the conversations, and
/// the items that the sources of the merged record have brought.
pub fn carry_back(tx: &mut Tx, pair: Pair) -> QueryResult<()> {
    sql_query(
        tx.conn(),
        "INSERT INTO merge_moves (merge_id, place, row_id, was) SELECT $1, 'chart_items', id, source_key \
         FROM chart_items WHERE patient_id = $2 \
         AND origin_id IN (SELECT row_id FROM merge_moves WHERE merge_id = $1 AND place = 'patient_sources') \
         AND id NOT IN (SELECT row_id FROM merge_moves WHERE merge_id = $1 AND place = 'chart_items')",
    )
    .bind::<BigInt, _>(pair.merge)
    .bind::<BigInt, _>(pair.kept.0)
    .execute(tx.conn())?;
    let was = "(SELECT m.was FROM merge_moves m WHERE m.merge_id = $1 AND m.place = $2 AND m.row_id =";
    for table in moving() {
        let set = match table {
            "chart_items" => format!("source_key = {was} chart_items.id), "),
            "conversations" => format!("number = CAST({was} conversations.id) AS BIGINT), "),
            _ => String::new(),
        };
        let statement = format!(
            "UPDATE {table} SET {set}patient_id = $3 WHERE patient_id = $4 AND id IN \
             (SELECT m.row_id FROM merge_moves m WHERE m.merge_id = $1 AND m.place = $2)"
        );
        sql_query(tx.conn(), &statement)
            .bind::<BigInt, _>(pair.merge)
            .bind::<Text, _>(table)
            .bind::<BigInt, _>(pair.merged.0)
            .bind::<BigInt, _>(pair.kept.0)
            .execute(tx.conn())?;
    }
    sql_query(
        tx.conn(),
        "UPDATE notifications SET patient_id = $1 WHERE patient_id = $2 AND conversation_id IN \
         (SELECT row_id FROM merge_moves WHERE merge_id = $3 AND place = 'conversations')",
    )
    .bind::<BigInt, _>(pair.merged.0)
    .bind::<BigInt, _>(pair.kept.0)
    .bind::<BigInt, _>(pair.merge)
    .execute(tx.conn())?;
    carry_terms(tx, pair, pair.merged)
}

/// Forgets what was moved: the merge can be undone no more.
pub fn forget(tx: &mut Tx, merge: i64) -> QueryResult<usize> {
    diesel::delete(merge_moves::table.filter(merge_moves::merge_id.eq(merge))).execute(tx.conn())
}
