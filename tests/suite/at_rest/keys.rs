//! Keys are set, changed and removed; a database is not opened without the key that its text needs.

use super::{WAYS, every_way, in_files, in_rows, key, with_key};
use crate::chart::items::{add, days_ago};
use crate::on_each;
use crate::support::app::{App, On};
use crate::support::program::database_url;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::chart::ItemKind;
use postern::clock::Random;
use postern::db::sealed::{self, Anew, Ring};
use postern::db::{DatabaseUrl, Db, DbError, Keys, copying};
use postern::delivery::Delivery;
use std::collections::BTreeSet;
use std::sync::Arc;

on_each!(
    a_key_is_set_changed_and_taken_back,
    it_is_not_opened_without_the_key_that_it_needs,
    a_text_in_another_place_is_refused,
    a_search_finds_the_same,
    sealing_is_stopped_and_shared,
    kill_9_leaves_every_text_readable
);

fn keys(present: Option<u8>, old: &[u8]) -> Keys {
    let old: Vec<_> = old.iter().map(|number| key(*number)).collect();
    let random = Random::system();
    let ring = Ring::new(present.map(key).as_ref(), &old, Arc::new(move || random.bytes()));
    Keys { text: Arc::new(ring), ..Keys::default() }
}

async fn open(url: &DatabaseUrl, keys: Keys) -> Result<Db, DbError> {
    let url = url.clone();
    tokio::task::spawn_blocking(move || Db::open(&url, keys)).await.unwrap()
}

/// Every stored row, without the tables that change by themselves.
async fn rows(db: &Db) -> BTreeSet<String> {
    let read = db.read(|conn| -> Result<_, DbError> {
        let mut all = BTreeSet::new();
        for table in copying::tables(conn)? {
            copying::each_row(conn, &table, |line| -> Result<(), DbError> {
                all.insert(format!("{} {line}", table.name));
                Ok(())
            })?;
        }
        Ok(all)
    });
    read.await.unwrap()
}

async fn others(db: &Db) -> i64 {
    let ring = db.keys().text.clone();
    db.read(move |conn| -> Result<_, DbError> { Ok(sealed::count_others(conn, &ring)?) }).await.unwrap()
}

async fn a_key_is_set_changed_and_taken_back(on: On) {
    let app = App::start_with_config(on, |_| (), Delivery::mailbox).await;
    every_way(&app).await;
    let url = &app.state.config.database;
    let before = rows(&app.state.db).await;
    // the first key: the text that was in clear is sealed
    let db = open(url, keys(Some(1), &[])).await.unwrap();
    assert!(others(&db).await > 20);
    let anew = sealed::seal_anew(&db).await.unwrap();
    assert!(anew.sealed > 20 && anew.unreadable == 0, "{anew:?}");
    assert_eq!((others(&db).await, sealed::seal_anew(&db).await.unwrap()), (0, Anew::default()));
    assert_eq!(in_rows(&db, &WAYS).await, [""; 0]);
    // a second key: all is sealed with it, and the first is not needed any more
    let db = open(url, keys(Some(2), &[1])).await.unwrap();
    assert!(others(&db).await > 20);
    sealed::seal_anew(&db).await.unwrap();
    let db = open(url, keys(Some(2), &[])).await.unwrap();
    assert_eq!(others(&db).await, 0);
    // no key: everything is in clear, as it was
    let db = open(url, keys(None, &[2])).await.unwrap();
    sealed::seal_anew(&db).await.unwrap();
    assert_eq!(rows(&db).await, before);
    open(url, keys(None, &[])).await.unwrap();
}

async fn it_is_not_opened_without_the_key_that_it_needs(on: On) {
    let app = App::start_with_config(on, with_key(1), Delivery::mailbox).await;
    let url = &app.state.config.database;
    for wrong in [keys(None, &[]), keys(Some(2), &[]), keys(Some(2), &[3])] {
        let said = open(url, wrong).await.err().unwrap().to_string();
        assert!(said.contains(&key(1).id()) && said.contains("storage.old_keys"), "{said}");
    }
    for right in [keys(Some(1), &[]), keys(None, &[1]), keys(Some(2), &[3, 1]), keys(Some(3), &[2, 1])] {
        open(url, right).await.unwrap();
    }
}

async fn a_text_in_another_place_is_refused(on: On) {
    let app = App::start_with_config(on, with_key(1), Delivery::mailbox).await;
    let (user, maria) = (app.user(Role::Staff).await, app.patient(Like::default()).await);
    let one = app.message(&user, maria, true).await;
    let other = app.message(&user, maria, true).await;
    assert!(user.get(&other).await.ok().has_text("All is well"));
    let change = async |sql: &'static str| {
        let write =
            app.state.db.write(move |tx| -> Result<_, DbError> { Ok(diesel::sql_query(sql).execute(tx.conn())?) });
        write.await.unwrap();
    };
    change("UPDATE messages SET body_html = (SELECT body_html FROM messages WHERE id = 1) WHERE id = 2").await;
    assert_eq!((user.get(&one).await.status, user.get(&other).await.status), (200, 500));
    change("UPDATE messages SET body_html = body_source WHERE id = 1").await;
    let answer = user.get(&one).await;
    assert!(answer.status == 500 && !answer.body.contains("All is"), "{}", answer.body);
}

async fn a_search_finds_the_same(on: On) {
    let mut answers = Vec::new();
    for with in [None, Some(1)] {
        let app = App::start_with_config(on, |config| config.files.key = with.map(key), Delivery::mailbox).await;
        let (user, maria) = (app.user(Role::Viewer).await, app.patient(Like::default()).await);
        for (at, (title, words)) in [
            ("Lipid panel", "Cholestérol élevé 5,2 mmol/L"),
            ("Referral", "to the lipid clinic, re: asthma"),
            ("Astigmatism", "a b c"),
            ("頭痛", "頭痛がひどい ปวดหัว"),
        ]
        .into_iter()
        .enumerate()
        {
            add(&app, maria, &at.to_string(), ItemKind::Letter, days_ago(at as i64), title, words).await;
        }
        let mut found = Vec::new();
        for typed in [
            "l",
            "li",
            "lip",
            "lipid",
            "lipids",
            "as",
            "ast",
            "asth",
            "a",
            "a b",
            "chole",
            "5",
            "é",
            "頭",
            "頭痛",
            "trem",
            "lipid asthma",
            "lipid b",
            "x",
            "",
        ] {
            let typed: String = typed.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let page = user.get(&format!("/patients/{maria}?q={typed}")).await.ok();
            found.push(page.texts_of("section[aria-labelledby=items] .title"));
        }
        assert!(found[0].len() == 2 && found.iter().any(Vec::is_empty), "{found:?}");
        answers.push(found);
    }
    assert_eq!(answers[0], answers[1]);
}

/// Two programs seal at the same time, are stopped at any point and begin again: in the end all text is sealed, and
/// without a key all is as it was.
async fn sealing_is_stopped_and_shared(on: On) {
    let app = App::start_with_config(on, |_| (), Delivery::mailbox).await;
    every_way(&app).await;
    let before = rows(&app.state.db).await;
    let url = &app.state.config.database;
    for stop_after in [0, 1, 3, 8, 20, 10_000] {
        let both = async {
            let one = open(url, keys(Some(1), &[])).await.unwrap();
            let two = open(url, keys(Some(1), &[])).await.unwrap();
            let done = tokio::join!(sealed::seal_anew(&one), sealed::seal_anew(&two));
            (done.0.unwrap(), done.1.unwrap())
        };
        tokio::select! {
            (one, two) = both => assert_eq!((one.unreadable, two.unreadable), (0, 0)),
            () = tokio::time::sleep(std::time::Duration::from_millis(stop_after)) => {}
        }
    }
    let db = open(url, keys(Some(1), &[])).await.unwrap();
    assert_eq!(others(&db).await, 0);
    assert_eq!(in_rows(&db, &WAYS).await, [""; 0]);
    if let DatabaseUrl::Sqlite(path) = url {
        let compact = path.clone();
        // open readers keep the write-ahead log from being emptied, so only the database file is searched
        tokio::task::spawn_blocking(move || Db::compact(&DatabaseUrl::Sqlite(compact))).await.unwrap().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(path, folder.path().join("copy.db")).unwrap();
        assert_eq!(in_files(folder.path(), &WAYS), [""; 0]);
    }
    let back = open(url, keys(None, &[1])).await.unwrap();
    sealed::seal_anew(&back).await.unwrap();
    assert_eq!(rows(&back).await, before);
}

/// The command is killed at any point and leaves all text readable; when it is given again it completes the work.
async fn kill_9_leaves_every_text_readable(on: On) {
    let app = App::start_with_config(on, |_| (), Delivery::mailbox).await;
    every_way(&app).await;
    let files = |row: &String| ["blobs", "stray_files"].iter().any(|table| row.starts_with(table));
    let before: Vec<String> = rows(&app.state.db).await.into_iter().filter(|row| !files(row)).collect();
    let base64 = data_encoding::BASE64.encode(&[1; 32]);
    let rotate = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        command
            .args(["keys", "rotate"])
            .env("POSTERN_PUBLIC_URL", "https://messages.example.org")
            .env("POSTERN_SMTP_HOST", "mail.example.org")
            .env("POSTERN_SMTP_FROM", "messages@example.org")
            .env("POSTERN_LOG", "error")
            .env("POSTERN_STORAGE_FOLDER", &app.state.config.files.folder)
            .env("POSTERN_STORAGE_KEY", &base64)
            .env("POSTERN_DATABASE_URL", database_url(&app.state.config.database))
            .stdout(std::process::Stdio::piped());
        command
    };
    for after in [20, 60, 120, 200, 300] {
        let mut running = rotate().spawn().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(after)).await;
        running.kill().unwrap();
        running.wait().unwrap();
    }
    let done = tokio::task::block_in_place(|| rotate().output().unwrap());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let url = &app.state.config.database;
    let db = open(url, keys(Some(1), &[])).await.unwrap();
    assert_eq!((others(&db).await, in_rows(&db, &WAYS).await), (0, Vec::new()));
    let back = open(url, keys(None, &[1])).await.unwrap();
    sealed::seal_anew(&back).await.unwrap();
    let after: Vec<String> = rows(&back).await.into_iter().filter(|row| !files(row)).collect();
    assert_eq!(after, before);
}
