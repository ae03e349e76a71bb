//! Conversations by the hundred thousand, written directly.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use postern::db::schema::conversations;
use std::path::Path;

/// Fills the clinic until it has that many conversations, each with a message and a participant.
pub fn up_to(database: &Path, count: usize) {
    let mut conn = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 10000;").unwrap();
    let there: i64 = conversations::table.count().get_result(&mut conn).unwrap();
    let missing = count as i64 - there;
    if missing <= 0 {
        return;
    }
    let from = there + 5_000_000;
    let sql = format!(
        "BEGIN IMMEDIATE;
         CREATE TEMP TABLE n AS WITH RECURSIVE c(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM c LIMIT {missing}) SELECT i FROM c;
         INSERT INTO conversations (id, patient_id, number, title, replies_allowed, started_by, created_at, last_message_at, last_author)
           SELECT i, 1 + i % 13, i, 'Follow-up ' || i, 1, 1, 1700000000000000 + i, 1700000000000000 + i, 'user' FROM n;
         INSERT INTO participants (conversation_id, user_id, unread, last_message_at) SELECT i, 1, 0, 1700000000000000 + i FROM n;
         INSERT INTO messages (conversation_id, author, user_id, body_source, body_format, body_html, internal, send_key, created_at)
           SELECT i, 'user', 1, 'x', 'plain', '<p>x</p>', 0, 'fill:' || i, 1700000000000000 + i FROM n;
         DROP TABLE n;
         COMMIT;"
    );
    conn.batch_execute(&sql).unwrap();
}
