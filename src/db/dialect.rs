//! The few statements that the combined backend cannot say for both databases.

use super::connection::{Conn, MultiBackend, Tx};
use super::ids::{ChartItemId, PatientId};
use super::sealed::Term;
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

/// Keeps one row of `table` from [`lock_row`] for the rest of the transaction, as a row that refers to it does. Others may
/// hold it too, and change what is no key.
pub fn hold_row(conn: &mut Conn, table: &'static str, id: i64) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        diesel::sql_query(format!("SELECT 1 FROM {table} WHERE id = $1 FOR KEY SHARE"))
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
pub fn add_terms(tx: &mut Tx, patient: PatientId, item: ChartItemId, terms: &[Term]) -> QueryResult<()> {
    use diesel::sql_types::{BigInt, Text};
    if terms.is_empty() {
        return Ok(());
    }
    let terms: Vec<&str> = terms.iter().map(Term::stored).collect();
    let list = serde_json::to_string(&terms).map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?;
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

/// Patients of whom, for each group, one of its words begins a term: at most `most`, in the order of the terms that the
/// rarest group begins, so that whole words come first. Walks the index of terms and stops at `most`: nothing is sorted.
pub fn patients_by_terms(
    conn: &mut Conn,
    groups: &[Vec<String>],
    archived: bool,
    most: usize,
) -> QueryResult<Vec<PatientId>> {
    let mut by_count = Vec::with_capacity(groups.len());
    for group in groups {
        let mut count = 0;
        for word in group {
            count += some_terms(conn, word, groups.len())?;
        }
        by_count.push((count, group));
    }
    by_count.sort_by_key(|(count, _)| *count);
    let Some(((_, rarest), others)) = by_count.split_first() else { return Ok(Vec::new()) };
    let mut found: Vec<PatientId> = Vec::new();
    for word in *rarest {
        let mut sql = Sql::new(conn);
        sql.push("SELECT t.patient_id AS id FROM patient_terms t JOIN patients p ON p.id = t.patient_id WHERE ");
        sql.begins("t.term", word);
        if !archived {
            sql.push(" AND p.archived_at IS NULL");
        }
        for (_, group) in others {
            sql.push(" AND EXISTS (SELECT 1 FROM patient_terms o WHERE o.patient_id = t.patient_id AND (");
            for (at, word) in group.iter().enumerate() {
                sql.push(if at == 0 { "(" } else { " OR (" });
                sql.begins("o.term", word);
                sql.push(")");
            }
            sql.push("))");
        }
        if !sql.numbered {
            sql.push(" AND there_is_time()");
        }
        // one patient may have several such terms, but never many
        sql.push(&format!(" ORDER BY t.term, t.patient_id LIMIT {}", most.saturating_mul(3)));
        for id in sql.ids(conn)? {
            if !found.contains(&id) && found.len() < most {
                found.push(id);
            }
        }
    }
    Ok(found)
}

/// Terms that are counted to tell the rarest group: beyond, all are common.
const COUNTED: usize = 500;

/// How many terms a word begins, up to [`COUNTED`]. One group alone needs no counting.
fn some_terms(conn: &mut Conn, word: &str, groups: usize) -> QueryResult<usize> {
    if groups < 2 {
        return Ok(0);
    }
    let mut sql = Sql::new(conn);
    sql.push("SELECT patient_id AS id FROM patient_terms WHERE ");
    sql.begins("term", word);
    sql.push(&format!(" LIMIT {COUNTED}"));
    Ok(sql.ids(conn)?.len())
}

/// A statement whose number of values is not known beforehand.
struct Sql {
    text: String,
    values: Vec<String>,
    numbered: bool,
}

#[derive(QueryableByName)]
struct OneId {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    id: i64,
}

impl Sql {
    fn new(conn: &Conn) -> Sql {
        Sql { text: String::new(), values: Vec::new(), numbered: matches!(conn, Conn::Pg(_)) }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn value(&mut self, value: String) {
        self.values.push(value);
        match self.numbered {
            true => self.text.push_str(&format!("${}", self.values.len())),
            false => self.text.push('?'),
        }
    }

    /// A range, not LIKE: it uses the index on both databases, and no character is a wildcard.
    fn begins(&mut self, column: &str, word: &str) {
        self.push(&format!("{column} >= "));
        self.value(word.to_owned());
        self.push(&format!(" AND {column} < "));
        self.value(format!("{word}\u{10ffff}"));
    }

    fn ids(self, conn: &mut Conn) -> QueryResult<Vec<PatientId>> {
        let mut query = diesel::sql_query(self.text).into_boxed::<MultiBackend>();
        for value in self.values {
            query = query.bind::<diesel::sql_types::Text, _>(value);
        }
        let rows: Vec<OneId> = query.load(conn)?;
        Ok(rows.into_iter().map(|row| PatientId(row.id)).collect())
    }
}
