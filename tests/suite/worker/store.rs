//! The database as a file: complete after every command, readable by its owner only, and refused where a newer program
//! made it.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::program::{Program, database_url, free_port};
use diesel::prelude::*;
use postern::db::schema::users;
use postern::db::{DatabaseUrl, Db, Keys};
use postern::error::AppError;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

async fn users_in(file: &Path) -> i64 {
    let db = Db::open(&DatabaseUrl::Sqlite(file.to_owned()), Keys::default()).unwrap();
    db.read(|conn| -> Result<i64, AppError> { Ok(users::table.count().get_result(conn)?) }).await.unwrap()
}

/// After a stop a copy of the database file alone is complete, as a clinic would make it that does not know of the
/// other files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_alone_is_whole_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let (database, port) = (format!("sqlite:{}", file.display()), free_port());
    let mut server = Program::start(&["serve"], &database, port, &[]);
    server.answers_at(port);
    // once it answers requests it handles SIGTERM
    reqwest::get(format!("http://127.0.0.1:{port}/healthz")).await.unwrap();
    let mut add = Program::start(
        &["user", "add", "owner@clinic.example", "--name", "Olivia", "--role", "owner", "--link"],
        &database,
        free_port(),
        &[],
    );
    assert!(add.ends_within(Duration::from_secs(60)).expect("it ends").success(), "{}", add.log());
    server.signal("TERM");
    assert!(server.ends_within(Duration::from_secs(20)).expect("it ends").success(), "{}", server.log());
    let copy = folder.path().join("copy.db");
    std::fs::copy(&file, &copy).unwrap();
    assert_eq!(users_in(&copy).await, 1);
}

/// Commands that begin at the same time, each of which brings the database up to date, do not disturb each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_may_start_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("postern.db").display());
    let mut all: Vec<Program> = (0..4).map(|_| Program::start(&["migrate"], &database, free_port(), &[])).collect();
    for one in &mut all {
        assert!(one.ends_within(Duration::from_secs(60)).expect("it ends").success(), "{}", one.log());
    }
}

/// Nobody else can read the database's files, whatever the umask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_reads_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let script = format!("umask 000; exec {} migrate", env!("CARGO_BIN_EXE_postern"));
    let migrate = || {
        let done = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .env("POSTERN_PUBLIC_URL", "https://messages.example.org")
            .env("POSTERN_SMTP_HOST", "mail.example.org")
            .env("POSTERN_SMTP_FROM", "messages@example.org")
            .status();
        assert!(done.unwrap().success());
    };
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    migrate();
    assert_eq!(mode(&file), 0o600);
    // a file that was created with wider permissions is closed too
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    migrate();
    assert_eq!(mode(&file), 0o600);
    // and so are the two files that SQLite makes beside it
    let db = Db::open(&DatabaseUrl::Sqlite(file.clone()), Keys::default()).unwrap();
    db.read(|conn| -> Result<i64, AppError> { Ok(users::table.count().get_result(conn)?) }).await.unwrap();
    let modes: Vec<u32> = ["postern.db-wal", "postern.db-shm"].map(|name| mode(&folder.path().join(name))).to_vec();
    assert_eq!(modes, [0o600, 0o600]);
}

on_each!(a_newer_database_is_refused);

async fn a_newer_database_is_refused(on: On) {
    let app = App::start(on).await;
    let write = app.state.db.write(|tx| -> Result<usize, AppError> {
        let step = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')";
        Ok(diesel::sql_query(step).execute(tx.conn())?)
    });
    write.await.unwrap();
    let url = app.state.config.database.clone();
    let refused = tokio::task::spawn_blocking(move || Db::open(&url, Keys::default()).err()).await.unwrap();
    let words = refused.expect("it is refused").to_string();
    assert!(words.contains("newer Postern") && words.contains("29990101000000"), "{words}");
    // the command line says so too
    let mut serve = Program::start(&["serve"], &database_url(&app.state.config.database), free_port(), &[]);
    assert!(!serve.ends_within(Duration::from_secs(30)).expect("it ends").success());
    assert!(serve.log().contains("newer Postern"), "{}", serve.log());
}
