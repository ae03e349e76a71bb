//! The limits for one file and for all files of a message, to the byte, on every way that a file can come in.

use super::samples;
use super::uploads::{Got, id_in, id_of, post_form, upload};
use crate::on_each;
use crate::support::app::{Actor, App, On};
use crate::support::html::Page;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::{chart_files, messages, uploads};
use postern::delivery::Delivery;
use postern::error::AppError;
use reqwest::multipart::{Form, Part};

on_each!(limits_hold_on_every_way);

const FILE: usize = 100_000;
const MESSAGE: usize = 250_000;
const WORDS: [(&str, &str); 3] = [("title", "T"), ("body", "Kept words"), ("key", "0123456789abcdef")];

/// A PDF of this many bytes; each seed makes another one.
fn pdf(size: usize, seed: u8) -> Part {
    Part::bytes(bytes(size, seed)).file_name(format!("{seed}.pdf"))
}

fn bytes(size: usize, seed: u8) -> Vec<u8> {
    let mut bytes = samples::pdf();
    bytes.resize(size, seed);
    bytes
}

/// The number of messages and of uploads.
async fn counts(app: &App) -> (i64, i64) {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok((messages::table.count().get_result(conn)?, uploads::table.count().get_result(conn)?))
    });
    read.await.unwrap()
}

/// Adds files without scripts to a form that has some already; gives the answer, and the uploads that the form has.
async fn added(owner: &Actor, path: &str, waiting: &[String], files: Vec<Part>) -> (Got, Vec<String>) {
    let mut form = Form::new();
    for (name, value) in WORDS {
        form = form.text(name, value);
    }
    for id in waiting {
        form = form.text("upload", id.clone());
    }
    for file in files {
        form = form.part("files", file);
    }
    let got = post_form(owner, path, form).await;
    assert!(got.text().contains("Kept words"), "{}", got.text());
    let mut rest = got.text();
    let mut ids = Vec::new();
    while rest.contains("name=\"upload\" value=\"") {
        ids.push(id_of(&rest));
        rest = rest.split_once("name=\"upload\" value=\"").unwrap().1.to_owned();
    }
    (got, ids)
}

/// Adds a letter of this many bytes to the chart; gives the status, the item's number, and the answer.
async fn letter(owner: &Actor, patient: PatientId, size: usize, seed: u8) -> (u16, String, String) {
    let form = Form::new().text("title", "Letter").text("date", "2026-01-02").part("files", pdf(size, seed));
    let got = post_form(owner, &format!("/patients/{patient}/files"), form).await;
    let to = got.headers.get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    let item = to.split("/items/").nth(1).and_then(|rest| rest.split('?').next()).unwrap_or_default().to_owned();
    (got.status, item, got.text())
}

async fn limits_hold_on_every_way(on: On) {
    let small = |config: &mut postern::config::Config| {
        (config.files.largest_file, config.files.largest_message) = (FILE as u64, MESSAGE as u64);
    };
    let app = App::start_with_config(on, small, Delivery::mailbox).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let new = format!("/patients/{patient}/messages/new");
    let conversation = app.message(&owner, patient, true).await;
    let reply = format!("{conversation}/messages");
    let said = |got: &Got, words: &str| Page::parse(&got.text()).has_text(words);

    // the limit for one file: by a script, by a form, and into the chart
    let over = upload(&owner, patient, "over.pdf", bytes(FILE + 1, 1)).await;
    assert!(over.status == 422 && said(&over, "larger than one attachment"));
    assert_eq!(letter(&owner, patient, FILE, 2).await.0, 303);
    let (status, _, page) = letter(&owner, patient, FILE + 1, 3).await;
    assert!(status == 422 && page.contains("larger than one attachment"));
    assert_eq!(counts(&app).await, (1, 0));

    // the limit for a message where files are added to the form, in a new message and in a reply
    for path in [format!("/patients/{patient}/messages/files"), format!("{conversation}/messages/files")] {
        let (got, two) = added(&owner, &path, &[], vec![pdf(FILE, 4), pdf(FILE + 1, 5), pdf(FILE, 6)]).await;
        assert!(got.status == 422 && two.len() == 2 && said(&got, "larger than one attachment"));
        let before = counts(&app).await;
        let (got, same) = added(&owner, &path, &two, vec![pdf(MESSAGE - 2 * FILE + 1, 7)]).await;
        assert!(got.status == 422 && same == two && said(&got, "the message would carry more than it may"));
        assert_eq!(counts(&app).await, before, "it was kept");
        let (got, three) = added(&owner, &path, &two, vec![pdf(MESSAGE - 2 * FILE, 8)]).await;
        assert_eq!((got.status, three.len()), (200, 3));
        let to = if path.contains("patients") { &new } else { &reply };

        // the limit for a message when it is sent, with files from several windows: one more byte is too much
        let byte = id_in(&upload(&owner, patient, "byte.txt", b"x".to_vec()).await);
        let all: Vec<(&str, &str)> = WORDS.into_iter().chain(three.iter().map(|id| ("upload", id.as_str()))).collect();
        let refused = owner.post(to, &[&all[..], &[("upload", &byte)]].concat()).await;
        assert!(refused.status == 409 && refused.page().has_text("more than one message may carry"));
        assert_eq!(
            refused.page().form_with(if to == &new { "Submit" } else { "Send" }).value("body").unwrap(),
            "Kept words"
        );
        owner.post(to, &all).await.redirect();
    }
    let sent = counts(&app).await.0;
    assert_eq!(sent, 3);

    // with files of the chart
    let (_, exact, _) = letter(&owner, patient, MESSAGE - 2 * FILE, 9).await;
    let (_, more, _) = letter(&owner, patient, MESSAGE - 2 * FILE + 1, 10).await;
    let mut two = Vec::new();
    for seed in [11, 12] {
        two.push(id_in(&upload(&owner, patient, "x.pdf", bytes(FILE, seed)).await));
    }
    let with = |item: &str| {
        let files =
            two.iter().map(|id| ("upload".to_owned(), id.clone())).chain([("chart_item".to_owned(), item.to_owned())]);
        let words = WORDS.map(|(name, value)| (name.to_owned(), value.replace("abcdef", "fedcba")));
        words.into_iter().chain(files).collect::<Vec<_>>()
    };
    let pairs = |fields: &[(String, String)]| fields.iter().map(|(n, v)| (n.clone(), v.clone())).collect::<Vec<_>>();
    let post = async |fields: Vec<(String, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        owner.post(&new, &fields).await
    };
    let refused = post(pairs(&with(&more))).await;
    assert!(refused.status == 409 && refused.page().has_text("more than one message may carry"));
    assert_eq!(counts(&app).await.0, sent);
    post(with(&exact)).await.redirect();

    // a file that came into the chart by another way and is larger than an attachment may be
    let (_, large, _) = letter(&owner, patient, FILE, 13).await;
    let grown = chart_files::table.filter(chart_files::item_id.eq(postern::db::ChartItemId(large.parse().unwrap())));
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(diesel::update(grown).set(chart_files::size.eq(FILE as i64 + 1)).execute(tx.conn())?)
    });
    assert_eq!(write.await.unwrap(), 1);
    let fields = [("title", "T"), ("body", "Kept words"), ("key", "fedcba9876543210"), ("chart_item", &*large)];
    let refused = owner.post(&new, &fields).await;
    assert!(refused.status == 409 && refused.page().has_text("larger than one attachment may be"), "{}", refused.body);
    assert_eq!(counts(&app).await.0, sent + 1);
}

/// Keeps the database from growing beyond this many pages, or its present size where that is larger.
async fn room(app: &App, pages: i64) {
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(diesel::sql_query(format!("PRAGMA max_page_count = {pages}")).execute(tx.conn())?)
    });
    write.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_database_says_so_and_the_words_stay() {
    let app = App::start(On::Sqlite).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let conversation = app.message(&owner, patient, true).await;
    let long = format!("Kept words. {}", "And many more of them. ".repeat(2_000));
    let ways = [(format!("/patients/{patient}/messages/new"), "Submit"), (format!("{conversation}/messages"), "Send")];
    for (path, button) in ways {
        let fields = [("title", "T"), ("body", &*long), ("key", "0123456789abcdef"), ("replies_allowed", "on")];
        let before = counts(&app).await.0;
        room(&app, 1).await;
        let full = owner.post(&path, &fields).await;
        assert_eq!(full.status, 507, "{}", full.page().text());
        assert!(full.page().has_text("There is no room left"), "{}", full.page().text());
        assert!(full.page().form_with(button).value("body").unwrap().starts_with("Kept words. And many"));
        assert_eq!(counts(&app).await.0, before);
        // the same press again, when there is room
        room(&app, 1_000_000).await;
        owner.post(&path, &fields).await.redirect();
        assert_eq!(counts(&app).await.0, before + 1);
    }
    // the same for a patient's reply
    app.drain().await;
    let (maria, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    maria.get(&message).await.ok();
    let path = format!("{message}/replies");
    room(&app, 1).await;
    // some pages of the database may be free, so the disk is full only after some writes
    let (mut full, mut key) = (None, String::new());
    for n in 0..20 {
        key = format!("0123456789abcdef-{n}");
        let answer = maria.post(&path, &[("body", &long[..19_000]), ("key", &key)]).await;
        if answer.status != 303 {
            full = Some(answer);
            break;
        }
    }
    let (full, before) = (full.unwrap(), counts(&app).await.0);
    assert!(full.status == 507 && full.page().has_text("was not sent"), "{} {}", full.status, full.page().text());
    assert!(full.page().form_with("Send").value("body").unwrap().starts_with("Kept words. And many"));
    room(&app, 1_000_000).await;
    maria.post(&path, &[("body", &long[..19_000]), ("key", &key)]).await.redirect();
    assert_eq!(counts(&app).await.0, before + 1);
}

/// A body without a length, made of parts with a file or with nothing, is not read for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_a_length_ends_too() {
    use reqwest::cookie::CookieStore;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app =
        App::start_with_config(On::Sqlite, |config| config.files.largest_message = MESSAGE as u64, Delivery::mailbox);
    let app = app.await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let address = owner.origin.strip_prefix("http://").unwrap().to_owned();
    let cookie = owner.cookies.cookies(&owner.origin.parse().unwrap()).unwrap();
    let head = format!(
        "POST /patients/{patient}/uploads HTTP/1.1\r\nHost: {address}\r\nOrigin: {}\r\nCookie: {}\r\nX-Whose: {}\r\n\
         Content-Type: multipart/form-data; boundary=B\r\nTransfer-Encoding: chunked\r\n\r\n",
        owner.origin,
        cookie.to_str().unwrap(),
        owner.whose("/patients").await
    );
    for part in [
        "name=\"x\"\r\n\r\n\r\n".to_owned(),
        format!("name=\"files\"; filename=\"a.txt\"\r\n\r\n{}\r\n", "x".repeat(9_000)),
    ] {
        let parts = format!("--B\r\nContent-Disposition: form-data; {part}").repeat(100);
        let chunk = format!("{:x}\r\n{parts}\r\n", parts.len());
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut answer, mut sent) = (Vec::new(), 0);
        while answer.is_empty() {
            assert!(sent < 50_000_000, "{sent} bytes were taken");
            let _ = stream.write_all(chunk.as_bytes()).await;
            sent += chunk.len();
            let soon = std::time::Duration::from_millis(5);
            let _ = tokio::time::timeout(soon, stream.read_buf(&mut answer)).await;
        }
        assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    }
    // files that came before the body was cut off wait like other uploads, and are swept where they are not sent
    let (messages, uploads) = counts(&app).await;
    assert!(messages == 0 && uploads as usize <= 2 * MESSAGE / 9_000, "{uploads}");
}
