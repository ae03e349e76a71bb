//! The commands for backup and restore under load, and killed at any point.

use super::rows;
use crate::files::{samples, uploads};
use crate::on_both;
use crate::support::app::{App, On, fresh_database};
use crate::support::program::{Program, database_url, free_port};
use crate::support::world::Like;
use postern::access::Role;
use postern::backup::{Backup, BackupError};
use postern::db::{DatabaseUrl, Db, Keys};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

on_both!(killed_at_any_point_nothing_half_is_taken_for_whole);

fn run(arguments: &[&str], database: &DatabaseUrl, files: &str) -> Program {
    Program::start(arguments, &database_url(database), free_port(), &[("POSTERN_STORAGE_FOLDER", files)])
}

/// Waits until the program ends, and asserts that it succeeded.
fn ended(mut program: Program) {
    let status = program.ends_within(Duration::from_secs(120));
    assert!(status.is_some_and(|status| status.success()), "{}", program.log());
}

async fn killed_at_any_point_nothing_half_is_taken_for_whole(app: App) {
    app.at_present();
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    uploads::id_in(&uploads::upload(&owner, patient, "a.pdf", samples::pdf()).await);
    // a user sends messages all the time
    let stop = AtomicBool::new(false);
    let sending = async {
        let mut sent = 0;
        while !stop.load(Ordering::SeqCst) {
            app.message(&owner, patient, true).await;
            sent += 1;
        }
        sent
    };
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backups");
    let (to_text, files) = (to.display().to_string(), app.state.config.files.folder.display().to_string());
    let killing = async {
        for round in 0..8_u64 {
            let program = run(&["backup", &to_text], &app.state.config.database, &files);
            tokio::time::sleep(Duration::from_millis(60 + 45 * round)).await;
            program.kill();
            match to.exists().then(|| Backup::open(&to, &[])) {
                None | Some(Err(BackupError::NoBackup(_))) => {}
                Some(opened) => drop(opened.unwrap().check().unwrap()),
            }
        }
        let (database, from) = (app.state.config.database.clone(), to_text.clone());
        let all = files.clone();
        tokio::task::spawn_blocking(move || ended(run(&["backup", &from], &database, &all))).await.unwrap();
        stop.store(true, Ordering::SeqCst);
    };
    let (sent, ()) = tokio::join!(sending, killing);
    assert!(sent > 0);
    let backup = Backup::open(&to, &[]).unwrap();
    assert_eq!(backup.check().unwrap().files, 1);
    assert_eq!(std::fs::read_dir(to.join("files/incoming")).unwrap().count(), 0);

    let on = if app.state.db.is_postgres() { On::Postgres } else { On::Sqlite };
    let url = fresh_database(on, folder.path()).await;
    let files = folder.path().join("files").display().to_string();
    let patients = |url: DatabaseUrl| async move {
        let db = tokio::task::spawn_blocking(move || Db::open(&url, Keys::default()).unwrap()).await.unwrap();
        rows(&db).await["patients"].len()
    };
    let mut whole = false;
    for round in 0..8_u64 {
        let program = run(&["restore", &to_text], &url, &files);
        tokio::time::sleep(Duration::from_millis(60 + 60 * round)).await;
        program.kill();
        // counted without the program, which would create the tables
        let there = count(&url);
        assert!(there == 0 || there == 1, "{there}");
        if there == 1 {
            whole = true;
            break;
        }
    }
    if !whole {
        let (again, url) = (to_text.clone(), url.clone());
        tokio::task::spawn_blocking(move || ended(run(&["restore", &again], &url, &files))).await.unwrap();
    }
    assert_eq!(patients(url).await, 1);
}

/// The number of patients; 0 where there is no such table.
fn count(url: &DatabaseUrl) -> i64 {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }
    let query = diesel::sql_query("SELECT count(*) AS number FROM patients");
    let found: QueryResult<Number> = match url {
        DatabaseUrl::Sqlite(path) => {
            query.get_result(&mut SqliteConnection::establish(&path.display().to_string()).unwrap())
        }
        DatabaseUrl::Tls(_) => unreachable!(),
        DatabaseUrl::Postgres(url) => query.get_result(&mut PgConnection::establish(url).unwrap()),
    };
    found.map_or(0, |found| found.number)
}
