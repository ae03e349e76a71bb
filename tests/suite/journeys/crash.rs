//! Kill -9 under load: nothing that was acknowledged is lost, nothing is there twice.

use crate::support::demo::Demo;
use postern::db::{DatabaseUrl, Db};
use postern::error::AppError;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ROUNDS: u64 = 10;
const SENDERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    for round in 0..ROUNDS {
        let demo = Demo::start(folder.path());
        let (port, client) = (demo.port, demo.signed_in().await);
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (client, acknowledged, stop) = (client.clone(), acknowledged.clone(), stop.clone());
                tokio::spawn(async move {
                    for number in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            return;
                        }
                        let title = format!("crash-{round}-{sender}-{number}");
                        let key = format!("{title}-key-key-key");
                        let form = [("key", key.as_str()), ("title", &title), ("body", "x"), ("body_format", "plain")];
                        let url = format!("http://127.0.0.1:{port}/patients/{}/messages/new", 1 + sender % 2);
                        match client.post(url).form(&form).send().await {
                            Ok(answer) if answer.status() == 303 => acknowledged.lock().unwrap().push(title),
                            Ok(answer) => panic!("{}", answer.status()),
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        // a different point of the work each time, the same in each run
        tokio::time::sleep(Duration::from_millis(120 + round * 73 % 400)).await;
        demo.kill();
        stop.store(true, Ordering::SeqCst);
        for sender in senders {
            sender.await.unwrap();
        }
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > 50, "only {} sends", acknowledged.len());
    check(folder.path(), &acknowledged).await;
}

async fn check(folder: &Path, acknowledged: &[String]) {
    use diesel::prelude::*;
    use postern::db::schema::{conversations, jobs, messages, notifications};
    let db = Db::open(&DatabaseUrl::Sqlite(folder.join("postern.db"))).unwrap();
    let read = db.read(|conn| -> Result<_, AppError> {
        let titles: Vec<String> = conversations::table.select(conversations::title).load(conn)?;
        let told: Vec<(i64, String, String)> = messages::table
            .left_join(notifications::table)
            .select((
                messages::id,
                notifications::state.assume_not_null(),
                notifications::message_uid.assume_not_null(),
            ))
            .load(conn)?;
        let waiting: Vec<i64> =
            jobs::table.filter(jobs::kind.eq("send_notification")).select(jobs::subject_id).load(conn)?;
        let ids: Vec<(i64, String)> =
            notifications::table.select((notifications::id, notifications::state)).load(conn)?;
        Ok((titles, told, waiting, ids, postern::audit::verify(conn)))
    });
    let (titles, told, waiting, notices, audit) = read.await.unwrap();
    let once: HashSet<&String> = titles.iter().collect();
    assert_eq!(once.len(), titles.len(), "a conversation is there twice");
    let lost: Vec<_> = acknowledged.iter().filter(|title| !once.contains(title)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(told.iter().map(|(id, ..)| id).collect::<HashSet<_>>().len(), titles.len(), "a message is there twice");
    // every notification went out, or its job still waits
    let waiting: HashSet<i64> = waiting.into_iter().collect();
    for (id, state) in &notices {
        assert!(state == "sent" || waiting.contains(id), "notification {id} is {state} and nothing will send it");
    }
    audit.unwrap();
    let mailbox = std::fs::read_to_string(folder.join("mailbox.jsonl")).unwrap_or_default();
    let mut copies: HashMap<String, usize> = HashMap::new();
    for line in mailbox.lines() {
        let mail: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        *copies.entry(mail["message_uid"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    for (uid, count) in copies {
        assert!(count <= 2, "{uid} went out {count} times");
    }
}
