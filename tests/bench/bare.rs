//! The limit for sending: the rows that a send writes, by prepared statements in a loop, with a durable commit for each
//! send or for many.

use super::stage::Stage;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use postern::db::schema::*;
use postern::db::sealed::{ConversationTitle, MessageHtml, MessageSource, Sealed};
use postern::db::{Both, Conn, Ts};
use std::time::{Duration, Instant};

/// Sends per second, with `together` of them in one commit.
pub fn sends_per_second(stage: &Stage, seconds: f64, together: i64) -> f64 {
    let mut conn = open(stage);
    let (begin, mut sent) =
        (Instant::now(), i64::from(together > 1) * 1_000_000_000 + i64::from(std::process::id()) * 1_000);
    let first = sent;
    while begin.elapsed() < Duration::from_secs_f64(seconds) {
        conn.transaction(|conn| (0..together).try_for_each(|more| send(conn, stage, sent + more))).unwrap();
        sent += together;
    }
    (sent - first) as f64 / begin.elapsed().as_secs_f64()
}

/// A connection with the program's own settings.
pub fn open(stage: &Stage) -> Conn {
    let mut conn = stage.server.base.connect();
    if let Conn::Sqlite(conn) = &mut conn {
        let settings = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
        conn.batch_execute(settings).unwrap();
    }
    conn
}

/// The rows of one send.
pub fn send(conn: &mut Conn, stage: &Stage, number: i64) -> QueryResult<()> {
    let at = Ts::from(time::OffsetDateTime::now_utc());
    let patient = stage.places.answering.start + number % stage.patients.len() as i64;
    let conversation: i64 = diesel::insert_into(conversations::table)
        .values((
            (conversations::patient_id.eq(patient), conversations::number.eq(1_000_000 + number)),
            (
                conversations::title.eq(sql::<Sealed<ConversationTitle>>("'Your results'")),
                conversations::replies_allowed.eq(true),
            ),
            (conversations::started_by.eq(1), conversations::created_at.eq(at)),
            (conversations::last_message_at.eq(at), conversations::last_author.eq("user")),
            (conversations::notice_email.eq("queued"), conversations::notice_text.eq("queued")),
            conversations::replies_since.eq(at),
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
            (
                messages::body_source.eq(sql::<Sealed<MessageSource>>("'All is **well** with your results'")),
                messages::body_format.eq("markdown"),
            ),
            (
                messages::body_html
                    .eq(sql::<Sealed<MessageHtml>>("'<p>All is <strong>well</strong> with your results</p>'")),
                messages::internal.eq(false),
            ),
            (messages::send_key.eq(format!("bare:{}:{number}", stage.run)), messages::created_at.eq(at)),
            messages::offers.eq(""),
        ))
        .returning(messages::id)
        .get_result(conn)?;
    for (road, lane) in [("email", "email"), ("sms", "texts")] {
        let notification: i64 = diesel::insert_into(notifications::table)
            .values((
                (notifications::message_id.eq(message), notifications::conversation_id.eq(conversation)),
                (notifications::patient_id.eq(patient), notifications::channel.eq(road)),
                (notifications::state.eq("queued"), notifications::attempts.eq(0), notifications::user_id.eq(1)),
                (notifications::message_uid.eq(format!("uid{number}{road}")), notifications::created_at.eq(at)),
                (notifications::state_at.eq(at), notifications::kind.eq("message_waiting")),
            ))
            .returning(notifications::id)
            .get_result(conn)?;
        job(conn, ("send_notification", notification, lane), at)?;
    }
    for step in ["remind", "tell"] {
        let step: i64 = diesel::insert_into(plan_steps::table)
            .values((
                (plan_steps::message_id.eq(message), plan_steps::conversation_id.eq(conversation)),
                (plan_steps::step.eq(step), plan_steps::due_at.eq(at.plus(time::Duration::days(2)))),
                (plan_steps::state.eq("waiting"), plan_steps::state_at.eq(at)),
            ))
            .returning(plan_steps::id)
            .get_result(conn)?;
        job(conn, ("follow_up", step, "plans"), at.plus(time::Duration::days(2)))?;
    }
    let draft = (drafts::user_id.eq(1), drafts::patient_id.eq(patient), drafts::version.eq(1), drafts::saved_at.eq(at));
    let draft = diesel::insert_into(drafts::table).values(draft).on_conflict((drafts::user_id, drafts::patient_id));
    Both(draft.do_update().set(drafts::version.eq(drafts::version + 1))).execute(conn)?;
    audit(conn, at, patient, conversation)
}

fn job(conn: &mut Conn, (kind, subject, lane): (&str, i64, &str), at: Ts) -> QueryResult<()> {
    diesel::insert_into(jobs::table)
        .values((
            (jobs::kind.eq(kind), jobs::subject_id.eq(subject), jobs::attempts.eq(0)),
            (jobs::run_at.eq(at), jobs::created_at.eq(at), jobs::lane.eq(lane)),
        ))
        .execute(conn)
        .map(drop)
}

fn audit(conn: &mut Conn, at: Ts, patient: i64, conversation: i64) -> QueryResult<()> {
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
