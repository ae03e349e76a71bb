//! The database of a benchmark, SQLite or PostgreSQL, and the processor time of its processes.

use diesel::prelude::*;
use postern::db::{Conn, DatabaseUrl};
use std::path::Path;
use std::process::Command;

/// A PostgreSQL server for this run alone, which ends with it.
pub struct Postgres {
    url: String,
    folder: tempfile::TempDir,
}

impl Postgres {
    /// Starts a server whose commits are durable, so that they cost what they cost a clinic.
    pub fn start() -> Postgres {
        let folder = tempfile::Builder::new().prefix("postern-bench").tempdir().unwrap();
        // the server runs as another user, who must be able to enter the folder
        #[cfg(unix)]
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        let answer = script("durable", folder.path()).output().unwrap();
        assert!(answer.status.success(), "PostgreSQL does not start: {}", String::from_utf8_lossy(&answer.stderr));
        Postgres { url: String::from_utf8(answer.stdout).unwrap().trim().to_owned(), folder }
    }

    /// An empty database of this name.
    pub fn database(&self, name: &str) -> Base {
        let mut conn = PgConnection::establish(&self.url).unwrap();
        diesel::sql_query(format!("CREATE DATABASE {name}")).execute(&mut conn).unwrap();
        let (server, _) = self.url.rsplit_once('/').unwrap();
        let pid = std::fs::read_to_string(self.folder.path().join("postgres/data/postmaster.pid")).unwrap();
        let server_pid = pid.lines().next().and_then(|line| line.parse().ok());
        Base { url: DatabaseUrl::Postgres(format!("{server}/{name}")), server_pid }
    }
}

fn script(verb: &str, folder: &Path) -> Command {
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/postgres.sh"));
    script.arg(verb).arg(folder.join("postgres"));
    script
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = script("stop", self.folder.path()).status();
    }
}

/// One database.
#[derive(Clone)]
pub struct Base {
    /// its address or path
    pub url: DatabaseUrl,
    /// the first process of its server; `None` for SQLite
    server_pid: Option<u32>,
}

impl Base {
    /// An existing database, or a file that will be made.
    pub fn at(url: DatabaseUrl) -> Base {
        Base { url, server_pid: None }
    }

    /// A connection of the benchmark's own, without the program.
    pub fn connect(&self) -> Conn {
        match &self.url {
            DatabaseUrl::Sqlite(path) => Conn::Sqlite(SqliteConnection::establish(path.to_str().unwrap()).unwrap()),
            DatabaseUrl::Tls(_) => unreachable!(),
            DatabaseUrl::Postgres(url) => Conn::Pg(PgConnection::establish(url).unwrap()),
        }
    }

    /// The value of `database_url`.
    pub fn setting(&self) -> String {
        match &self.url {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Tls(_) => unreachable!(),
            DatabaseUrl::Postgres(url) => url.clone(),
        }
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        if matches!(self.url, DatabaseUrl::Sqlite(_)) { "sqlite" } else { "postgres" }
    }

    /// A copy that nobody else uses.
    pub fn copy(&self, folder: &Path, name: &str) -> Base {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let copy = folder.join(format!("{name}.db"));
                let target = copy.to_str().unwrap().to_owned();
                let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
                diesel::sql_query("VACUUM INTO ?")
                    .bind::<diesel::sql_types::Text, _>(target)
                    .execute(&mut conn)
                    .unwrap();
                Base::at(DatabaseUrl::Sqlite(copy))
            }
            DatabaseUrl::Tls(_) => unreachable!(),
            DatabaseUrl::Postgres(url) => {
                let (server, own) = url.rsplit_once('/').unwrap();
                let mut conn = PgConnection::establish(&format!("{server}/postgres")).unwrap();
                let statement = format!("CREATE DATABASE {name} TEMPLATE {own}");
                // a program's connections end a moment after the program
                let mut copied = diesel::sql_query(&statement).execute(&mut conn);
                for _ in 0..100 {
                    if copied.is_err() {
                        std::thread::sleep(std::time::Duration::from_millis(100));
                        copied = diesel::sql_query(&statement).execute(&mut conn);
                    }
                }
                copied.unwrap();
                Base { url: DatabaseUrl::Postgres(format!("{server}/{name}")), server_pid: self.server_pid }
            }
        }
    }

    /// Seconds of processor time that the database's own processes have used; 0 for SQLite, which has no processes.
    pub fn processor(&self) -> f64 {
        let Some(server) = self.server_pid else { return 0.0 };
        let children = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            (stat(pid)?.parent == server).then_some(pid)
        });
        let own = stat(server).map_or(0.0, |stat| stat.own + stat.ended_children);
        own + children.filter_map(|pid| stat(pid).map(|stat| stat.own)).sum::<f64>()
    }
}

/// What `/proc` says of a process.
pub struct Stat {
    parent: u32,
    /// seconds of processor time of all its threads
    pub own: f64,
    ended_children: f64,
}

/// Reads it; `None` where there is no such process any more.
pub fn stat(pid: u32) -> Option<Stat> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
    // ticks of a hundredth of a second
    let seconds = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default() / 100.0;
    let parent = fields.get(1)?.parse().ok()?;
    Some(Stat { parent, own: seconds(11) + seconds(12), ended_children: seconds(13) + seconds(14) })
}
