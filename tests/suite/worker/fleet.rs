//! Three servers and two workers on one PostgreSQL and one bucket, behind a proxy that gives each request to the next
//! server: they are one clinic, also while each of them is stopped and started again under load.

use crate::files::samples;
use crate::files::uploads::{get, id_in, upload};
use crate::support::app::{Actor, App, On};
use crate::support::program::{Program, database_url, free_port};
use crate::support::s3::S3;
use crate::support::world::Like;
use crate::support::{mail, peers};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::conversations;
use postern::db::{DbError, PatientId};
use postern::delivery::Delivery;
use postern::http::whose;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that hands on bytes, and does not look at them.
struct Proxy {
    port: u16,
    /// the ports of the servers that get requests
    servers: Arc<Mutex<Vec<u16>>>,
}

impl Proxy {
    async fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let servers: Arc<Mutex<Vec<u16>>> = Arc::default();
        let (given, next) = (servers.clone(), AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let server = {
                    let servers = given.lock().unwrap();
                    servers[next.fetch_add(1, Ordering::Relaxed) % servers.len()]
                };
                tokio::spawn(async move {
                    let Ok(mut to) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        Proxy { port, servers }
    }

    fn only(&self, servers: &[u16]) {
        *self.servers.lock().unwrap() = servers.to_vec();
    }
}

struct Fleet {
    proxy: Proxy,
    database: String,
    settings: Vec<(String, String)>,
    servers: Vec<(u16, Program)>,
    workers: Vec<Program>,
}

impl Fleet {
    async fn start(app: &App, s3: &S3) -> Fleet {
        let (proxy, bucket) = (Proxy::start().await, s3.bucket());
        let settings = [
            ("POSTERN_PUBLIC_URL", format!("http://127.0.0.1:{}", proxy.port)),
            ("POSTERN_RUN_WORKER", "false".to_owned()),
            ("POSTERN_STORAGE_BUCKET", bucket.name),
            ("POSTERN_STORAGE_ENDPOINT", bucket.endpoint.to_string()),
            ("POSTERN_STORAGE_ACCESS_KEY", bucket.access_key),
            ("POSTERN_STORAGE_SECRET_KEY", bucket.secret_key),
        ];
        let mut fleet = Fleet {
            proxy,
            database: database_url(&app.state.config.database),
            settings: settings.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            servers: Vec::new(),
            workers: Vec::new(),
        };
        for _ in 0..3 {
            let port = free_port();
            let server = fleet.serve(port);
            fleet.servers.push((port, server));
        }
        fleet.workers = vec![fleet.work(), fleet.work()];
        fleet.proxy.only(&fleet.ports());
        fleet
    }

    fn program(&self, what: &str, port: u16) -> Program {
        let listen = format!("127.0.0.1:{port}");
        let own = [("POSTERN_LISTEN", listen.as_str())];
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Program::start(&[what], &self.database, port, &settings.chain(own).collect::<Vec<_>>())
    }

    fn serve(&self, port: u16) -> Program {
        let mut server = self.program("serve", port);
        server.answers_at(port);
        server
    }

    fn work(&self) -> Program {
        self.program("worker", free_port())
    }

    fn ports(&self) -> Vec<u16> {
        self.servers.iter().map(|(port, _)| *port).collect()
    }

    /// The browser of somebody who is signed in, at the proxy; each of its requests goes to the next server.
    fn browser(&self, who: &Actor) -> Actor {
        let http = reqwest::Client::builder()
            .cookie_provider(who.cookies.clone())
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0);
        Actor { http: http.build().unwrap(), origin: format!("http://127.0.0.1:{}", self.proxy.port), ..who.clone() }
    }
}

async fn clinic() -> Option<(S3, App, Fleet)> {
    peers::postgres_url()?;
    let s3 = S3::start();
    let bucket = s3.bucket();
    let app = App::start_with_config(On::Postgres, |all| all.files.bucket = Some(bucket), Delivery::mailbox).await;
    app.at_present();
    let fleet = Fleet::start(&app, &s3).await;
    Some((s3, app, fleet))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_are_one_clinic() {
    let Some((_s3, app, fleet)) = clinic().await else { return };
    let [one, two, three] = fleet.ports().try_into().unwrap();
    let (owner, address) = (app.user(Role::Owner).await, format!("ok+fleet{}@example.org", std::process::id()));
    let patient = app.patient(Like { email: Some(address.clone()), ..Like::default() }).await;
    let owner = fleet.browser(&owner);
    for _ in 0..6 {
        assert_eq!(owner.get("/inbox").await.status, 200, "the session is everybody's");
    }
    // what is set on one holds on the others from the next request on
    fleet.proxy.only(&[one]);
    let page = owner.get("/settings/clinic").await.ok();
    owner.submit(&page, "Save", &[("name", "Clinic by the Lake")]).await.redirect();
    for server in [two, three] {
        fleet.proxy.only(&[server]);
        assert!(owner.get("/inbox").await.body.contains("Clinic by the Lake"));
    }
    // a draft begun on one goes on on another, with its file, and is sent from the third
    let new = format!("/patients/{patient}/messages/new");
    fleet.proxy.only(&[one]);
    let file = id_in(&upload(&owner, patient, "plan.pdf", samples::pdf()).await);
    let key = "0123456789abcdef-fleet";
    let typed = [("title", "Your plan"), ("body", "Words of **one**"), ("key", key), ("upload", file.as_str())];
    owner.post(&format!("/patients/{patient}/messages/draft"), &typed).await;
    fleet.proxy.only(&[two]);
    let page = owner.get(&new).await.ok();
    assert_eq!(page.form_with("Submit").value("body").as_deref(), Some("Words of **one**"));
    assert!(page.has_text("plan.pdf"));
    fleet.proxy.only(&[three]);
    let to = owner.post(&new, &typed).await.redirect();
    // pressed again where the answer did not come: one message
    fleet.proxy.only(&[two]);
    assert_eq!(owner.post(&new, &typed).await.redirect().split('?').next(), to.split('?').next());
    let conversation = to.split('?').next().unwrap().to_owned();
    fleet.proxy.only(&fleet.ports());
    for _ in 0..3 {
        let got = get(&owner, &format!("{conversation}/attachments/1"), &[]).await;
        assert_eq!((got.status, got.bytes), (200, samples::pdf()));
    }
    assert_eq!(arrived(&address, 1).await, 1, "of two workers one tells the patient");
    // whoever signs out on one is signed out on all
    fleet.proxy.only(&[one]);
    let kept = reqwest::cookie::Jar::default();
    let url: reqwest::Url = owner.origin.parse().unwrap();
    let cookies = reqwest::cookie::CookieStore::cookies(owner.cookies.as_ref(), &url).unwrap();
    cookies.to_str().unwrap().split("; ").for_each(|cookie| kept.add_cookie_str(cookie, &url));
    owner.post("/sign-out", &[]).await.redirect();
    let thief = fleet.browser(&Actor { cookies: Arc::new(kept), ..owner.clone() });
    for server in fleet.ports() {
        fleet.proxy.only(&[server]);
        assert!(thief.get("/inbox").await.redirect().starts_with("/sign-in"), "{server}");
    }
}

/// How many mails came to an address, once so many are there and nothing comes after them.
async fn arrived(address: &str, expected: usize) -> usize {
    let begin = Instant::now();
    while mail::messages_to(address).await.len() < expected && begin.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    mail::messages_to(address).await.len()
}

/// Sends messages until it is told to stop; gives their titles, and what went wrong.
async fn write(writer: Actor, patient: PatientId, stop: Arc<AtomicBool>) -> (Vec<String>, Vec<String>) {
    let (mut taken, mut failed) = (Vec::new(), Vec::new());
    let path = format!("/patients/{patient}/messages/new");
    let mark = writer.whose(&path).await;
    while !stop.load(Ordering::Relaxed) {
        let title = format!("Message {} of {patient}", taken.len() + failed.len());
        let key = format!("0123456789abcdef-{}-{patient}", taken.len() + failed.len());
        let fields = [("title", &*title), ("body", "words"), ("key", &key), (whose::FIELD, &mark)];
        let sent = writer.http.post(format!("{}{path}", writer.origin)).header("origin", &writer.origin).form(&fields);
        match sent.send().await {
            Ok(answer) if answer.status() == 303 => taken.push(title),
            Ok(answer) => failed.push(format!("{title}: {}", answer.status())),
            Err(cause) => failed.push(format!("{title}: {cause:?}")),
        }
        // what a person reads in between
        match writer.http.get(format!("{}/inbox", writer.origin)).send().await {
            Ok(answer) if answer.status() == 200 => {}
            other => failed.push(format!("the inbox: {other:?}")),
        }
    }
    (taken, failed)
}

/// As docs/running.md says: the proxy gives a server no more requests, it ends what it began, and another one is
/// started in its place. Nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_stopped_and_started_under_load() {
    let Some((_s3, app, mut fleet)) = clinic().await else { return };
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 0..3 {
        let (user, address) =
            (app.user(Role::Staff).await, format!("ok+rolling{number}x{}@example.org", std::process::id()));
        let patient = app.patient(Like { email: Some(address.clone()), ..Like::default() }).await;
        let writing = tokio::spawn(write(fleet.browser(&user), patient, stop.clone()));
        writers.push((patient, address, writing));
    }
    for at in 0..fleet.servers.len() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let port = fleet.servers[at].0;
        let others: Vec<u16> = fleet.ports().into_iter().filter(|other| *other != port).collect();
        fleet.proxy.only(&others);
        fleet.servers[at].1.signal("TERM");
        let ended = fleet.servers[at].1.ends_within(Duration::from_secs(15));
        assert!(ended.is_some_and(|status| status.success()), "{}", fleet.servers[at].1.log());
        fleet.servers[at].1 = fleet.serve(port);
        fleet.proxy.only(&fleet.ports());
        if let Some(worker) = fleet.workers.get_mut(at) {
            worker.signal("TERM");
            assert!(worker.ends_within(Duration::from_secs(15)).is_some(), "{}", worker.log());
            fleet.workers[at] = fleet.work();
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    for (patient, address, writing) in writers {
        let (taken, failed) = writing.await.unwrap();
        assert!(failed.is_empty(), "{failed:?}");
        assert!(taken.len() > 5, "{taken:?}");
        let read = app.state.db.read(move |conn| -> Result<_, DbError> {
            Ok(conversations::table.filter(conversations::patient_id.eq(patient)).count().get_result::<i64>(conn)?)
        });
        assert_eq!(read.await.unwrap(), taken.len() as i64, "what was acknowledged is there, once");
        assert_eq!(arrived(&address, taken.len()).await, taken.len(), "and was told once");
    }
}
