//! The same rows as a send, by prepared statements in a loop, one durable commit each.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use postern::db::Ts;
use postern::db::schema::*;
use std::path::Path;
use std::time::{Duration, Instant};

pub fn sends_per_second(database: &Path, seconds: f64) -> f64 {
    let mut conn = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    conn.batch_execute(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
    )
    .unwrap();
    let (begin, mut sent) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs_f64(seconds) {
        conn.immediate_transaction(|conn| send(conn, sent)).unwrap();
        sent += 1;
    }
    sent as f64 / begin.elapsed().as_secs_f64()
}

fn send(conn: &mut SqliteConnection, number: i64) -> QueryResult<()> {
    let at = Ts::from_micros(1_770_000_000_000_000 + number).unwrap();
    let patient = 1 + number % 13;
    let conversation: i64 = diesel::insert_into(conversations::table)
        .values((
            (conversations::patient_id.eq(patient), conversations::number.eq(1_000_000 + number)),
            (conversations::title.eq("Your results"), conversations::replies_allowed.eq(true)),
            (conversations::started_by.eq(1), conversations::created_at.eq(at)),
            (conversations::last_message_at.eq(at), conversations::last_author.eq("user")),
        ))
        .returning(conversations::id)
        .get_result(conn)?;
    diesel::insert_into(participants::table)
        .values((
            (participants::conversation_id.eq(conversation), participants::user_id.eq(1)),
            (participants::unread.eq(false), participants::last_message_at.eq(at)),
        ))
        .execute(conn)?;
    let message: i64 = diesel::insert_into(messages::table)
        .values((
            (messages::conversation_id.eq(conversation), messages::author.eq("user"), messages::user_id.eq(1)),
            (messages::body_source.eq("All is well"), messages::body_format.eq("markdown")),
            (messages::body_html.eq("<p>All is well</p>"), messages::internal.eq(false)),
            (messages::send_key.eq(format!("bare:{number}")), messages::created_at.eq(at)),
        ))
        .returning(messages::id)
        .get_result(conn)?;
    let notification: i64 = diesel::insert_into(notifications::table)
        .values((
            (notifications::message_id.eq(message), notifications::conversation_id.eq(conversation)),
            (notifications::patient_id.eq(patient), notifications::channel.eq("email")),
            (notifications::state.eq("queued"), notifications::attempts.eq(0)),
            (notifications::message_uid.eq(format!("uid{number}")), notifications::created_at.eq(at)),
            notifications::state_at.eq(at),
        ))
        .returning(notifications::id)
        .get_result(conn)?;
    diesel::insert_into(jobs::table)
        .values((
            (jobs::kind.eq("send_notification"), jobs::subject_id.eq(notification), jobs::attempts.eq(0)),
            (jobs::run_at.eq(at), jobs::created_at.eq(at)),
        ))
        .execute(conn)?;
    audit(conn, at, patient, conversation)
}

fn audit(conn: &mut SqliteConnection, at: Ts, patient: i64, conversation: i64) -> QueryResult<()> {
    let head = audit_heads::table.find(patient);
    let (position, hash): (i64, Vec<u8>) = head.select((audit_heads::position, audit_heads::hash)).first(conn)?;
    diesel::insert_into(audit_events::table)
        .values((
            (audit_events::chain.eq(patient), audit_events::position.eq(position + 1), audit_events::at.eq(at)),
            (audit_events::actor.eq("user"), audit_events::actor_id.eq(1)),
            (audit_events::action.eq("conversation_started"), audit_events::patient_id.eq(patient)),
            (audit_events::subject.eq("conversation"), audit_events::subject_id.eq(conversation)),
            audit_events::hash.eq(&hash),
        ))
        .execute(conn)?;
    diesel::update(head).set(audit_heads::position.eq(position + 1)).execute(conn).map(drop)
}
