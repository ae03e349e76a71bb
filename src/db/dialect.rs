//! The few statements that the combined backend cannot say for both databases.

use super::connection::{Conn, MultiBackend, Tx};
use super::ids::{ChartItemId, ConversationId, PatientId, UserId};
use super::sealed::Term;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use std::collections::HashSet;

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

/// How many rows a query finds: they are counted where they are, and do not travel.
#[derive(Clone, Copy, Debug)]
pub struct Counted<Q>(pub Q);

impl<Q: QueryFragment<MultiBackend>> QueryFragment<MultiBackend> for Counted<Q> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        pass.push_sql("SELECT count(*) FROM (");
        self.0.walk_ast(pass.reborrow())?;
        pass.push_sql(") one");
        Ok(())
    }
}

impl<Q: QueryId> QueryId for Counted<Q> {
    type QueryId = Counted<Q::QueryId>;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: Query> Query for Counted<Q> {
    type SqlType = diesel::sql_types::BigInt;
}

impl<Q> RunQueryDsl<Conn> for Counted<Q> {}

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

/// Locks all rows of `table` with this number in `column`, in the order of their identities.
pub fn lock_rows(conn: &mut Conn, table: &'static str, column: &'static str, number: i64) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        diesel::sql_query(format!("SELECT 1 FROM {table} WHERE {column} = $1 ORDER BY id FOR UPDATE"))
            .bind::<diesel::sql_types::BigInt, _>(number)
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

/// Keeps one row of `table` as it is for the rest of the transaction. Others may keep it too, and rows that refer to it come and go.
pub fn share_row(conn: &mut Conn, table: &'static str, id: i64) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        diesel::sql_query(format!("SELECT 1 FROM {table} WHERE id = $1 FOR SHARE"))
            .bind::<diesel::sql_types::BigInt, _>(id)
            .execute(conn)?;
    }
    Ok(())
}

/// Locks the rows of `table` with this number in `column` for a change of what is no key: against [`share_row`], but not against
/// rows that refer to them.
pub fn change_rows(conn: &mut Conn, table: &'static str, column: &'static str, number: i64) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        diesel::sql_query(format!("SELECT 1 FROM {table} WHERE {column} = $1 ORDER BY id FOR NO KEY UPDATE"))
            .bind::<diesel::sql_types::BigInt, _>(number)
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

/// Copies into the rows of those who take part in a conversation what their own lists are narrowed by and ordered by, and
/// whether it is theirs to do: open, not marked as done, and it needs something of the clinic, holds news for them or is
/// assigned to them. Of all who take part, or of one.
pub fn copy_to_participants(tx: &mut Tx, conversation: ConversationId, user: Option<UserId>) -> QueryResult<()> {
    use diesel::sql_types::BigInt;
    let (one, two) = match tx.conn() {
        Conn::Pg(_) => ("$1", "$2"),
        Conn::Sqlite(_) => ("?", "?"),
    };
    let theirs = user.map(|_| format!(" AND participants.user_id = {two}")).unwrap_or_default();
    let query = diesel::sql_query(format!(
        "UPDATE participants SET closed_at = c.closed_at, waiting_since = c.waiting_since, attention = c.attention, \
         last_message_at = c.last_message_at, answer_due = c.answer_due, to_do_since = CASE WHEN done_at IS NULL AND \
         c.closed_at IS NULL THEN \
         COALESCE(c.to_do_since, CASE WHEN unread OR assigned_until IS NOT NULL THEN c.last_message_at END) END, \
         to_do_due = CASE WHEN done_at IS NULL AND c.closed_at IS NULL THEN \
         COALESCE(c.to_do_due, CASE WHEN unread OR assigned_until IS NOT NULL THEN c.last_message_at END) END \
         FROM conversations c WHERE c.id = participants.conversation_id AND participants.conversation_id = {one}{theirs}"
    ));
    let query = query.bind::<BigInt, _>(conversation.0);
    match user {
        Some(user) => query.bind::<BigInt, _>(user.0).execute(tx.conn()).map(drop),
        None => query.execute(tx.conn()).map(drop),
    }
}

/// A patient whom words find.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundPatient {
    /// of the words looked for, how many only begin a word of the patient's
    pub begun: usize,
    /// the folded name
    pub name_key: String,
    /// who
    pub id: PatientId,
}

/// Patients of whom, for each group, one of its words begins a term: at most `most`, in the order of the terms that the
/// rarest group begins, so that whole words come first. Walks the index of terms and stops at `most`, or where it has looked
/// at [`LOOKED_AT`] of them: nothing is sorted, and no number of patients makes it longer. Says whether there may be more.
pub fn patients_by_terms(
    conn: &mut Conn,
    groups: &[Vec<String>],
    archived: bool,
    most: usize,
) -> QueryResult<(Vec<FoundPatient>, bool)> {
    let mut by_count = Vec::with_capacity(groups.len());
    for group in groups {
        let mut count = 0;
        for word in group {
            count += some_terms(conn, word, groups.len())?;
        }
        by_count.push((count, group));
    }
    by_count.sort_by_key(|(count, _)| *count);
    let Some(((_, rarest), others)) = by_count.split_first() else { return Ok((Vec::new(), false)) };
    let (mut found, mut seen, mut is_cut): (Vec<FoundPatient>, HashSet<PatientId>, bool) = Default::default();
    // one patient may have several terms that a word begins, but never many
    let rows = most.saturating_mul(3);
    for word in *rarest {
        let mut sql = Sql::new(conn);
        sql.push("SELECT t.patient_id AS id, p.name_key AS name, CAST(CASE WHEN t.term = ");
        sql.value(word.clone());
        sql.push(" THEN 0 ELSE 1 END");
        for (_, group) in others {
            sql.push(" + CASE WHEN ");
            sql.is_had(group, Sql::is);
            sql.push(" THEN 0 ELSE 1 END");
        }
        sql.push(" AS BIGINT) AS begun FROM patient_terms t JOIN patients p ON p.id = t.patient_id WHERE ");
        sql.begins("t.term", word);
        // where others have to be there too, most of what is looked at may be in vain
        if !others.is_empty()
            && let Some(Found { id, name, .. }) = end_of_look(conn, word)?
        {
            sql.push(" AND (t.term, t.patient_id) < (");
            sql.value(name);
            sql.push(&format!(", {id})"));
            is_cut = true;
        }
        if !archived {
            sql.push(" AND p.archived_at IS NULL");
        }
        for (_, group) in others {
            sql.push(" AND ");
            sql.is_had(group, Sql::begins);
        }
        if !sql.numbered {
            sql.push(" AND there_is_time()");
        }
        sql.push(&format!(" ORDER BY t.term, t.patient_id LIMIT {rows}"));
        let lines = sql.load(conn)?;
        is_cut |= lines.len() >= rows;
        for Found { id, name, begun } in lines {
            if seen.insert(PatientId(id)) {
                let begun = usize::try_from(begun).unwrap_or_default();
                found.push(FoundPatient { begun, name_key: name, id: PatientId(id) });
            }
        }
    }
    is_cut |= found.len() >= most;
    found.truncate(most);
    Ok((found, is_cut))
}

/// Terms that are looked at for one word of several groups.
const LOOKED_AT: usize = 1_000;

/// Where the look at the terms that a word begins ends; `None` where there are fewer.
fn end_of_look(conn: &mut Conn, word: &str) -> QueryResult<Option<Found>> {
    let mut sql = Sql::new(conn);
    sql.push("SELECT patient_id AS id, term AS name, CAST(0 AS BIGINT) AS begun FROM patient_terms WHERE ");
    sql.begins("term", word);
    sql.push(&format!(" ORDER BY term, patient_id LIMIT 1 OFFSET {LOOKED_AT}"));
    Ok(sql.load(conn)?.pop())
}

/// Terms that are counted to tell the rarest group: beyond, all are common.
const COUNTED: usize = 500;

/// How many terms a word begins, up to [`COUNTED`]. One group alone needs no counting.
fn some_terms(conn: &mut Conn, word: &str, groups: usize) -> QueryResult<usize> {
    if groups < 2 {
        return Ok(0);
    }
    let mut sql = Sql::new(conn);
    sql.push("SELECT patient_id AS id, '' AS name, CAST(0 AS BIGINT) AS begun FROM patient_terms WHERE ");
    sql.begins("term", word);
    sql.push(&format!(" LIMIT {COUNTED}"));
    Ok(sql.load(conn)?.len())
}

/// A statement whose number of values is not known beforehand.
struct Sql {
    text: String,
    values: Vec<String>,
    numbered: bool,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    begun: i64,
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

    fn is(&mut self, column: &str, word: &str) {
        self.push(&format!("{column} = "));
        self.value(word.to_owned());
    }

    /// That the patient of `t` has a term which one of these words is, or begins.
    fn is_had(&mut self, group: &[String], how: fn(&mut Sql, &str, &str)) {
        self.push("EXISTS (SELECT 1 FROM patient_terms o WHERE o.patient_id = t.patient_id AND (");
        for (at, word) in group.iter().enumerate() {
            self.push(if at == 0 { "(" } else { " OR (" });
            how(self, "o.term", word);
            self.push(")");
        }
        self.push("))");
    }

    fn load(self, conn: &mut Conn) -> QueryResult<Vec<Found>> {
        let mut query = diesel::sql_query(self.text).into_boxed::<MultiBackend>();
        for value in self.values {
            query = query.bind::<diesel::sql_types::Text, _>(value);
        }
        query.load(conn)
    }
}
