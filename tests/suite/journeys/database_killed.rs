//! PostgreSQL is killed under load and comes back: what was acknowledged is there, nothing exists twice, and the
//! program, which never stopped, goes on by itself.

use crate::support::app::App;
use crate::support::postgres::Server;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::DatabaseUrl;
use postern::db::schema::{conversations, jobs, notifications};
use postern::db::sealed::Opened;
use postern::delivery::Delivery;
use postern::error::AppError;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SENDERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_database() {
    let Some(server) = Server::start() else { return };
    let database = DatabaseUrl::Postgres(server.url.clone());
    let app = App::start_at(tempfile::tempdir().unwrap(), database, |_| {}, Delivery::mailbox).await;
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    let (done, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
    for round in 0..3 {
        stop.store(false, Ordering::SeqCst);
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (user, done, stop) = (user.clone(), done.clone(), stop.clone());
                tokio::spawn(async move {
                    for number in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            return;
                        }
                        let title = format!("killed-{round}-{sender}-{number}");
                        let key = format!("{title}-key-key-key");
                        let form = [("key", key.as_str()), ("title", &title), ("body", "x"), ("body_format", "plain")];
                        let answer = user.post(&format!("/patients/{patient}/messages/new"), &form).await;
                        match answer.status {
                            303 => done.lock().unwrap().push(title),
                            // refused with an explanation, and not acknowledged
                            500.. => tokio::time::sleep(Duration::from_millis(20)).await,
                            other => panic!("{other}: {}", answer.body),
                        }
                    }
                })
            })
            .collect();
        let worker = async {
            while !stop.load(Ordering::SeqCst) {
                let _ = postern::worker::drain(&app.state).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let killer = async {
            let before = done.lock().unwrap().len();
            while done.lock().unwrap().len() < before + 20 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(37 * round)).await;
            tokio::task::block_in_place(|| server.must(&["kill"]));
            tokio::time::sleep(Duration::from_millis(300)).await;
            tokio::task::block_in_place(|| server.must(&["again"]));
            stop.store(true, Ordering::SeqCst);
        };
        tokio::join!(worker, killer);
        for sender in senders {
            sender.await.unwrap();
        }
        let mut back = false;
        for _ in 0..100 {
            back = user.get("/inbox").await.status == 200;
            if back {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(back, "the program goes on by itself");
    }
    let done = done.lock().unwrap().clone();
    check(&app, &done).await;
}

async fn check(app: &App, done: &[String]) {
    // claims from before the crash end
    app.state.clock.advance(time::Duration::minutes(2));
    app.drain().await;
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let titles: Vec<Opened> = conversations::table.select(conversations::title).load(conn)?;
        let titles: Vec<String> = titles.into_iter().map(String::from).collect();
        let states: Vec<(String, String)> =
            notifications::table.select((notifications::state, notifications::message_uid)).load(conn)?;
        let waiting: i64 = jobs::table.filter(jobs::kind.eq("send_notification")).count().get_result(conn)?;
        Ok((titles, states, waiting, postern::audit::verify(conn, None)))
    });
    let (titles, states, waiting, audit) = read.await.unwrap();
    let once: HashSet<&String> = titles.iter().collect();
    assert_eq!(once.len(), titles.len(), "a conversation is there twice");
    let lost: Vec<_> = done.iter().filter(|title| !once.contains(title)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!((states.len(), waiting), (titles.len(), 0));
    let mut copies: HashMap<String, usize> = HashMap::new();
    for mail in app.mailbox.newest_first() {
        *copies.entry(mail.message_uid).or_default() += 1;
    }
    for (state, uid) in states {
        assert_eq!(state, "sent");
        let count = copies.get(&uid).copied().unwrap_or_default();
        // twice where the database went away between the sending and storing that
        assert!((1..=2).contains(&count), "{uid} went out {count} times");
    }
    audit.unwrap();
}
