//! Kill -9 under load: nothing that was acknowledged is lost, and nothing exists twice.

use crate::support::app::{App, On};
use crate::support::demo::{Demo, signed_in};
use crate::support::program::{Program, database_url, free_port};
use crate::support::world::{Like, PASSWORD};
use crate::support::{mail, peers};
use postern::access::Role;
use postern::db::sealed::Opened;
use postern::db::{DatabaseUrl, Db, Keys};
use postern::error::AppError;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 10;
const SENDERS: usize = 6;
/// The least number of sends in a round.
const EACH: usize = 6;
/// How the titles of what is sent here begin: the demo has conversations of its own.
const OURS: &str = "crash-";

/// Sends from several browsers at once until the server is killed, at a different point of the work in each round.
async fn round(round: u64, base: String, client: reqwest::Client, done: &Arc<Mutex<Vec<String>>>, kill: impl FnOnce()) {
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (client, base, done, stop) = (client.clone(), base.clone(), done.clone(), stop.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let title = format!("{OURS}{round}-{sender}-{number}");
                    let key = format!("{title}-key-key-key");
                    let form = [("key", key.as_str()), ("title", &title), ("body", "x"), ("body_format", "plain")];
                    let url = format!("{base}/patients/{}/messages/new", 1 + sender % 2);
                    match client.post(url).form(&form).send().await {
                        Ok(answer) if answer.status() == 303 => done.lock().unwrap().push(title),
                        Ok(answer) => panic!("{}", answer.status()),
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    // killed when enough was sent, on a slow machine too, and at a different point of the work each time
    let sent = || done.lock().unwrap().len();
    let (before, begin) = (sent(), Instant::now());
    while sent() < before + EACH {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing is sent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(round * 73 % 400)).await;
    kill();
    stop.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    for number in 0..ROUNDS {
        let demo = Demo::start(folder.path());
        let (base, client) = (demo.at(""), demo.signed_in().await);
        round(number, base, client, &acknowledged, || demo.kill()).await;
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    check(&DatabaseUrl::Sqlite(folder.path().join("postern.db")), &acknowledged).await;
    let mailbox = std::fs::read_to_string(folder.path().join("mailbox.jsonl")).unwrap_or_default();
    let uid = |line: &str| {
        let mail: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        mail["message_uid"].as_str().unwrap_or_default().to_owned()
    };
    at_most_two(mailbox.lines().map(uid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_on_postgres() {
    if peers::postgres_url().is_none() {
        return;
    }
    let app = App::start(On::Postgres).await;
    app.at_present();
    app.user(Role::Staff).await;
    let read = app.state.db.read(|conn| -> Result<String, AppError> {
        use diesel::prelude::*;
        Ok(postern::db::schema::users::table.select(postern::db::schema::users::email).first(conn)?)
    });
    let email = read.await.unwrap();
    let addresses = ["one", "two"].map(|name| format!("ok+crash{name}{}@example.org", std::process::id()));
    for address in &addresses {
        app.patient(Like { email: Some(address.clone()), ..Like::default() }).await;
    }
    let database = database_url(&app.state.config.database);
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    for number in 0..ROUNDS {
        let port = free_port();
        let mut program = Program::start(&["serve"], &database, port, &[]);
        program.answers_at(port);
        let base = format!("http://127.0.0.1:{port}");
        let client = signed_in(&base, (&email, PASSWORD)).await;
        round(number, base, client, &acknowledged, || program.kill()).await;
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    check(&app.state.config.database, &acknowledged).await;
    let mut mails = Vec::new();
    for address in &addresses {
        mails.extend(mail::messages_to(address).await);
    }
    assert!(!mails.is_empty(), "no round lived long enough to send");
    at_most_two(mails.iter().map(|mail| mail.header("message-id").to_owned()));
}

/// Asserts that each mail was sent once, or twice where the program was killed between sending it and storing that.
fn at_most_two(uids: impl Iterator<Item = String>) {
    let mut copies: HashMap<String, usize> = HashMap::new();
    for uid in uids {
        *copies.entry(uid).or_default() += 1;
    }
    for (uid, count) in copies {
        assert!(count <= 2, "{uid} went out {count} times");
    }
}

async fn check(database: &DatabaseUrl, acknowledged: &[String]) {
    use diesel::prelude::*;
    use postern::db::schema::{conversations, jobs, messages, notifications};
    assert!(acknowledged.len() > 50, "only {} sends", acknowledged.len());
    let db = Db::open(database, Keys::default()).unwrap();
    let read = db.read(|conn| -> Result<_, AppError> {
        let titles: Vec<(i64, Opened)> =
            conversations::table.select((conversations::id, conversations::title)).load(conn)?;
        let titles = titles.into_iter().map(|(id, title)| (id, String::from(title)));
        let ours: HashMap<i64, String> = titles.filter(|(_, title)| title.starts_with(OURS)).collect();
        let of_ours = || messages::conversation_id.eq_any(ours.keys().copied().collect::<Vec<_>>());
        let said: Vec<i64> = messages::table.filter(of_ours()).select(messages::id).load(conn)?;
        let notices: Vec<(i64, String)> = notifications::table
            .inner_join(messages::table)
            .filter(of_ours())
            .select((notifications::id, notifications::state))
            .load(conn)?;
        let waiting: Vec<i64> =
            jobs::table.filter(jobs::kind.eq("send_notification")).select(jobs::subject_id).load(conn)?;
        let titles: Vec<String> = ours.into_values().collect();
        Ok((titles, said, waiting, notices, postern::audit::verify(conn, None)))
    });
    let (titles, said, waiting, notices, audit) = read.await.unwrap();
    let once: HashSet<&String> = titles.iter().collect();
    assert_eq!(once.len(), titles.len(), "a conversation is there twice");
    let lost: Vec<_> = acknowledged.iter().filter(|title| !once.contains(title)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(said.len(), titles.len(), "a message is there twice");
    assert!(notices.len() >= titles.len(), "a message is there without its notification");
    // every notification was sent, or its job still waits
    let waiting: HashSet<i64> = waiting.into_iter().collect();
    for (id, state) in &notices {
        assert!(state == "sent" || waiting.contains(id), "notification {id} is {state} and nothing will send it");
    }
    audit.unwrap();
}
