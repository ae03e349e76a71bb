//! `postern serve` and `postern worker` as processes of their own, which can be killed.

use super::app::App;
use super::peers;
use postern::db::DatabaseUrl;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Program {
    child: Child,
    folder: tempfile::TempDir,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The value of `database_url` for this database.
pub fn database_url(database: &DatabaseUrl) -> String {
    match database {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => url.clone(),
        DatabaseUrl::Tls(tunnel) => tunnel.address().unwrap(),
    }
}

impl Program {
    /// Starts the program with these arguments on this database, with mail by the test run's SMTP server, and with
    /// these further settings.
    pub fn start(arguments: &[&str], database: &str, port: u16, more: &[(&str, &str)]) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        Program::start_logging_to(log.into(), folder, arguments, database, port, more)
    }

    fn start_logging_to(
        log: Stdio,
        folder: tempfile::TempDir,
        arguments: &[&str],
        database: &str,
        port: u16,
        more: &[(&str, &str)],
    ) -> Program {
        let sink = peers::smtp();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command
            .args(arguments)
            .current_dir(folder.path())
            .env("POSTERN_PUBLIC_URL", format!("http://127.0.0.1:{port}"))
            .env("POSTERN_LISTEN", format!("127.0.0.1:{port}"))
            .env("POSTERN_DATABASE_URL", database)
            .env("POSTERN_SMTP_HOST", &sink.host)
            .env("POSTERN_SMTP_PORT", sink.plain_port.to_string())
            .env("POSTERN_SMTP_TLS", "none")
            .env("POSTERN_SMTP_FROM", "clinic@postern.example")
            .envs(more.iter().copied())
            .stdout(Stdio::null())
            .stderr(log);
        Program { child: command.spawn().unwrap(), folder }
    }

    /// Starts a worker for the clinic of a test, with its database and files.
    pub fn worker(app: &App, more: &[(&str, &str)]) -> Program {
        let files = app.state.config.files.folder.display().to_string();
        let database = database_url(&app.state.config.database);
        let more = [&[("POSTERN_STORAGE_FOLDER", files.as_str())], more].concat();
        Program::start(&["worker"], &database, free_port(), &more)
    }

    /// As [`Program::worker`], with a log that nobody reads any more.
    pub fn worker_with_closed_log(app: &App) -> Program {
        let files = app.state.config.files.folder.display().to_string();
        let database = database_url(&app.state.config.database);
        let more = [("POSTERN_STORAGE_FOLDER", files.as_str()), ("POSTERN_LOG", "debug")];
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Program::start_logging_to(
            writer.into(),
            tempfile::tempdir().unwrap(),
            &["worker"],
            &database,
            free_port(),
            &more,
        )
    }

    /// Sends the program a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// The exit status, if the program ends within this time.
    pub fn ends_within(&mut self, time: Duration) -> Option<std::process::ExitStatus> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Waits until this port answers.
    pub fn answers_at(&mut self, port: u16) {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.log());
            assert!(begin.elapsed() < Duration::from_secs(60), "it does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the program has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The memory of its own that the program has now, in bytes: not what the kernel maps of files.
    pub fn own_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// SIGKILL, by our own child's id.
    pub fn kill(self) {}
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
