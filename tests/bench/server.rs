//! The real program on a clinic, set up by its own commands, and people who are signed in.

use super::base::{Base, stat};
use super::client::Client;
use actix_web::cookie::{Cookie, CookieJar, Key};
use diesel::prelude::*;
use postern::clock::Token;
use postern::db::schema::{clinic, sessions};
use postern::db::{PatientId, Ts, UserId};
use postern::http::whose::{Marks, Person};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program that was built with the benchmark.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_postern");
/// The owner's password.
pub const PASSWORD: &str = "seven turns around the lake";

pub struct Server {
    pub port: u16,
    pub base: Base,
    program: PathBuf,
    more: Vec<(String, String)>,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A person who is signed in: the cookie, and the mark of their pages.
#[derive(Clone, Default)]
pub struct SignedIn {
    pub cookie: String,
    pub whose: String,
}

impl Server {
    /// A server of this program on this database, with files in `folder`.
    pub fn new(program: &Path, base: Base, folder: &Path) -> Server {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Server { port, base, program: program.to_owned(), more: Vec::new(), child: None };
        server.set("POSTERN_STORAGE_FOLDER", folder.join("files").to_str().unwrap());
        server
    }

    /// Makes the database and its one user, the owner; gives the link to set their password.
    pub fn prepare(&self) -> String {
        let add = ["user", "add", "owner@example.org", "--name", "Owner", "--role", "owner", "--link"];
        let link = self.command(&add).output().unwrap();
        assert!(link.status.success(), "{}", String::from_utf8_lossy(&link.stderr));
        let link = String::from_utf8(link.stdout).unwrap();
        link.trim().rsplit_once('/').unwrap().1.to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("POSTERN_PUBLIC_URL", format!("http://127.0.0.1:{}", self.port))
            .env("POSTERN_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("POSTERN_DATABASE_URL", self.base.setting())
            .env("POSTERN_SMTP_HOST", "127.0.0.1")
            .env("POSTERN_SMTP_TLS", "none")
            .env("POSTERN_SMTP_FROM", "clinic@example.org")
            .env("POSTERN_RUN_WORKER", "false")
            // each caller claims an address of its own, because the limits count by address
            .env("POSTERN_BEHIND_PROXY", "true")
            .env("POSTERN_LOG", "error")
            .envs(self.more.iter().cloned());
        command
    }

    /// Sets a variable of the environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.more.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the server; gives the time until it answers.
    pub fn start(&mut self) -> Duration {
        let begin = Instant::now();
        self.child = Some(self.command(&["serve"]).stdout(Stdio::null()).spawn().unwrap());
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(60), "the server does not start");
            std::thread::sleep(Duration::from_millis(2));
        }
        while Client::connect(self.port).get("/readyz").status != 200 {
            assert!(begin.elapsed() < Duration::from_secs(60), "the server is not ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        begin.elapsed()
    }

    /// Ends the server, if it runs.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn id(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Seconds of processor time that the server has used.
    pub fn processor(&self) -> f64 {
        stat(self.id()).expect("the server runs").own
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// Anonymous memory in MB.
    pub fn anonymous(&self) -> f64 {
        self.status("RssAnon:")
    }

    /// The peak of resident memory since [`Server::forget_peak`], in MB.
    pub fn peak(&self) -> f64 {
        self.status("VmHWM:")
    }

    /// Resets the peak of memory; gives the present memory in MB.
    pub fn forget_peak(&self) -> f64 {
        std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5").unwrap();
        self.status("VmHWM:")
    }

    fn status(&self, what: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Sets the owner's password and signs in with it.
    pub fn sign_in(&self, link: &str) -> SignedIn {
        let mut client = Client::connect(self.port);
        let set = format!("password={PASSWORD}&again={PASSWORD}");
        assert_eq!(client.post(&format!("/password/{link}"), &set).status, 303);
        let form = format!("email=owner%40example.org&password={PASSWORD}");
        assert_eq!(client.post("/sign-in", &form).status, 303);
        client.who.whose = self.people().mark(Person::User(UserId(1)));
        client.who
    }

    /// The keys with which people are signed in without the pages.
    pub fn people(&self) -> People {
        let conn = &mut self.base.connect();
        let bytes: Vec<u8> = clinic::table.find(1).select(clinic::cookie_key).first(conn).unwrap();
        let key = Key::from(&bytes);
        People { marks: Marks::derive(&key), key, base: self.base.clone() }
    }
}

/// Signs people in by writing their sessions into the database.
pub struct People {
    key: Key,
    marks: Marks,
    base: Base,
}

impl People {
    fn mark(&self, who: Person) -> String {
        self.marks.mark(who)
    }

    /// Signs this user in.
    pub fn user(&self, id: i64) -> SignedIn {
        self.sign_in("postern", Person::User(UserId(id)), (Some(id), None))
    }

    /// Signs this patient in.
    pub fn patient(&self, id: i64) -> SignedIn {
        self.sign_in("postern-portal", Person::Patient(PatientId(id)), (None, Some(id)))
    }

    fn sign_in(&self, cookie: &'static str, who: Person, (user, patient): (Option<i64>, Option<i64>)) -> SignedIn {
        let secret = format!("{:016x}{:016x}", rand(), rand());
        let now = Ts::from(time::OffsetDateTime::now_utc());
        let later = now.plus(time::Duration::hours(10));
        diesel::insert_into(sessions::table)
            .values((
                (sessions::token_hash.eq(Token::received(&secret).hash()), sessions::user_id.eq(user)),
                (sessions::patient_id.eq(patient), sessions::state.eq("{}"), sessions::created_at.eq(now)),
                (sessions::seen_at.eq(now), sessions::idle_until.eq(later), sessions::expires_at.eq(later)),
            ))
            .execute(&mut self.base.connect())
            .unwrap();
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(Cookie::new(cookie, secret));
        let cookie = jar.get(cookie).expect("it was put there").encoded().to_string();
        SignedIn { cookie, whose: self.mark(who) }
    }
}

/// A random number.
pub fn rand() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Serves these bytes at `/`, by the same web framework with the same settings; gives the port.
pub fn static_server(bytes: Vec<u8>) -> u16 {
    use actix_web::{App, HttpResponse, HttpServer, web};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes = web::Bytes::from(bytes);
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || {
                let bytes = bytes.clone();
                App::new().route(
                    "/",
                    web::get().to(move || {
                        let bytes = bytes.clone();
                        async move { HttpResponse::Ok().content_type("text/html").body(bytes) }
                    }),
                )
            };
            HttpServer::new(app).workers(2).tcp_nodelay(true).listen(listener).unwrap().run().await.unwrap();
        });
    });
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(2));
    }
    port
}
