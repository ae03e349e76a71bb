//! Files on messages: which files are accepted, how they are sent, and who can read them.

use super::samples;
use crate::on_both;
use crate::support::app::{Actor, App, On};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{attachments, audit_events, blobs, messages, uploads};
use postern::db::{DbError, PatientId};
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};

on_both!(
    a_file_goes_from_desk_to_patient,
    files_of_others_stay_theirs,
    what_is_not_sent_is_swept,
    a_retry_sends_once,
    a_vanished_file_heals
);

pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn got(request: reqwest::RequestBuilder) -> Got {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Got { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
}

pub async fn get(actor: &Actor, path: &str, headers: &[(&str, &str)]) -> Got {
    let mut request = actor.http.get(format!("{}{path}", actor.origin));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    got(request).await
}

pub async fn post_form(actor: &Actor, path: &str, form: Form) -> Got {
    let request = actor.http.post(format!("{}{path}", actor.origin)).header("origin", &actor.origin);
    let request = request.header("x-whose", actor.whose(path).await);
    got(request.multipart(form)).await
}

pub async fn upload(actor: &Actor, patient: PatientId, name: &str, bytes: Vec<u8>) -> Got {
    let form = Form::new().part("files", Part::bytes(bytes).file_name(name.to_owned()));
    post_form(actor, &format!("/patients/{patient}/uploads"), form).await
}

/// The identity of the upload in an answer.
pub fn id_in(got: &Got) -> String {
    assert_eq!(got.status, 200, "{}", got.text());
    id_of(&got.text())
}

pub fn id_of(text: &str) -> String {
    let from = text.find("name=\"upload\" value=\"").unwrap() + 21;
    text[from..].split('"').next().unwrap().to_owned()
}

async fn uploaded(actor: &Actor, patient: PatientId, name: &str, bytes: &[u8]) -> String {
    id_in(&upload(actor, patient, name, bytes.to_vec()).await)
}

async fn send(actor: &Actor, patient: PatientId, key: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let fixed = [("title", "Your file"), ("body", "See the file"), ("key", key), ("replies_allowed", "on")];
    let answer = actor.post(&format!("/patients/{patient}/messages/new"), &[&fixed[..], fields].concat()).await;
    (answer.status, answer.location.split('?').next().unwrap().to_owned())
}

async fn count(app: &App, what: &'static str) -> i64 {
    let read = app.state.db.read(move |conn| -> Result<i64, DbError> {
        Ok(match what {
            "uploads" => uploads::table.count().get_result(conn)?,
            "attachments" => attachments::table.count().get_result(conn)?,
            "blobs" => blobs::table.count().get_result(conn)?,
            "messages" => messages::table.count().get_result(conn)?,
            _ => audit_events::table.filter(audit_events::action.eq(what)).count().get_result(conn)?,
        })
    });
    read.await.unwrap()
}

const KEY: &str = "0123456789abcdef";

async fn a_file_goes_from_desk_to_patient(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let pdf = samples::pdf();
    let one = uploaded(&owner, patient, "C:\\Users\\ann\\Résultats \"2026\".pdf", &pdf).await;
    let two = uploaded(&owner, patient, "photo.png", &samples::png()).await;
    // the order is that of the form
    let (status, conversation) = send(&owner, patient, KEY, &[("upload", &two), ("upload", &one)]).await;
    assert_eq!(status, 303);
    assert_eq!((count(&app, "uploads").await, count(&app, "attachments").await), (0, 2));

    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Résultats -2026-.pdf") && page.has_text("photo.png"));
    app.drain().await;
    let (visitor, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let page = visitor.get(&message).await.ok();
    assert!(page.has_text("Résultats -2026-.pdf"), "{}", page.text());
    for (someone, base) in [(&owner, &conversation), (&visitor, &message)] {
        let path = format!("{base}/attachments/2");
        let all = get(someone, &path, &[]).await;
        assert_eq!((all.status, &all.bytes), (200, &pdf));
        assert_eq!(all.header("content-type"), "application/pdf");
        assert_eq!(all.header("x-content-type-options"), "nosniff");
        assert_eq!(all.header("cache-control"), "no-store");
        assert_eq!(all.header("accept-ranges"), "bytes");
        assert!(all.header("content-security-policy").contains("sandbox"));
        let disposition = all.header("content-disposition");
        assert!(disposition.starts_with("attachment; filename=\"R_sultats_-2026-.pdf\""), "{disposition}");
        assert!(disposition.contains("filename*=UTF-8''R%C3%A9sultats%20%2D2026%2D.pdf"), "{disposition}");
        ranges(someone, &path, &pdf, all.header("etag")).await;
        let shown = get(someone, &format!("{base}/attachments/1?as=show"), &[]).await;
        assert!(
            shown.header("content-disposition").starts_with("inline") && shown.header("content-type") == "image/png"
        );
        assert!(shown.header("content-security-policy").contains("sandbox"));
        for no in ["0", "3", "-1", "x", "9223372036854775808", "2?as=page"] {
            assert_eq!(get(someone, &format!("{base}/attachments/{no}"), &[]).await.status, 404, "{no}");
        }
    }
    assert!(count(&app, "attachment_opened").await > 10);
    // the portal accepts no file at any address
    for path in [&message, &format!("{message}/replies"), &format!("{message}/attachments/1"), &"/portal".to_owned()] {
        let form = Form::new().part("files", Part::bytes(pdf.clone()).file_name("a.pdf"));
        assert_eq!(post_form(&visitor, path, form).await.status, 415, "{path}");
    }
}

async fn ranges(someone: &Actor, path: &str, bytes: &[u8], tag: &str) {
    let size = bytes.len();
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=5-9".to_owned(), 5, 10),
        (format!("bytes={}-", size - 3), size - 3, size),
        ("bytes=-4".to_owned(), size - 4, size),
        (format!("bytes=2-{}", size + 100), 2, size),
    ] {
        let part = get(someone, path, &[("range", &range)]).await;
        assert_eq!((part.status, part.bytes.as_slice()), (206, &bytes[from..to]), "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
        assert_eq!(get(someone, path, &[("range", &range), ("if-range", tag)]).await.status, 206);
        assert_eq!(get(someone, path, &[("range", &range), ("if-range", "\"other\"")]).await.status, 200);
    }
    let beyond = get(someone, path, &[("range", &format!("bytes={size}-"))]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, format!("bytes */{size}").as_str()));
    for whole in ["bytes=0-1,3-4", "bytes=x", "lines=1-2"] {
        assert_eq!(get(someone, path, &[("range", whole)]).await.status, 200, "{whole}");
    }
    let same = get(someone, path, &[("if-none-match", tag)]).await;
    assert_eq!((same.status, same.bytes.len()), (304, 0));
    assert_eq!(get(someone, path, &[("if-none-match", "\"other\"")]).await.status, 200);
}

async fn files_of_others_stay_theirs(app: App) {
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let a = app.patient(Like::default()).await;
    let b = Like { email: Some("b@example.org".into()), phone: Some("+16135550199".into()), ..Like::default() };
    let b = app.patient(b).await;
    let mine = uploaded(&owner, a, "mine.pdf", &samples::pdf()).await;
    // an upload of another user, of another patient, or one that does not exist: nothing is sent, and the page keeps
    // the words
    for (someone, patient, id, key) in [(&staff, a, &*mine, "a"), (&owner, b, &mine, "b"), (&owner, a, "999999", "c")] {
        let before = count(&app, "messages").await;
        let key = format!("{KEY}{key}");
        let fields = [("title", "T"), ("body", "kept words"), ("key", &key), ("upload", id)];
        let answer = someone.post(&format!("/patients/{patient}/messages/new"), &fields).await;
        assert_eq!(answer.status, 409, "{id}");
        assert!(answer.body.contains("kept words") && answer.page().has_text("A file is no longer there"), "{id}");
        assert!(!answer.body.contains("mine.pdf"));
        assert_eq!(count(&app, "messages").await, before);
        let removal = format!("/patients/{patient}/uploads/{id}/removal");
        assert_eq!(someone.post(&removal, &[]).await.status, 404);
    }
    assert_eq!(app.state.intake.storage.sweep(&app.state.db, app.state.clock.now()).await.unwrap(), 0);
    let (status, conversation) = send(&owner, a, KEY, &[("upload", &mine)]).await;
    assert_eq!(status, 303);
    // a file on a note is for the clinic alone
    let secret = uploaded(&owner, a, "secret.pdf", &samples::pdf()).await;
    let note = [("body", "note"), ("key", "0123456789abcdef-note"), ("upload", &*secret)];
    owner.post(&format!("{conversation}/notes"), &note).await.redirect();
    send(&owner, b, "0123456789abcdef-b", &[]).await;
    app.drain().await;
    let (maria, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    assert_eq!(get(&maria, &format!("{message}/attachments/1"), &[]).await.status, 200);
    assert_eq!(get(&maria, &format!("{message}/attachments/2"), &[]).await.status, 404, "a note's file");
    assert!(!maria.get(&message).await.body.contains("secret"));
    assert_eq!(get(&staff, &format!("{conversation}/attachments/2"), &[]).await.status, 200);
    let (other, message) = app.go_in(&app.link_to("b@example.org"), "+16135550199").await;
    assert_eq!(get(&other, &format!("{message}/attachments/1"), &[]).await.status, 404);
    // when portal access ends, files are not served any more
    let off = app.state.db.write(move |tx| -> Result<_, DbError> {
        use postern::db::schema::clinic;
        Ok(diesel::update(clinic::table).set(clinic::portal_on.eq(false)).execute(tx.conn())?)
    });
    off.await.unwrap();
    assert_eq!(get(&maria, "/portal/messages/1/attachments/1", &[]).await.status, 404);
}

async fn what_is_not_sent_is_swept(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    uploaded(&owner, patient, "old.pdf", &samples::pdf()).await;
    let removed = uploaded(&owner, patient, "removed.png", &samples::png()).await;
    assert_eq!(owner.post(&format!("/patients/{patient}/uploads/{removed}/removal"), &[]).await.status, 204);
    app.state.clock.advance(time::Duration::minutes(24 * 60 - 1));
    let owner = app.user(Role::Owner).await;
    let young = uploaded(&owner, patient, "young.txt", b"words").await;
    sweep(&app).await;
    assert_eq!((count(&app, "uploads").await, count(&app, "blobs").await), (2, 2));
    app.state.clock.advance(time::Duration::minutes(2));
    sweep(&app).await;
    assert_eq!((count(&app, "uploads").await, count(&app, "blobs").await), (1, 1));
    let (status, _) = send(&owner, patient, KEY, &[("upload", &young)]).await;
    assert_eq!(status, 303);
    app.state.clock.advance(time::Duration::days(400));
    sweep(&app).await;
    assert_eq!((count(&app, "attachments").await, count(&app, "blobs").await), (1, 1), "what was sent stays");
}

async fn sweep(app: &App) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, DbError> { Ok(postern::attachments::sweep(tx, now)?) });
    write.await.unwrap();
    app.state.intake.storage.sweep(&app.state.db, now).await.unwrap();
}

async fn a_retry_sends_once(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let file = uploaded(&owner, patient, "a.pdf", &samples::pdf()).await;
    let fields = [("upload", &*file)];
    let (one, two) = tokio::join!(send(&owner, patient, KEY, &fields), send(&owner, patient, KEY, &fields));
    assert_eq!(one, two);
    assert_eq!((one.0, count(&app, "attachments").await, count(&app, "messages").await), (303, 1, 1));
    // the same words with another file are another message
    let other = uploaded(&owner, patient, "b.pdf", &samples::pdf()).await;
    assert_ne!(send(&owner, patient, KEY, &[("upload", &other)]).await.1, one.1);
    assert_eq!((count(&app, "attachments").await, count(&app, "blobs").await), (2, 1), "one content, twice sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_is_taken_and_lies_are_not() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    for (name, bytes) in samples::good() {
        let got = upload(&owner, patient, name, bytes).await;
        assert_eq!(got.status, 200, "{name}: {}", got.text());
    }
    for (name, bytes, why) in samples::bad() {
        let got = upload(&owner, patient, name, bytes).await;
        assert_eq!(got.status, 422, "{name}");
        assert!(got.text().contains(why), "{name}: {}", got.text());
    }
    assert_eq!(count(&app, "uploads").await as usize, samples::good().len());
    for (given, clean) in [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("..\\..\\boot.txt", "boot.txt"),
        ("a\u{202e}fdp.txt", "afdp.txt"),
        ("con.txt", "_con.txt"),
        ("  .hidden.txt", "hidden.txt"),
        ("a\u{0}b\u{7}.txt", "ab.txt"),
        ("x:y|z?.txt", "x-y-z-.txt"),
    ] {
        assert_eq!(postern::attachments::clean_name(given), clean);
    }
    let long = postern::attachments::clean_name(&format!("{}.pdf", "é".repeat(500)));
    assert!(long.len() <= 150 && long.ends_with(".pdf"), "{long}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_to_the_byte() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let limit = app.state.intake.policy.largest_file as usize;
    let file = |size: usize, seed: u8| {
        let mut bytes = samples::pdf();
        bytes.resize(size, seed);
        bytes
    };
    assert_eq!(upload(&owner, patient, "limit.pdf", file(limit, 1)).await.status, 200);
    let over = upload(&owner, patient, "over.pdf", file(limit + 1, 1)).await;
    assert!(over.status == 422 && over.text().contains("larger than one attachment"));
    // nothing of the upload is left
    assert_eq!(std::fs::read_dir(app.state.intake.storage.folder().join("incoming")).unwrap().count(), 0);
    let mut all = Vec::new();
    for seed in 2..6 {
        all.push(uploaded(&owner, patient, "x.pdf", &file(limit, seed)).await);
    }
    let one_more = uploaded(&owner, patient, "x.txt", b"x").await;
    let mut fields: Vec<(&str, &str)> = all.iter().map(|id| ("upload", id.as_str())).collect();
    fields.push(("upload", &one_more));
    let (status, _) = send(&owner, patient, KEY, &fields).await;
    assert_eq!((status, count(&app, "messages").await, count(&app, "uploads").await), (409, 0, 6));
    fields.pop();
    assert_eq!(send(&owner, patient, KEY, &fields).await.0, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_leaves_nothing() {
    use reqwest::cookie::CookieStore;
    use tokio::io::AsyncWriteExt;
    let app = App::start(On::Sqlite).await;
    let fresh = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    let address = fresh.origin.strip_prefix("http://").unwrap().to_owned();
    let url: reqwest::Url = fresh.origin.parse().unwrap();
    let cookie = fresh.cookies.cookies(&url).unwrap();
    let mut head =
        format!("POST /patients/{patient}/uploads HTTP/1.1\r\nHost: {address}\r\nOrigin: {}\r\n", fresh.origin)
            .into_bytes();
    head.extend(
        format!(
            "Cookie: {}\r\nX-Whose: {}\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 5000000\r\n\r\n",
            cookie.to_str().unwrap(),
            fresh.whose("/patients").await
        )
        .bytes(),
    );
    head.extend(b"--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.pdf\"\r\n\r\n");
    head.extend(samples::pdf());
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    stream.write_all(&head).await.unwrap();
    stream.write_all(&vec![b'x'; 1_000_000]).await.unwrap();
    let incoming = app.state.intake.storage.folder().join("incoming");
    let waiting = async |wanted: usize| {
        for _ in 0..100 {
            if std::fs::read_dir(&incoming).unwrap().count() == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{wanted} files were expected on their way");
    };
    waiting(1).await;
    drop(stream);
    waiting(0).await;
    assert_eq!((count(&app, "uploads").await, count(&app, "blobs").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_script_files_are_added_and_removed_and_the_words_stay() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let reply_to = app.message(&owner, patient, true).await;
    for (step, submit, button) in [
        (format!("/patients/{patient}/messages/files"), format!("/patients/{patient}/messages/new"), "Submit"),
        (format!("{reply_to}/messages/files"), format!("{reply_to}/messages"), "Send"),
        (format!("{reply_to}/notes/files"), format!("{reply_to}/notes"), "Add note"),
    ] {
        let typed = || {
            Form::new().text("title", "Typed title").text("body", "Typed words").text("key", KEY.to_owned() + button)
        };
        let part = |name: &'static str, bytes: Vec<u8>| Part::bytes(bytes).file_name(name);
        let form = typed().part("files", part("a.pdf", samples::pdf())).part("files", part("bad.exe", b"MZ".to_vec()));
        let got = post_form(&owner, &step, form).await;
        assert_eq!(got.status, 422);
        let page = crate::support::html::Page::parse(&got.text());
        assert!(page.has_text("a.pdf") && page.has_text("bad.exe") && page.has_text("Files of this kind"));
        let filled = page.form_with(button);
        assert_eq!(filled.value("body").as_deref(), Some("Typed words"));
        let file = filled.value("upload").unwrap();
        // one more file, then the first one removed; an empty file field is not a file
        let form = typed().text("upload", file.clone()).part("files", part("b.png", samples::png()));
        let got = post_form(&owner, &step, form).await;
        assert_eq!(got.status, 200);
        let page = crate::support::html::Page::parse(&got.text());
        assert!(page.has_text("a.pdf") && page.has_text("b.png"));
        let form = typed().text("upload", file.clone()).text("remove", file).part("files", part("", Vec::new()));
        let got = post_form(&owner, &step, form).await;
        let page = crate::support::html::Page::parse(&got.text());
        assert!(got.status == 200 && !page.has_text("a.pdf"));
        assert_eq!(page.form_with(button).value("body").as_deref(), Some("Typed words"));
        // files that were chosen but not added are not lost without a notice
        let fields = [("title", "T"), ("body", "B"), ("key", KEY), ("files", "left.pdf")];
        let answer = owner.post(&submit, &fields).await;
        assert!(answer.status == 422 && answer.page().has_text("Press “Add files”"), "{}", answer.status);
    }
}

/// A file that has vanished from the storage is reported as missing, and is there again when its content is uploaded
/// again.
async fn a_vanished_file_heals(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let one = uploaded(&owner, patient, "a.pdf", &samples::pdf()).await;
    let (_, conversation) = send(&owner, patient, KEY, &[("upload", &one)]).await;
    let file = format!("{conversation}/attachments/1");
    let folder = &app.state.config.files.folder;
    for places in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        for lying in std::fs::read_dir(places).unwrap() {
            std::fs::remove_file(lying.unwrap().path()).unwrap();
        }
    }
    let missing = get(&owner, &file, &[]).await;
    assert!(missing.status == 500 && missing.text().contains("This file is missing"), "{}", missing.status);
    let again = uploaded(&owner, patient, "b.pdf", &samples::pdf()).await;
    for path in [&file, &file] {
        let got = get(&owner, path, &[]).await;
        assert_eq!((got.status, got.bytes), (200, samples::pdf()));
    }
    // one copy is stored, and it survives the sweep of files without a reference
    app.state.clock.advance(time::Duration::days(3));
    app.drain().await;
    app.state.intake.storage.sweep(&app.state.db, app.state.clock.now()).await.unwrap();
    // the earlier session has ended
    let later = app.user(Role::Owner).await;
    assert_eq!(get(&later, &file, &[]).await.status, 200);
    assert_eq!(count(&app, "blobs").await, 1, "{again}");
}
