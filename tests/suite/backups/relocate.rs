//! `postern migrate-database`: a running clinic moves from SQLite to PostgreSQL, whole or not at all.

use super::{busy, rows};
use crate::support::app::{App, On, fresh_database};
use crate::support::peers;
use crate::support::program::{Program, database_url, free_port};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::{self, Actor, Entry, Event, Subject};
use postern::db::{DatabaseUrl, Db, DbError, Keys};
use postern::delivery::Delivery;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Runs the command to its end.
async fn migrate(from: &DatabaseUrl, to: &DatabaseUrl) -> (bool, String) {
    let (from, to) = (database_url(from), database_url(to));
    let run = move || -> Output {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(["migrate-database", "--to", &to]).current_dir(folder.path());
        let settings = [
            ("POSTERN_PUBLIC_URL", "https://messages.example.org"),
            ("POSTERN_SMTP_HOST", "mail.example.org"),
            ("POSTERN_SMTP_FROM", "messages@example.org"),
            ("POSTERN_LOG", "error"),
        ];
        command.envs(settings).env("POSTERN_DATABASE_URL", &from).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

async fn open(url: &DatabaseUrl) -> Result<Db, DbError> {
    let url = url.clone();
    tokio::task::spawn_blocking(move || Db::open(&url, Keys::default())).await.unwrap()
}

/// The references, triggers and checks of a database, as PostgreSQL describes them.
fn shape(url: &DatabaseUrl) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let DatabaseUrl::Postgres(url) = url else { unreachable!() };
    let query = "SELECT c.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid) || k.convalidated || \
         k.condeferrable AS line FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
         WHERE c.relnamespace = 'public'::regnamespace \
         UNION SELECT c.relname || ' ' || t.tgname || ' ' || t.tgenabled::text FROM pg_trigger t \
         JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal ORDER BY 1";
    let rows: Vec<Line> = diesel::sql_query(query).load(&mut PgConnection::establish(url).unwrap()).unwrap();
    rows.into_iter().map(|row| row.line).collect()
}

/// A clinic on SQLite, and an empty PostgreSQL database; `None` where there is no PostgreSQL.
async fn both() -> Option<(App, DatabaseUrl, tempfile::TempDir)> {
    peers::postgres_url()?;
    let (app, place) = (App::start(On::Sqlite).await, tempfile::tempdir().unwrap());
    let to = fresh_database(On::Postgres, place.path()).await;
    Some((app, to, place))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clinic_moves_and_goes_on() {
    let Some((app, to, place)) = both().await else { return };
    busy(&app).await;
    let before = rows(&app.state.db).await;
    let old = app.state.config.database.clone();
    let (good, said) = migrate(&old, &to).await;
    assert!(good, "{said}");
    assert!(said.contains("are the same in both databases") && said.contains("the audit log holds"), "{said}");

    let again = App::start_at(place, to.clone(), |_| {}, Delivery::mailbox).await;
    let after = rows(&again.state.db).await;
    for (table, rows) in &before {
        match table.as_str() {
            // the move is a row of its own
            "audit_events" => assert_eq!(after[table].len(), rows.len() + 1),
            "audit_heads" | "worker_looks" => {}
            _ => assert_eq!(&after[table], rows, "{table}"),
        }
    }
    let held = again.state.db.read(|conn| Ok::<_, DbError>(audit::verify(conn, None).is_ok()));
    assert!(held.await.unwrap(), "the log holds");
    let fresh = fresh_database(On::Postgres, std::path::Path::new("")).await;
    open(&fresh).await.unwrap();
    assert_eq!(shape(&to), shape(&fresh), "references and triggers are as in a database that was never filled");
    // numbers go on where they were: new rows find their place
    let new = Like { name: ("New", "Person"), email: Some("new@example.org".into()), ..Like::default() };
    let (owner, patient) = (again.user(Role::Clinician).await, again.patient(new).await);
    again.message(&owner, patient, true).await;

    // the old one takes no writes, not from who had it open and not from who opens it
    let refused = app.state.db.write(|tx| -> Result<(), DbError> {
        diesel::sql_query("DELETE FROM sessions").execute(tx.conn())?;
        Ok(())
    });
    assert!(matches!(refused.await, Err(DbError::Pool(_))));
    assert!(open(&old).await.err().unwrap().to_string().contains("was moved out of this database"));
    // nor from a program that is too old to know
    let DatabaseUrl::Sqlite(path) = &old else { unreachable!() };
    let mut raw = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    // the write that was just refused may still hold the lock
    diesel::sql_query("PRAGMA busy_timeout = 20000").execute(&mut raw).unwrap();
    for write in [
        "INSERT INTO audit_events (chain, position, at, actor, action, hash) VALUES (0, 1, 1, 'system', 'x', x'00')",
        "UPDATE jobs SET attempts = attempts + 1",
    ] {
        let refused = diesel::sql_query(write).execute(&mut raw).unwrap_err().to_string();
        assert!(refused.contains("was moved out of this database"), "{write}: {refused}");
    }
    let (good, said) = migrate(&old, &to).await;
    assert!(!good && said.contains("was moved out of this database"), "{said}");
}

/// What stands on the database about a move; `None` where it has no tables yet.
fn mark(url: &DatabaseUrl) -> Option<String> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
        line: Option<String>,
    }
    let DatabaseUrl::Postgres(url) = url else { unreachable!() };
    let query = "SELECT obj_description(to_regclass('__diesel_schema_migrations'), 'pg_class') AS line";
    let row: Line = diesel::sql_query(query).get_result(&mut PgConnection::establish(url).unwrap()).unwrap();
    row.line
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_it_is_whole_or_refused() {
    let Some((app, to, _place)) = both().await else { return };
    app.at_present();
    busy(&app).await;
    // somebody writes all the while
    let (stop, old) = (AtomicBool::new(false), app.state.config.database.clone());
    let writing = async {
        let mut acknowledged = 0;
        while !stop.load(Ordering::SeqCst) {
            let now = app.state.clock.now();
            let write = app.state.db.write(move |tx| -> Result<(), DbError> {
                let entry = Entry::of_clinic(Actor::System, Event::SettingsViewed, Subject::None);
                Ok(audit::append(tx, now, entry)?)
            });
            match write.await {
                Ok(()) => acknowledged += 1,
                Err(cause) => assert!(open(&old).await.is_err(), "only a move refuses: {cause}"),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        acknowledged
    };
    let killing = async {
        for round in 0..12_u64 {
            let (from, to_text) = (database_url(&old), database_url(&to));
            let program = Program::start(&["migrate-database", "--to", &to_text], &from, free_port(), &[]);
            tokio::time::sleep(Duration::from_millis(100 + 150 * round)).await;
            program.kill();
            let is_gone = open(&old).await.is_err();
            match mark(&to) {
                None => assert!(!is_gone),
                Some(mark) if mark.contains("\"whole\":true") => {}
                Some(_) => {
                    assert!(!is_gone, "the old one is left only for a whole one");
                    let cause = open(&to).await.err().expect("half a clinic is not opened").to_string();
                    assert!(cause.contains("is being filled"), "{cause}");
                }
            }
            if is_gone {
                break;
            }
        }
        if open(&old).await.is_ok() {
            let (good, said) = migrate(&old, &to).await;
            assert!(good, "{said}");
        } else if mark(&to).is_some_and(|mark| !mark.contains("\"confirmed\":true")) {
            assert!(migrate(&old, &to).await.1.contains("was moved already"));
        }
        stop.store(true, Ordering::SeqCst);
    };
    let (acknowledged, ()) = tokio::join!(writing, killing);
    let (here, there) = (rows(&app.state.db).await, rows(&open(&to).await.unwrap()).await);
    let seen = there["audit_events"].iter().filter(|row| row.contains("settings_viewed")).count();
    assert!(acknowledged > 0 && seen >= acknowledged, "{seen} of {acknowledged}");
    for (table, rows) in &here {
        assert_eq!(&there[table], rows, "{table}");
    }
}

/// Broken off between the commits of both databases, the old one is left and the new one not opened yet: run again, the command
/// does only that.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_and_not_confirmed_is_confirmed() {
    let Some((app, to, _place)) = both().await else { return };
    busy(&app).await;
    let old = app.state.config.database.clone();
    assert!(migrate(&old, &to).await.0);
    let before = mark(&to).unwrap().replace("\"confirmed\":true", "\"confirmed\":false");
    {
        let DatabaseUrl::Postgres(url) = &to else { unreachable!() };
        let comment = format!("COMMENT ON TABLE __diesel_schema_migrations IS '{before}'");
        diesel::sql_query(comment).execute(&mut PgConnection::establish(url).unwrap()).unwrap();
    }
    assert!(open(&to).await.err().unwrap().to_string().contains("run that to its end first"));
    let (good, said) = migrate(&old, &to).await;
    assert!(!good && said.contains("was moved already"), "{said}");
    assert!(open(&to).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_somebody_else_is_refused() {
    let Some((app, to, place)) = both().await else { return };
    busy(&app).await;
    let old = &app.state.config.database;
    // another clinic, in use
    let other = App::start(On::Postgres).await;
    other.user(Role::Owner).await;
    let (good, said) = migrate(old, &other.state.config.database).await;
    assert!(!good && said.contains("is not empty, it has rows in"), "{said}");
    // another clinic, moved there and not opened yet
    let second = App::start(On::Sqlite).await;
    second.user(Role::Viewer).await;
    busy(&second).await;
    assert!(migrate(&second.state.config.database, &to).await.0);
    let (good, said) = migrate(old, &to).await;
    assert!(!good && said.contains("holds another clinic"), "{said}");
    // tables of another version
    let newer = fresh_database(On::Postgres, place.path()).await;
    open(&newer).await.unwrap();
    {
        let DatabaseUrl::Postgres(url) = &newer else { unreachable!() };
        let step = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')";
        diesel::sql_query(step).execute(&mut PgConnection::establish(url).unwrap()).unwrap();
    }
    let (good, said) = migrate(old, &newer).await;
    assert!(!good && said.contains("it has newer tables"), "{said}");
    // the wrong way round, and nothing at all
    let (good, said) = migrate(&newer, &to).await;
    assert!(!good && said.contains("only from SQLite to PostgreSQL"), "{said}");
    let nothing = DatabaseUrl::Sqlite(place.path().join("none.db"));
    let (good, said) = migrate(&nothing, &to).await;
    assert!(!good && said.contains("is not there"), "{said}");
    assert!(open(old).await.is_ok(), "the clinic goes on where it was");
}
