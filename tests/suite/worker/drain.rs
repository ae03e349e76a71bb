//! A long queue, worked by several workers at once.

use crate::support::app::{App, On};
use crate::support::peers;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{jobs, messages, notifications as sent_rows};
use postern::db::{ConversationId, MessageId, PatientId};
use postern::delivery::Channel;
use postern::error::AppError;
use postern::notifications::{self, Told, templates::Kind};
use std::collections::BTreeSet;

/// The number of notifications; POSTERN_TEST_NOTIFICATIONS sets another one.
fn many() -> usize {
    std::env::var("POSTERN_TEST_NOTIFICATIONS").map_or(400, |n| n.parse().unwrap())
}

/// Queues this many notifications of one message, and works them with four workers that share a database.
async fn drained_by_four(on: On) {
    let app = App::start(on).await;
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(Like::default()).await;
    app.message(&user, patient, true).await;
    let (now, random, count) = (app.state.clock.now(), app.state.random.clone(), many());
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        let of: (MessageId, ConversationId, PatientId) = {
            let (message, conversation) =
                messages::table.select((messages::id, messages::conversation_id)).first(tx.conn())?;
            (message, conversation, patient)
        };
        let to = [Told { caregiver: None, links: vec![Channel::Email] }];
        for _ in 1..count {
            notifications::enqueue(tx, now, &random, of, Kind::MessageWaiting, &to)?;
        }
        Ok(())
    });
    write.await.unwrap();
    let from = std::time::Instant::now();
    let (one, two, three, four) = tokio::join!(app.drain(), app.drain(), app.drain(), app.drain());
    let mails = app.mailbox.newest_first();
    let each: BTreeSet<&str> = mails.iter().map(|mail| mail.message_uid.as_str()).collect();
    assert_eq!((mails.len(), each.len()), (count, count), "each once");
    assert_eq!(one + two + three + four, count);
    let now = app.state.clock.now();
    let read = app.state.db.read(move |conn| -> Result<(i64, i64), AppError> {
        let sent = notifications::State::Sent;
        let sent = sent_rows::table.filter(sent_rows::state.eq(sent)).count().get_result(conn)?;
        Ok((sent, jobs::table.filter(jobs::run_at.le(now)).count().get_result(conn)?))
    });
    assert_eq!(read.await.unwrap(), (count as i64, 0));
    println!("{count} notifications in {:.1} s, by {one}, {two}, {three} and {four}", from.elapsed().as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_workers_send_each_once_on_postgres() {
    if peers::postgres_url().is_some() {
        drained_by_four(On::Postgres).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_workers_send_each_once_on_sqlite() {
    drained_by_four(On::Sqlite).await;
}
