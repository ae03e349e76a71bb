//! The statements of the index of messages that the query builder cannot say for both databases.

use super::carry::sql_query;
use super::connection::{Conn, Tx};
use super::ids::{ConversationId, MessageId, PatientId};
use super::sealed::Term;
use super::times::{Ts, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// The most words of one group that are looked up one by one; of a larger group the words of a message are compared with it.
const ONE_BY_ONE: usize = 8;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: MessageId,
}

fn json(list: &impl serde::Serialize) -> QueryResult<String> {
    serde_json::to_string(list).map_err(|cause| diesel::result::Error::SerializationError(Box::new(cause)))
}

/// Adds words to the index, all in one statement: a list of rows cannot be rendered for both databases.
pub fn add_words(tx: &mut Tx, terms: &[Term]) -> QueryResult<()> {
    let terms: Vec<&str> = terms.iter().map(Term::stored).collect();
    let values = match tx.conn() {
        Conn::Pg(_) => "jsonb_array_elements_text($1::jsonb) AS t (value)",
        Conn::Sqlite(_) => "json_each($1)",
    };
    // "WHERE true": without it SQLite takes ON for a join's
    let sql = format!("INSERT INTO search_words (term) SELECT value FROM {values} WHERE true ON CONFLICT DO NOTHING");
    sql_query(tx.conn(), &sql).bind::<Text, _>(json(&terms)?).execute(tx.conn()).map(drop)
}

/// Adds lines to the index, all in one statement: word, message, and the parts of the message in which the word stands.
pub fn add_postings(tx: &mut Tx, lines: &[(i64, i64, i64)]) -> QueryResult<()> {
    let values = match tx.conn() {
        Conn::Pg(_) => "jsonb_array_elements($1::jsonb) AS t (value)",
        Conn::Sqlite(_) => "json_each($1)",
    };
    let sql = format!(
        "INSERT INTO search_postings (word_id, message_id, parts) SELECT CAST(value ->> 0 AS BIGINT), \
         CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT) FROM {values} WHERE true ON CONFLICT DO NOTHING"
    );
    sql_query(tx.conn(), &sql).bind::<Text, _>(json(&lines)?).execute(tx.conn()).map(drop)
}

/// Removes up to `limit` lines of the index; gives how many.
pub fn forget_postings(tx: &mut Tx, limit: i64) -> QueryResult<usize> {
    let sql = "DELETE FROM search_postings WHERE (word_id, message_id) IN (SELECT word_id, message_id FROM search_postings \
               ORDER BY word_id, message_id LIMIT $1)";
    sql_query(tx.conn(), sql).bind::<BigInt, _>(limit).execute(tx.conn())
}

/// The first messages after `after` that the index does not have, at most `limit`.
pub fn unread(conn: &mut Conn, after: MessageId, limit: i64) -> QueryResult<Vec<MessageId>> {
    let sql = "SELECT m.id AS id FROM messages m WHERE m.id > $1 AND NOT EXISTS \
               (SELECT 1 FROM search_postings s WHERE s.word_id = 0 AND s.message_id = m.id) ORDER BY m.id LIMIT $2";
    let found: Vec<Id> = sql_query(conn, sql).bind::<BigInt, _>(after.0).bind::<BigInt, _>(limit).load(conn)?;
    Ok(found.into_iter().map(|row| row.id).collect())
}

/// What a message has to be to be found.
#[derive(Debug, Clone)]
pub struct Narrowing {
    /// of each group one word stands in it
    pub groups: Vec<Vec<i64>>,
    /// in one of these parts (bits); 0: in any
    pub parts: i64,
    /// whether its conversation is open
    pub is_open: Option<bool>,
    /// its patient
    pub patient: Option<PatientId>,
    /// it was written at this moment or later
    pub from: Ts,
    /// it was written before
    pub until: Ts,
}

impl Narrowing {
    /// The condition for the message and the conversation with these names.
    fn of(&self, message: &str) -> String {
        let mut all =
            format!("{message}.recalled_at IS NULL AND {message}.created_at >= $1 AND {message}.created_at < $2");
        let parts = if self.parts == 0 { String::new() } else { format!(" AND (s.parts & {}) <> 0", self.parts) };
        for group in &self.groups {
            // a sign before the column keeps the databases from trying each word of a long list
            let sign = if group.len() > ONE_BY_ONE { "+" } else { "" };
            all.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM search_postings s WHERE s.message_id = {message}.id \
                 AND {sign}s.word_id IN ({}){parts})",
                list(group.iter())
            ));
        }
        all
    }
}

fn list(ids: impl Iterator<Item = impl ToString>) -> String {
    ids.map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
}

#[derive(QueryableByName)]
struct Hit {
    #[diesel(sql_type = BigInt)]
    id: MessageId,
    #[diesel(sql_type = BigInt)]
    conversation_id: ConversationId,
}

/// Those of these messages that are found, newest first, with their conversations. Where `before` is given, none of a
/// conversation that has a message which is found and is not older than that: it stood on an earlier page.
pub fn hits(
    conn: &mut Conn,
    narrowing: &Narrowing,
    among: &[MessageId],
    before: Option<MessageId>,
) -> QueryResult<Vec<(MessageId, ConversationId)>> {
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = format!(
        "SELECT m.id AS id, m.conversation_id AS conversation_id FROM messages m JOIN conversations c \
         ON c.id = m.conversation_id JOIN patients p ON p.id = c.patient_id WHERE m.id IN ({}) AND {} \
         AND c.recalled_at IS NULL AND p.deleted_at IS NULL",
        list(among.iter()),
        narrowing.of("m")
    );
    if let Some(is_open) = narrowing.is_open {
        sql.push_str(if is_open { " AND c.closed_at IS NULL" } else { " AND c.closed_at IS NOT NULL" });
    }
    if let Some(patient) = narrowing.patient {
        sql.push_str(&format!(" AND c.patient_id = {patient}"));
    }
    if let Some(before) = before {
        sql.push_str(&format!(
            " AND NOT EXISTS (SELECT 1 FROM messages n WHERE n.conversation_id = m.conversation_id AND n.id >= {before} \
             AND {})",
            narrowing.of("n")
        ));
    }
    let query = sql_query(conn, &sql).bind::<Utc, _>(narrowing.from).bind::<Utc, _>(narrowing.until);
    let mut found: Vec<(MessageId, ConversationId)> =
        query.load::<Hit>(conn)?.into_iter().map(|hit| (hit.id, hit.conversation_id)).collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    Ok(found)
}
