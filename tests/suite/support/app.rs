//! A clinic for each test, on either database, with actors who can only speak HTTP.

use super::html::Page;
use super::peers;
use actix_web::cookie::{Cookie, CookieJar};
use diesel::prelude::*;
use postern::app::{self, Parts};
use postern::attachments::FileIntake;
use postern::clock::{Clock, Random};
use postern::config::{Config, Files, LogFormat, Proxies, Texts};
use postern::db::schema::sessions;
use postern::db::{DatabaseUrl, Db, Ts};
use postern::delivery::{Delivery, Gateway, Mailbox, Received};
use postern::error::AppError;
use postern::http::Limits;
use postern::http::whose::{self, Marks, Person};
use postern::live::Live;
use postern::provider::Provider;
use postern::state::AppState;
use reqwest::cookie::CookieStore;
use sha2::{Digest, Sha256};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Runs a test on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::support::app::App::start($crate::support::app::On::Sqlite).await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if $crate::support::peers::postgres_url().is_none() {
                    return; // left out by a flag of tests/run, which says so
                }
                super::$name($crate::support::app::App::start($crate::support::app::On::Postgres).await).await;
            }
        }
    )+};
}

/// Runs a test on SQLite and on PostgreSQL; the test starts its own clinic, with what it needs.
#[macro_export]
macro_rules! on_each {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use $crate::support::{app::On, peers};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(On::Sqlite).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if peers::postgres_url().is_some() {
                    super::$name(On::Postgres).await;
                }
            }
        }
    )+};
}

/// The database of a test.
#[derive(Clone, Copy, PartialEq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// A running clinic.
pub struct App {
    pub state: AppState,
    pub origin: String,
    pub mailbox: Mailbox,
    /// What the server was built from; it has the key that signs cookies.
    parts: Parts,
    server: actix_web::dev::ServerHandle,
    _folder: tempfile::TempDir,
}

/// The time at which every test begins.
pub fn start_of_time() -> Ts {
    time::macros::datetime!(2026-03-04 14:02:00 UTC).into()
}

/// The time between two beats of the streams of events.
const BEAT: Duration = Duration::from_millis(500);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A database that does not exist yet, or is empty.
pub async fn fresh_database(on: On, folder: &std::path::Path) -> DatabaseUrl {
    match on {
        On::Sqlite => DatabaseUrl::Sqlite(folder.join("clinic.db")),
        On::Postgres => {
            let url = peers::postgres_url().expect("a test on PostgreSQL has one");
            let name = format!("t_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
            let (base, _) = url.rsplit_once('/').unwrap();
            let fresh = format!("{base}/{name}");
            tokio::task::spawn_blocking(move || {
                use diesel::{Connection, RunQueryDsl};
                let mut conn = diesel::PgConnection::establish(&url).unwrap();
                diesel::sql_query(format!("CREATE DATABASE {name}")).execute(&mut conn).unwrap();
            })
            .await
            .unwrap();
            DatabaseUrl::Postgres(fresh)
        }
    }
}

impl App {
    pub async fn start(on: On) -> App {
        App::start_with(on, Delivery::mailbox).await
    }

    /// Starts a clinic with another delivery than a mailbox.
    pub async fn start_with(on: On, delivery: impl FnOnce(Mailbox) -> Delivery) -> App {
        App::start_configured(on, None, delivery).await
    }

    /// Starts a clinic that sends texts by this gateway, and mail into the mailbox.
    pub async fn start_texts(on: On, texts: Texts) -> App {
        let gateway = Gateway::new(&texts);
        App::start_configured(on, Some(texts), |mailbox| Delivery::mailbox_and_gateway(mailbox, gateway)).await
    }

    async fn start_configured(on: On, texts: Option<Texts>, delivery: impl FnOnce(Mailbox) -> Delivery) -> App {
        App::start_with_config(on, |config| config.texts = texts, delivery).await
    }

    /// Starts a clinic with changes to the configuration, and another delivery.
    pub async fn start_with_config(
        on: On,
        change: impl FnOnce(&mut Config),
        delivery: impl FnOnce(Mailbox) -> Delivery,
    ) -> App {
        let folder = tempfile::tempdir().unwrap();
        let database = fresh_database(on, folder.path()).await;
        App::start_at(folder, database, change, delivery).await
    }

    /// Starts a clinic on this database, with its files in `folder`.
    pub async fn start_at(
        folder: tempfile::TempDir,
        database: DatabaseUrl,
        change: impl FnOnce(&mut Config),
        delivery: impl FnOnce(Mailbox) -> Delivery,
    ) -> App {
        let (clock, random) = (Clock::fixed(start_of_time()), Random::seeded(7));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let mailbox = Mailbox::in_memory(clock.clone());
        let mut config = Config {
            public_url: origin.parse().unwrap(),
            listen: listener.local_addr().unwrap(),
            database: database.clone(),
            proxies: Proxies::default(),
            hsts_subdomains: false,
            security_contact: None,
            run_worker: false,
            calling_code: "1".into(),
            log: String::new(),
            log_format: LogFormat::Text,
            traces: None,
            smtp: None,
            texts: None,
            bounces: None,
            metrics_listen: None,
            audit_key: None,
            audit_heads: None,
            audit_seals_in_log: false,
            audit_seals_by_mail: false,
            backup: None,
            oidc: None,
            emr: Vec::new(),
            // the reader is a command of the program, and the tests are another program
            files: Files {
                reader: Some(env!("CARGO_BIN_EXE_postern").into()),
                ..Files::in_folder(folder.path().join("files"))
            },
        };
        change(&mut config);
        let provider = config.oidc.as_ref().map(|oidc| Provider::new(oidc, &config.origin(), clock.clone()).unwrap());
        let db = app::open(&database, config.keys(), &random).await.unwrap();
        let emr = app::sources(&config, &db, &clock, &random).await.unwrap();
        let launches = app::launches(&config, &clock).unwrap();
        let state = AppState {
            intake: Arc::new(FileIntake::open(&config.files).unwrap()),
            db,
            clock,
            random,
            config: Arc::new(config),
            delivery: Arc::new(delivery(mailbox.clone())),
            wake: Arc::default(),
            limits: Arc::new(Limits::default()),
            requests: Arc::default(),
            // what is no event of its own is seen to as often
            live: Arc::new(Live::beating(BEAT)),
            provider: provider.map(Arc::new),
            emr,
            launches,
        };
        let parts = Parts::load(&state).await.unwrap();
        let (sender, handle) = std::sync::mpsc::channel();
        let (served, of_server) = (state.clone(), parts.clone());
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = app::serve(listener, served, of_server).unwrap();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let server = handle.recv().unwrap();
        App { state, origin, mailbox, parts, server, _folder: folder }
    }

    /// Sets the clock to the present time, which other processes have.
    pub fn at_present(&self) {
        self.state.clock.advance(time::OffsetDateTime::now_utc() - self.state.clock.now().get());
    }

    /// Works all due jobs of the outbox; gives how many.
    pub async fn drain(&self) -> usize {
        postern::worker::drain(&self.state).await.unwrap()
    }

    /// Reads all messages into the index of the search, as the worker does a moment after they were written.
    pub async fn index(&self) {
        postern::worker::index_messages(&self.state).await.unwrap();
    }

    /// Somebody with a browser of their own.
    pub fn anyone(&self) -> Actor {
        let cookies = Arc::<reqwest::cookie::Jar>::default();
        let http =
            reqwest::Client::builder().cookie_provider(cookies.clone()).redirect(reqwest::redirect::Policy::none());
        let (db, parts) = (self.state.db.clone(), self.parts.clone());
        Actor { http: http.build().unwrap(), cookies, origin: self.origin.clone(), db, parts }
    }

    /// The newest mail or text to an address.
    pub fn newest_to(&self, address: &str) -> Received {
        let all = self.mailbox.newest_first();
        all.into_iter().find(|mail| mail.to == address).unwrap_or_else(|| panic!("nothing for {address}"))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // the server is asked to stop, and not waited for: its thread ends with the process at the latest
        drop(self.server.stop(false));
    }
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn page(&self) -> Page {
        Page::parse(&self.body)
    }
    /// The page; asserts the status 200.
    pub fn ok(self) -> Page {
        assert_eq!(self.status, 200, "{} {}", self.location, self.body);
        self.page()
    }
    /// The key of the notice that the browser takes to the next page.
    pub fn notice(&self) -> Option<String> {
        let cookies = self.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        let notice = cookies.filter_map(|cookie| cookie.strip_prefix("notice=")).next()?;
        Some(notice.split(';').next().unwrap().to_owned())
    }
    /// Where the answer leads, and the notice on that page.
    pub fn says(self) -> (String, String) {
        let notice = self.notice().unwrap_or_default();
        (self.redirect(), notice)
    }
    /// Where the answer leads; asserts the status 303.
    pub fn redirect(self) -> String {
        assert_eq!(self.status, 303, "{}", self.page().text());
        self.location
    }
}

/// Somebody who can only speak HTTP.
#[derive(Clone)]
pub struct Actor {
    pub http: reqwest::Client,
    pub cookies: Arc<reqwest::cookie::Jar>,
    pub origin: String,
    pub db: Db,
    pub parts: Parts,
}

impl Actor {
    /// The mark of a page that this browser would get at this path now, which says for whom the page is made.
    pub async fn whose(&self, path: &str) -> String {
        let name = if path.starts_with("/portal") { "postern-portal" } else { "postern" };
        let url = format!("{}{path}", self.origin).parse().unwrap();
        let sent = self.cookies.cookies(&url).map(|all| all.to_str().unwrap().to_owned()).unwrap_or_default();
        let mut jar = CookieJar::new();
        for cookie in sent.split("; ").filter_map(|one| Cookie::parse_encoded(one.to_owned()).ok()) {
            jar.add_original(cookie);
        }
        let session = jar.signed(&self.parts.key).get(name);
        let token = session.map(|cookie| Sha256::digest(cookie.value().as_bytes()).to_vec()).unwrap_or_default();
        let person = async || {
            let token = token.clone();
            let read = self.db.read(move |conn| -> Result<_, AppError> {
                let whose = (sessions::user_id, sessions::patient_id, sessions::caregiver_id);
                Ok(match sessions::table.find(token).select(whose).first(conn).optional()? {
                    Some((Some(user), _, _)) => Person::User(user),
                    Some((None, _, Some(caregiver))) => Person::Caregiver(caregiver),
                    Some((None, Some(patient), None)) => Person::Patient(patient),
                    _ => Person::Nobody,
                })
            });
            read.await
        };
        // a browser has the mark in its page; this reads the database, which a test may just have killed
        for _ in 0..100 {
            match person().await {
                Ok(person) => return Marks::derive(&self.parts.key).mark(person),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
        panic!("the database does not come back");
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        let location = headers.get("location").map(|l| l.to_str().unwrap().to_owned()).unwrap_or_default();
        Answer { status: response.status().as_u16(), location, headers, body: response.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.answer(self.http.get(format!("{}{path}", self.origin))).await
    }

    /// Sends a form as from a page that was made for this actor, unless the fields contain a mark.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mine = self.whose(path).await;
        let mark = [(whose::FIELD, mine.as_str())];
        let says = fields.iter().any(|(name, _)| *name == whose::FIELD);
        let fields = [if says { &[] } else { &mark[..] }, fields].concat();
        let request = self.http.post(format!("{}{path}", self.origin)).header("origin", &self.origin);
        self.answer(request.form(&fields)).await
    }

    /// Sends a request as a script or a multipart form would, from a page that was made for this actor.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.origin));
        if !headers.iter().any(|(name, _)| *name == whose::HEADER) {
            request = request.header(whose::HEADER, self.whose(path).await);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.body(body.to_owned())).await
    }

    /// Fills and sends the form with this button.
    pub async fn submit(&self, page: &Page, button: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = page.form_with(button);
        for (name, value) in fields {
            form.set(name, value);
        }
        form.press(button);
        let pairs = form.fields();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        self.post(&form.action, &pairs).await
    }
}

impl App {
    /// Imports the text of a FHIR file, as the command does.
    pub async fn import(&self, json: Vec<u8>, source: Option<&str>) -> postern::chart::import::Summary {
        self.import_files(vec![json], source).await.unwrap()
    }

    /// Imports files that belong together.
    pub async fn import_files(
        &self,
        files: Vec<Vec<u8>>,
        source: Option<&str>,
    ) -> Result<postern::chart::import::Summary, postern::attachments::ImportError> {
        use postern::chart::import::fhir::{ImportOptions, Reopen};
        let options = ImportOptions {
            default_calling_code: "1".into(),
            today: start_of_time().get().date(),
            source: source.map(str::to_owned),
        };
        let files = files.into_iter().map(|file| Box::new(file) as Box<dyn Reopen + Send + Sync>).collect();
        // two imports at the same moment would count as one delivery
        self.state.clock.advance(time::Duration::milliseconds(1));
        let (state, now) = (&self.state, self.state.clock.now());
        let by = postern::access::Operator::of_the_command_line();
        state.intake.import(&state.db, now, &state.random, by, std::sync::Arc::new(files), &options).await
    }
}
