//! What moves with a chart that is merged into another one, and the statements that move it. They change only whose a
//! row is, and write down each row that moves with what it was.

use super::connection::{Conn, Tx};
use super::dialect::{change_rows, lock_rows};
use super::ids::PatientId;
use super::schema::merge_moves;
use diesel::prelude::*;
use diesel::query_builder::SqlQuery;
use diesel::sql_types::{BigInt, Text};

/// What happens to a table's rows when their patient's chart is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// they move, and the identity of each is written down
    Moves,
    /// they move with the row that they belong to, or by a verb of their own room
    Follows,
    /// they stay: they describe the merged record as it was
    Stays,
    /// they are removed or ended
    Ends,
}

/// Every column that names a patient. A test compares this with the tables.
pub const PLACES: [(&str, &str, Fate); 27] = [
    ("chart_items", "patient_id", Fate::Moves),
    ("conversations", "patient_id", Fate::Moves),
    ("notifications", "patient_id", Fate::Moves),
    ("uploads", "patient_id", Fate::Moves),
    ("scheduled_messages", "patient_id", Fate::Moves),
    ("patient_sources", "patient_id", Fate::Moves),
    ("caregivers", "patient_id", Fate::Moves),
    ("chart_item_terms", "patient_id", Fate::Follows),
    ("chart_tallies", "patient_id", Fate::Follows),
    ("drafts", "patient_id", Fate::Follows),
    ("patient_identifiers", "patient_id", Fate::Follows),
    ("patient_terms", "patient_id", Fate::Ends),
    ("portal_links", "patient_id", Fate::Ends),
    ("sessions", "patient_id", Fate::Ends),
    ("broadcast_recipients", "patient_id", Fate::Stays),
    ("audit_events", "patient_id", Fate::Stays),
    ("uploads", "suspect_id", Fate::Stays),
    ("patients", "merged_into", Fate::Stays),
    ("distinctions", "one_id", Fate::Stays),
    ("distinctions", "other_id", Fate::Stays),
    ("merges", "kept_id", Fate::Stays),
    ("merges", "merged_id", Fate::Stays),
    ("postal_addresses", "patient_id", Fate::Stays),
    ("own_words", "patient_id", Fate::Stays),
    ("record_holds", "patient_id", Fate::Stays),
    ("emr_differences", "patient_id", Fate::Stays),
    ("deleted_records", "patient_id", Fate::Stays),
];

/// A statement with parameters in PostgreSQL's form, `$1`; for SQLite they become `?1`.
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
    /// the identity of the merge
    pub merge: i64,
    /// the patient whose chart stays
    pub kept: PatientId,
    /// the patient whose chart is merged into it
    pub merged: PatientId,
}

/// Locks this patient's caregivers, conversations, and their notifications, until the transaction ends. They are locked before the
/// patients, in the same order as a reply locks them.
pub fn lock_conversations(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    // whoever reads for the patient keeps their own row before a conversation
    change_rows(tx, "caregivers", "patient_id", patient.0)?;
    // notifications before conversations, as whoever stores what became of one: two never wait for each other
    for table in ["notifications", "conversations"] {
        lock_rows(tx, table, "patient_id", patient.0)?;
    }
    Ok(())
}

/// Locks what is to go out later to these patients, and in their conversations, until the transaction ends: after conversations and
/// patients, before the jobs, in the order in which a handing over locks them.
pub fn lock_scheduled(tx: &mut Tx, one: PatientId, other: PatientId) -> QueryResult<()> {
    if let Conn::Pg(conn) = tx.conn() {
        diesel::sql_query(
            "SELECT 1 FROM scheduled_messages WHERE patient_id IN ($1, $2) \
             OR conversation_id IN (SELECT id FROM conversations WHERE patient_id IN ($1, $2)) ORDER BY id FOR UPDATE",
        )
        .bind::<BigInt, _>(one.0)
        .bind::<BigInt, _>(other.0)
        .execute(conn)?;
    }
    Ok(())
}

/// Moves every row of the merged chart to the other one.
pub fn carry_over(tx: &mut Tx, pair: Pair) -> QueryResult<()> {
    // not those of the other chart: a reply there that goes out holds its row, and waits for the patient
    lock_scheduled(tx, pair.merged, pair.merged)?;
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
    // an item's key is unique within its chart: a key that both charts have gets a suffix with `origin_id`, the row by
    // which the item's source finds it again
    sql_query(
        tx.conn(),
        "UPDATE chart_items SET source_key = source_key || COALESCE('~o' || CAST(origin_id AS TEXT), $1) \
         WHERE patient_id = $2 AND source_key IN (SELECT source_key FROM chart_items WHERE patient_id = $3)",
    )
    .bind::<Text, _>(format!("~{}", pair.merge))
    .bind::<BigInt, _>(pair.merged.0)
    .bind::<BigInt, _>(pair.kept.0)
    .execute(tx.conn())?;
    // a conversation's number is unique within its chart too: the numbers of those that move follow the last one
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

/// Moves back exactly what [`carry_over`] moved, and what has followed from it since: notifications of the moved
/// conversations, replies there that are to go out later with their files, and items from the sources of the merged record.
pub fn carry_back(tx: &mut Tx, pair: Pair) -> QueryResult<()> {
    lock_scheduled(tx, pair.kept, pair.merged)?;
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
    for table in ["notifications", "scheduled_messages"] {
        let statement = format!(
            "UPDATE {table} SET patient_id = $1 WHERE patient_id = $2 AND conversation_id IN \
             (SELECT row_id FROM merge_moves WHERE merge_id = $3 AND place = 'conversations')"
        );
        sql_query(tx.conn(), &statement)
            .bind::<BigInt, _>(pair.merged.0)
            .bind::<BigInt, _>(pair.kept.0)
            .bind::<BigInt, _>(pair.merge)
            .execute(tx.conn())?;
    }
    // files that were added since go with the message that they are kept for
    sql_query(
        tx.conn(),
        "UPDATE uploads SET patient_id = $1 WHERE patient_id = $2 \
         AND scheduled_id IN (SELECT id FROM scheduled_messages WHERE patient_id = $1)",
    )
    .bind::<BigInt, _>(pair.merged.0)
    .bind::<BigInt, _>(pair.kept.0)
    .execute(tx.conn())?;
    carry_terms(tx, pair, pair.merged)
}

/// Deletes the list of what was moved: the merge cannot be undone any more. Gives the number of rows.
pub fn forget(tx: &mut Tx, merge: i64) -> QueryResult<usize> {
    diesel::delete(merge_moves::table.filter(merge_moves::merge_id.eq(merge))).execute(tx.conn())
}
