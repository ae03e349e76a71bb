//! With a key no word of patients is in clear in the database or in a backup; keys are set, changed and removed while
//! the clinic runs; a search finds the same as before.

mod keys;
mod modes;
mod tls;

use crate::chart::items::{add, days_ago};
use crate::files::samples;
use crate::files::uploads::{id_in, upload};
use crate::on_each;
use crate::support::app::{App, On};
use crate::support::world::Like;
use data_encoding::{BASE64, HEXLOWER};
use postern::access::Role;
use postern::backup;
use postern::chart::ItemKind;
use postern::config::Config;
use postern::db::{DatabaseUrl, Db, DbError, SecretKey, UserId, copying};
use postern::delivery::Delivery;
use postern::users::{self, KeptForm};
use serde_json::json;
use std::path::Path;

on_each!(no_word_lies_in_clear, without_a_key_text_is_as_it_was);

/// One word for each way by which text of patients comes in. No part of a word is in any other text.
pub const WAYS: [&str; 16] = [
    "zquorktitle",
    "zquorkbody",
    "zquorknote",
    "zquorkreply",
    "zquorkanswer",
    "zquorktyping",
    "zquorkdraft",
    "zquorkkept",
    "zquorkmerged",
    "zquorkfile",
    "zquorkitem",
    "zquorkwords",
    "zquorkresult",
    "zquorkletter",
    "zquorkvalue",
    "zquorktemplate",
];

pub fn key(number: u8) -> SecretKey {
    SecretKey::new([number; 32])
}

pub fn with_key(number: u8) -> impl FnOnce(&mut Config) {
    move |config| config.files.key = Some(key(number))
}

/// Brings each word of [`WAYS`] into a clinic.
pub async fn every_way(app: &App) {
    let (owner, maria) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let file = id_in(&upload(&owner, maria, "zquorkfile.pdf", samples::pdf()).await);
    let item = add(app, maria, "1", ItemKind::LabResult, days_ago(10), "Zquorkitem", "of zquorkwords").await.id();
    let fields = [
        ("title", "Zquorktitle"),
        ("body", "Read zquorkbody and <zquorktemplate>"),
        ("key", "0123456789abcdef"),
        ("replies_allowed", "on"),
        ("chart_item", &item.to_string()),
        ("upload", &file),
    ];
    let to = owner.post(&format!("/patients/{maria}/messages/new"), &fields).await.redirect();
    let conversation = to.split('?').next().unwrap().to_owned();
    let post = async |place: &str, key: &str, body: &str| {
        let fields = [("key", key), ("body", body), ("replies_allowed", "on")];
        owner.post(&format!("{conversation}/{place}"), &fields).await.redirect();
    };
    post("notes", "0123456789abcde1", "zquorknote").await;
    post("messages", "0123456789abcde2", "zquorkreply").await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let page = patient.get(&message).await.ok();
    patient.submit(&page, "Send", &[("body", "zquorkanswer")]).await.redirect();
    patient.post(&format!("{message}/draft"), &[("body", "zquorktyping")]).await;
    let draft = [("key", "0123456789abcde3"), ("draft_version", "1"), ("body", "zquorkdraft")];
    owner.post(&format!("{conversation}/messages/draft"), &draft).await.redirect();
    let twin = app.patient(Like { email: None, ..Like::default() }).await;
    let draft = [("key", "0123456789abcde4"), ("draft_version", "0"), ("title", "T"), ("body", "zquorkmerged")];
    owner.post(&format!("/patients/{twin}/messages/draft"), &draft).await.redirect();
    let page = owner.get(&format!("/patients/{maria}/merging?with={twin}")).await.ok();
    owner.submit(&page, "Merge the charts", &[]).await;
    let now = app.state.clock.now();
    let kept = app.state.db.write(move |tx| -> Result<_, DbError> {
        let pairs = vec![("body".to_owned(), "zquorkkept".to_owned())];
        users::keep_form(tx, UserId(1), "/patients/1/messages/new", &KeptForm { action: "/".into(), pairs, at: now })
    });
    kept.await.unwrap();
    let person = json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Import", "given": ["Ida"]}],
        "birthDate": "1980-01-01"});
    let result = json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "Zquorkresult"},
        "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2026-02-01T09:00:00Z", "valueString": "zquorkvalue"});
    let letter = json!({"resourceType": "DocumentReference", "id": "d", "status": "current",
        "subject": {"reference": "Patient/p"}, "date": "2026-02-02T09:00:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "title": "zquorkletter.txt", "data": "SGVsbG8="}}]});
    let bundle = json!({"resourceType": "Bundle", "type": "collection",
        "entry": [{"resource": person}, {"resource": result}, {"resource": letter}]});
    app.import(bundle.to_string().into_bytes(), Some("https://emr.example.org")).await;
    app.index().await;
}

/// The bytes that a word may be stored as: in clear, in hexadecimal, in base64 at each of three offsets, in UTF-16.
fn looks(word: &str) -> Vec<Vec<u8>> {
    let mut looks = vec![word.as_bytes().to_vec(), HEXLOWER.encode(word.as_bytes()).into_bytes()];
    for before in 0..3 {
        let padded = [&b"xxx"[..before], word.as_bytes(), b"xxx"].concat();
        let encoded = BASE64.encode(&padded).into_bytes();
        looks.push(encoded[4..encoded.len() - 8].to_vec());
    }
    let wide: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
    looks.push(wide);
    // a short word gives too few characters of base64 to be recognised
    looks.retain(|look| look.len() >= 4);
    looks
}

fn find(bytes: &[u8], words: &[&str]) -> Vec<String> {
    let lower = bytes.to_ascii_lowercase();
    let holds = |all: &[u8], part: &[u8]| all.windows(part.len()).any(|window| window == part);
    let mut found = Vec::new();
    for word in words {
        for look in looks(word) {
            if holds(&lower, &look) || holds(bytes, &look) {
                found.push(format!("{word} as {}", String::from_utf8_lossy(&look)));
            }
        }
    }
    found
}

/// The words that are in the files of a folder, with the file of each.
pub fn in_files(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(in_files(&path, words));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.extend(find(&bytes, words).into_iter().map(|what| format!("{}: {what}", path.display())));
        }
    }
    found
}

/// The words that are in the rows of the database, with the table of each.
pub async fn in_rows(db: &Db, words: &[&'static str]) -> Vec<String> {
    let words = words.to_vec();
    let read = db.read(move |conn| -> Result<_, DbError> {
        let mut found = Vec::new();
        for table in copying::tables(conn)? {
            copying::each_row(conn, &table, |line| -> Result<(), DbError> {
                let unescaped = line.replace("\\\"", "\"");
                found.extend(
                    find(unescaped.as_bytes(), &words).into_iter().map(|what| format!("{}: {what}", table.name)),
                );
                Ok(())
            })?;
        }
        Ok(found)
    });
    read.await.unwrap()
}

async fn no_word_lies_in_clear(on: On) {
    let app = App::start_with_config(on, with_key(1), Delivery::mailbox).await;
    every_way(&app).await;
    let words: Vec<&str> = WAYS.to_vec();
    assert_eq!(in_rows(&app.state.db, &words).await, [""; 0]);
    if let DatabaseUrl::Sqlite(path) = &app.state.config.database {
        assert!(path.with_extension("db-wal").exists());
        assert_eq!(in_files(path.parent().unwrap(), &words), [""; 0]);
    }
    let to = tempfile::tempdir().unwrap();
    let (now, random) = (app.state.clock.now(), &app.state.random);
    let keys = [key(1)];
    backup::make(&app.state.db, &app.state.intake.storage, to.path(), (keys.first(), &keys), now, random)
        .await
        .unwrap();
    assert_eq!(in_files(to.path(), &words), [""; 0]);
    // users read all of it
    let user = app.user(Role::Viewer).await;
    let page = user.get("/conversations/1").await.ok().text();
    for word in ["Zquorktitle", "zquorkbody", "zquorknote", "zquorkreply", "zquorkanswer", "zquorkfile.pdf"] {
        assert!(page.contains(word), "{word}");
    }
    assert!(user.get("/patients/1").await.ok().has_text("Zquorkitem"));
}

async fn without_a_key_text_is_as_it_was(on: On) {
    let app = App::start_with_config(on, |_| (), Delivery::mailbox).await;
    every_way(&app).await;
    let words: Vec<&str> = WAYS.to_vec();
    let found = in_rows(&app.state.db, &words).await;
    // without a key the search finds every word, so that finding none in the sealed clinic proves something
    for word in WAYS {
        assert!(found.iter().any(|what| what.contains(word)), "{word}");
    }
}
