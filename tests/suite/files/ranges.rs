//! HEAD and ranges (RFC 9110, §9.3.2 and §14) of a file on a message, for staff and for the patient, and of a file of
//! the chart: what is sent, and what is audited.

use super::opened::scanned;
use super::samples;
use super::uploads::{Got, id_in, post_form, upload};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::DbError;
use postern::db::schema::audit_events;
use postern::storage::Scan;
use reqwest::multipart::{Form, Part};

on_both!(heads_and_ranges, what_is_not_served_was_not_opened);

async fn rows(app: &App) -> i64 {
    let read = app.state.db.read(|conn| -> Result<i64, DbError> { Ok(audit_events::table.count().get_result(conn)?) });
    read.await.unwrap()
}

async fn ask(actor: &Actor, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
    let mut request = actor.http.request(method.parse().unwrap(), format!("{}{path}", actor.origin));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Got { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
}

/// The same file on a message, for a user and for the patient, and in the chart: who may read it, and the path.
async fn ways(app: &App, content: &[u8]) -> Vec<(Actor, String)> {
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let file = id_in(&upload(&owner, patient, "a.pdf", content.to_vec()).await);
    let fields =
        [("title", "T"), ("body", "B"), ("key", "0123456789abcdef"), ("replies_allowed", "on"), ("upload", &*file)];
    let sent = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let conversation = sent.split('?').next().unwrap().to_owned();
    app.drain().await;
    let (visitor, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let part = Part::bytes(content.to_vec()).file_name("a.pdf");
    let form = Form::new().text("title", "Letter").text("date", "2026-01-02").part("files", part);
    let added = post_form(&owner, &format!("/patients/{patient}/files"), form).await;
    let item = added.headers["location"].to_str().unwrap().split('?').next().unwrap().to_owned();
    vec![
        (owner.clone(), format!("{conversation}/attachments/1")),
        (visitor, format!("{message}/attachments/1")),
        (owner, format!("{item}/file")),
    ]
}

async fn heads_and_ranges(app: App) {
    let mut content = samples::pdf();
    content.resize(300_000, b'x');
    content[299_990..].copy_from_slice(b"0123456789");
    let size = content.len();
    for (someone, path) in ways(&app, &content).await {
        let whole = ask(&someone, "GET", &path, &[]).await;
        assert!(whole.status == 200 && whole.bytes == content, "{path}");
        let tag = whole.headers["etag"].to_str().unwrap().to_owned();
        let before = rows(&app).await;

        // HEAD: the headers of the whole file, whatever range is asked for; no body, and no audit row
        for headers in [&[][..], &[("range", "bytes=0-3")]] {
            let head = ask(&someone, "HEAD", &path, headers).await;
            assert!(head.status == 200 && head.bytes.is_empty());
            for (name, value) in &whole.headers {
                let same = head.headers.get(name) == Some(value);
                // the date, cookies and the request's id, which are new each time
                let is_new = ["date", "set-cookie", "x-request-id"].contains(&name.as_str());
                assert!(same || is_new, "{path}: {name}: {:?}", head.headers.get(name));
            }
            assert_eq!(head.headers["content-length"], size.to_string());
        }
        let head = ask(&someone, "HEAD", &path, &[("if-none-match", &tag)]).await;
        assert_eq!(head.status, 304);
        assert_eq!(rows(&app).await, before, "{path}: HEAD left a trace");

        // one range
        for (range, from, to) in [
            ("bytes=0-3", 0, 4),
            ("bytes=0-0", 0, 1),
            ("bytes=1000-200999", 1_000, 201_000),
            ("bytes=299990-", 299_990, size),
            ("bytes=-10", size - 10, size),
            ("bytes=-9999999", 0, size),
            ("bytes=299999-9999999", size - 1, size),
        ] {
            for headers in [&[("range", range)][..], &[("range", range), ("if-range", tag.as_str())]] {
                let part = ask(&someone, "GET", &path, headers).await;
                assert_eq!((part.status, part.bytes.len()), (206, to - from), "{path} {range}");
                assert_eq!(part.bytes, content[from..to]);
                let told = format!("bytes {from}-{}/{size}", to - 1);
                assert_eq!(part.headers["content-range"].to_str().unwrap(), told);
                assert_eq!(part.headers["etag"], tag);
            }
            // a range of another file than the present one gives all of the present one
            let stale = [("range", range), ("if-range", "\"another\"")];
            let whole = ask(&someone, "GET", &path, &stale).await;
            assert!(whole.status == 200 && whole.bytes.len() == size);
        }
        for range in ["bytes=300000-", "bytes=300000-300005", "bytes=-0"] {
            let none = ask(&someone, "GET", &path, &[("range", range)]).await;
            assert_eq!((none.status, none.bytes.len()), (416, 0), "{range}");
            assert_eq!(none.headers["content-range"].to_str().unwrap(), format!("bytes */{size}"));
        }
        // what is not a range, and several ranges, give the whole file once
        let many = format!("bytes={}", vec!["0-"; 500].join(","));
        let overlapping = "bytes=0-1,5-6,0-299999";
        for range in ["bytes=5-2", "bytes=abc", "items=0-5", "bytes=", overlapping, &many] {
            let whole = ask(&someone, "GET", &path, &[("range", range)]).await;
            assert_eq!((whole.status, whole.bytes.len()), (200, size), "{range}");
        }
    }
}

async fn what_is_not_served_was_not_opened(app: App) {
    let all = ways(&app, &samples::pdf()).await;
    for (scan, status) in [(Scan::Waiting, 409), (Scan::Infected, 410)] {
        scanned(&app, scan).await;
        for (someone, path) in &all {
            let before = rows(&app).await;
            for how in ["", "?as=show"] {
                assert_eq!(ask(someone, "GET", &format!("{path}{how}"), &[]).await.status, status, "{path}");
            }
            assert_eq!(rows(&app).await, before, "{path}: it says that it was opened");
        }
    }
}
