//! Seals of the audit log that leave the machine by mail or by a line of the program's log.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::program::{Program, database_url, free_port};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::{self, HeadsError, ToldSeal};
use postern::db::SecretKey;
use postern::db::schema::audit_seals;
use postern::delivery::Delivery;
use postern::error::AppError;
use std::time::{Duration, Instant};

on_each!(owners_are_mailed_each_day, a_told_seal_finds_what_was_changed, the_commands_tell_and_compare);

const KEY: [u8; 32] = [7; 32];

async fn clinic(on: On) -> App {
    let change = |config: &mut postern::config::Config| {
        config.audit_key = Some(SecretKey::new(KEY));
        config.audit_seals_by_mail = true;
    };
    let app = App::start_with_config(on, change, Delivery::mailbox).await;
    app.patient(Like::default()).await;
    app
}

/// Adds a user, lets hours pass, and runs the worker's upkeep.
async fn after(app: &App, hours: i64) {
    app.user(Role::Clinician).await;
    app.state.clock.advance(time::Duration::hours(hours));
    postern::worker::upkeep(&app.state, app.state.clock.now()).await;
    app.drain().await;
}

/// The seals that were mailed, newest first.
fn seals_told(app: &App) -> Vec<ToldSeal> {
    let mails = app.mailbox.newest_first().into_iter().filter(|mail| mail.subject.ends_with(": seal of the audit log"));
    mails.flat_map(|mail| mail.text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>()).collect()
}

async fn compared(app: &App, told: &ToldSeal) -> Result<(), HeadsError> {
    let told = told.clone();
    app.state.db.read(move |conn| audit::verify_seal(conn, &SecretKey::new(KEY), &told)).await
}

async fn owners_are_mailed_each_day(on: On) {
    let app = clinic(on).await;
    app.user(Role::Owner).await;
    after(&app, 0).await;
    let told = seals_told(&app);
    assert_eq!(told.iter().map(|seal| seal.number).collect::<Vec<_>>(), [1]);
    compared(&app, &told[0]).await.unwrap();
    after(&app, 1).await;
    assert_eq!(seals_told(&app).len(), 1, "once a day");
    after(&app, 24).await;
    let told = seals_told(&app);
    assert_eq!(told.iter().map(|seal| seal.number).collect::<Vec<_>>(), [3, 1]);
    for seal in &told {
        compared(&app, seal).await.unwrap();
    }
    let mails = app.mailbox.newest_first();
    let seals = mails.iter().filter(|mail| mail.subject.ends_with(": seal of the audit log"));
    assert!(seals.clone().count() == 2 && seals.clone().all(|mail| mail.to.starts_with("owner")), "owners only");
    assert!(seals.clone().all(|mail| mail.html.contains("/settings/audit-log")));
}

async fn a_told_seal_finds_what_was_changed(on: On) {
    let app = clinic(on).await;
    app.user(Role::Owner).await;
    for _ in 0..3 {
        after(&app, 25).await;
    }
    let told = seals_told(&app);
    let newest = told[0].clone();
    assert_eq!(newest.number, 3);
    // another seal under the same number, or a number that was never sent out
    let other: ToldSeal = format!("3-{}", "0".repeat(64)).parse().unwrap();
    assert!(matches!(compared(&app, &other).await, Err(HeadsError::Stored(3))));
    let later: ToldSeal = newest.to_string().replace("3-", "4-").parse().unwrap();
    assert!(matches!(compared(&app, &later).await, Err(HeadsError::Stored(4))));
    // a missing line, and a changed line
    let lines: Vec<(i64, String)> = read(&app, |conn| {
        audit_seals::table.order(audit_seals::id).select((audit_seals::id, audit_seals::line)).load(conn)
    })
    .await;
    let two = lines[1].1.clone();
    set_line(&app, 2, two.replace("\"row\":", "\"row\":1")).await;
    assert!(matches!(compared(&app, &newest).await, Err(HeadsError::Line(2))));
    compared(&app, told.last().unwrap()).await.unwrap();
    set_line(&app, 2, "nonsense".to_owned()).await;
    assert!(matches!(compared(&app, &newest).await, Err(HeadsError::Stored(2))));
    set_line(&app, 2, two).await;
    compared(&app, &newest).await.unwrap();
    write(&app, "DELETE FROM audit_seals WHERE id = 1").await;
    assert!(matches!(compared(&app, &newest).await, Err(HeadsError::Stored(1))));
    // texts that are not seals
    for text in ["", "3", "0-", "x-y", "-3-aa", &format!("3-{}g", "0".repeat(63)), &format!("0-{}", "0".repeat(64))] {
        assert!(text.parse::<ToldSeal>().is_err(), "{text}");
    }
    assert_eq!(format!(" {} \n", newest.to_string().to_uppercase()).parse::<ToldSeal>().unwrap(), newest);
}

async fn read<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&mut postern::db::Conn) -> QueryResult<T> + Send + 'static,
) -> T {
    app.state.db.read(move |conn| -> Result<_, AppError> { Ok(look(conn)?) }).await.unwrap()
}

async fn set_line(app: &App, id: i64, line: String) {
    let set = move |tx: &mut postern::db::Tx| -> Result<_, AppError> {
        Ok(diesel::update(audit_seals::table.find(id)).set(audit_seals::line.eq(line)).execute(tx.conn())?)
    };
    assert_eq!(app.state.db.write(set).await.unwrap(), 1);
}

async fn write(app: &App, sql: &'static str) {
    let write = app.state.db.write(move |tx| -> Result<_, AppError> { Ok(diesel::sql_query(sql).execute(tx.conn())?) });
    write.await.unwrap();
}

/// The worker logs a seal, and the command compares it; where a seal does not fit, the command fails and says why.
async fn the_commands_tell_and_compare(on: On) {
    let app = clinic(on).await;
    let url = database_url(&app.state.config.database);
    let key = data_encoding::BASE64.encode(&KEY);
    let settings = [("POSTERN_AUDIT_KEY", key.as_str()), ("POSTERN_AUDIT_SEALS_IN_LOG", "true")];
    let worker = Program::worker(&app, &settings);
    let deadline = Instant::now() + Duration::from_secs(60);
    let told: ToldSeal = loop {
        let log = worker.log();
        let seal = log.split("seal=").nth(1).and_then(|rest| rest.split_once(char::is_whitespace));
        if let Some((seal, _)) = seal {
            break seal.parse().unwrap();
        }
        assert!(Instant::now() < deadline, "{log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    worker.kill();
    let verify = |seal: &str| {
        let mut program = Program::start(&["audit", "verify", "--seal", seal], &url, free_port(), &settings);
        let ended = program.ends_within(Duration::from_secs(60)).expect("it ends");
        (ended.success(), program.log())
    };
    let (holds, log) = verify(&told.to_string());
    assert!(holds, "{log}");
    write(&app, "DELETE FROM audit_seals").await;
    let (holds, log) = verify(&told.to_string());
    assert!(!holds && log.contains("line 1 of the stored seals was changed or is missing"), "{log}");
    let (holds, log) = verify("1-abc");
    assert!(!holds && log.contains("write a seal as it was told"), "{log}");
}
