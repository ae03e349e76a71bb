//! Kill -9 under load: nothing that was acknowledged is lost, nothing is there twice.

use postern::db::{DatabaseUrl, Db};
use postern::error::AppError;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 10;
const SENDERS: usize = 6;

struct Demo(Child, u16);

impl Demo {
    fn start(folder: &Path) -> Demo {
        let _ = std::fs::remove_file(folder.join("demo.json"));
        let child = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["demo", "--port", "0", "--data", folder.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut demo = Demo(child, 0);
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < Duration::from_secs(60), "the demo does not start");
            if let Ok(json) = std::fs::read(folder.join("demo.json")) {
                let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
                let url: url::Url = json["clinic_url"].as_str().unwrap().parse().unwrap();
                let port = url.port().unwrap();
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    demo.1 = port;
                    return demo;
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGKILL, by our own child's id.
    fn kill(self) {}
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn signed_in(port: u16) -> reqwest::Client {
    let client =
        reqwest::Client::builder().cookie_store(true).redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = [("email", "staff@demo.example"), ("password", "demo-staff-1")];
    let answer = client.post(format!("http://127.0.0.1:{port}/sign-in")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    for round in 0..ROUNDS {
        let demo = Demo::start(folder.path());
        let port = demo.1;
        let client = signed_in(port).await;
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
