//! The real binary on a fresh clinic, set up by its own commands.

use super::client::Client;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_postern");
const PASSWORD: &str = "seven turns around the lake";

pub struct Server {
    pub port: u16,
    pub database: PathBuf,
    link: String,
    more: Vec<(String, String)>,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Server {
    pub fn prepare(folder: &Path) -> Server {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server =
            Server { port, database: folder.join("clinic.db"), link: String::new(), more: Vec::new(), child: None };
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/fhir");
        assert!(server.command(&["import", charts.to_str().unwrap()]).output().unwrap().status.success());
        let add = ["user", "add", "owner@example.org", "--name", "Owner", "--role", "owner", "--link"];
        let link = server.command(&add).output().unwrap();
        let link = String::from_utf8(link.stdout).unwrap();
        server.link = link.trim().rsplit_once('/').unwrap().1.to_owned();
        server
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env("POSTERN_PUBLIC_URL", format!("http://127.0.0.1:{}", self.port))
            .env("POSTERN_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("POSTERN_DATABASE_URL", format!("sqlite:{}", self.database.display()))
            .env("POSTERN_SMTP_HOST", "127.0.0.1")
            .env("POSTERN_SMTP_TLS", "none")
            .env("POSTERN_SMTP_FROM", "clinic@example.org")
            .env("POSTERN_RUN_WORKER", "false")
            .env("POSTERN_LOG", "error")
            .envs(self.more.iter().cloned());
        command
    }

    /// A variable of the configuration.
    pub fn set(&mut self, name: &str, value: &str) {
        self.more.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it; gives the time until it answers.
    pub fn start(&mut self) -> Duration {
        let begin = Instant::now();
        self.child = Some(self.command(&["serve"]).stdout(Stdio::null()).spawn().unwrap());
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the server does not start");
            std::thread::sleep(Duration::from_millis(2));
        }
        // its worker has to have looked at the queue too
        while Client::connect(self.port).get("/readyz").status != 200 {
            assert!(begin.elapsed() < Duration::from_secs(20), "the server is not ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        begin.elapsed()
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most memory that it had since [`Server::forget_peak`], in MB.
    pub fn peak(&self) -> f64 {
        self.status("VmHWM:")
    }

    /// Begins to watch for the peak anew; gives what it has now, in MB.
    pub fn forget_peak(&self) -> f64 {
        let id = self.child.as_ref().unwrap().id();
        std::fs::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
        self.status("VmHWM:")
    }

    fn status(&self, what: &str) -> f64 {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    pub fn sign_in(&self) -> String {
        let mut client = Client::connect(self.port);
        let set = format!("password={PASSWORD}&again={PASSWORD}");
        assert_eq!(client.post(&format!("/password/{}", self.link), &set).status, 303);
        let form = format!("email=owner%40example.org&password={PASSWORD}");
        assert_eq!(client.post("/sign-in", &form).status, 303);
        client.cookie
    }

    /// A copy for the bare loop, so that both write to a database of the same size.
    pub fn copy_database(&self, folder: &Path) -> PathBuf {
        let copy = folder.join("bare.db");
        std::fs::copy(&self.database, &copy).unwrap();
        let wal = self.database.with_extension("db-wal");
        if wal.exists() {
            std::fs::copy(wal, copy.with_extension("db-wal")).unwrap();
        }
        copy
    }
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
