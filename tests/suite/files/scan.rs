//! The virus scanner, with a real clamd: a file that it has not found clean is not served, and an infected file is
//! removed.

use super::samples;
use super::uploads::{get, id_in, post_form, upload};
use crate::on_each;
use crate::support::app::{Actor, App, On};
use crate::support::browser::Browser;
use crate::support::clamd::{Clamd, MARKER, eicar};
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::config::{Clamd as Config, ClamdAddress};
use postern::db::schema::{audit_events, blobs, jobs, users};
use postern::db::{DbError, PatientId};
use postern::delivery::Delivery;
use postern::scan::{ScanError, Scanner, Verdict};
use postern::storage::Scan;
use reqwest::multipart::{Form, Part};
use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

async fn scanned_by(clamd: &Clamd, on: On) -> App {
    let config = clamd.config();
    App::start_with_config(on, |all| all.files.scanner = Some(config), Delivery::mailbox).await
}

on_each!(
    a_file_is_scanned_as_it_comes_in,
    without_the_scanner_files_wait,
    where_none_is_configured_no_page_speaks_of_one,
    what_is_found_later_is_taken_away,
    a_scanner_that_comes_later_looks_at_everything,
    nothing_unscanned_leaves_by_any_way,
);

fn infected_pdf() -> Vec<u8> {
    [&samples::pdf()[..], MARKER].concat()
}

async fn scans(app: &App) -> Vec<Scan> {
    let read = app
        .state
        .db
        .read(|conn| -> Result<_, DbError> { Ok(blobs::table.order(blobs::id).select(blobs::scan).load(conn)?) });
    read.await.unwrap()
}

async fn count(app: &App, event: &'static str) -> i64 {
    let read = app.state.db.read(move |conn| -> Result<i64, DbError> {
        Ok(audit_events::table.filter(audit_events::action.eq(event)).count().get_result(conn)?)
    });
    read.await.unwrap()
}

/// The content of every file in the storage, also of those that are still being written.
fn lying(app: &App) -> Vec<Vec<u8>> {
    let inside = |folder: std::path::PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let folders = inside(app.state.config.files.folder.clone());
    folders.flat_map(inside).map(|file| std::fs::read(file).unwrap()).collect()
}

async fn send(actor: &Actor, patient: PatientId, upload: &str) -> (u16, String, String) {
    let key = format!("0123456789abcdef-{upload}");
    let fields = [("title", "Results"), ("body", "kept words"), ("key", &key), ("upload", upload)];
    let answer = actor.post(&format!("/patients/{patient}/messages/new"), &fields).await;
    (answer.status, answer.location.split('?').next().unwrap().to_owned(), answer.body)
}

async fn work(app: &App) {
    app.state.clock.advance(time::Duration::minutes(5));
    app.drain().await;
}

async fn a_file_is_scanned_as_it_comes_in(on: On) {
    let clamd = Clamd::start();
    let app = scanned_by(&clamd, on).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let good = upload(&owner, patient, "good.pdf", samples::pdf()).await;
    assert!(good.status == 200 && !good.text().contains("being checked"), "{}", good.text());
    for (name, bytes) in [("eicar.txt", eicar()), ("marked.pdf", infected_pdf())] {
        let bad = upload(&owner, patient, name, bytes).await;
        assert!(bad.status == 422 && bad.text().contains("A virus was found in this file"), "{}", bad.text());
    }
    assert_eq!((scans(&app).await, lying(&app).len()), (vec![Scan::Clean], 1), "a virus was kept");
    assert_eq!(count(&app, "virus_found").await, 2);
    // more files at once than the scanner has threads
    let many = (0..12).map(|n| upload(&owner, patient, "n.txt", format!("number {n}").into_bytes()));
    assert!(futures_util::future::join_all(many).await.iter().all(|got| got.status == 200));
    assert!(scans(&app).await.iter().all(|scan| *scan == Scan::Clean));
    // a file that is larger than the scanner accepts is refused, because it could never be served
    let sized = |size: usize| [samples::pdf(), vec![b'x'; size - samples::pdf().len()]].concat();
    assert_eq!(upload(&owner, patient, "limit.pdf", sized(10 << 20)).await.status, 200);
    let large = upload(&owner, patient, "large.pdf", sized((10 << 20) + 1)).await;
    assert!(large.status == 422 && large.text().contains("larger than one attachment may be"), "{}", large.text());
    // on a slow machine the largest file is left to the worker
    work(&app).await;
    assert!(scans(&app).await.iter().all(|scan| *scan == Scan::Clean));
}

async fn where_none_is_configured_no_page_speaks_of_one(on: On) {
    let app = App::start(on).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let file = id_in(&upload(&owner, patient, "a.pdf", samples::pdf()).await);
    let (status, conversation, _) = send(&owner, patient, &file).await;
    assert_eq!((status, scans(&app).await), (303, vec![Scan::NotScanned]));
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("a.pdf") && !page.has_text("viruses"), "{}", page.text());
}

async fn without_the_scanner_files_wait(on: On) {
    let mut clamd = Clamd::start();
    let app = scanned_by(&clamd, on).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    clamd.stop();
    let got = upload(&owner, patient, "scan.pdf", samples::pdf()).await;
    assert!(got.text().contains("being checked for viruses"), "{}", got.text());
    // the message is sent nevertheless
    let (status, conversation, _) = send(&owner, patient, &id_in(&got)).await;
    assert_eq!(status, 303);
    app.drain().await;
    let (maria, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    for (who, page) in [(&owner, &conversation), (&maria, &message)] {
        let shown = who.get(page).await.ok();
        assert!(shown.has_text("scan.pdf") && shown.has_text("being checked for viruses"));
        let file = get(who, &format!("{page}/attachments/1"), &[]).await;
        assert!(file.status == 409 && file.text().contains("still being checked"), "{}", file.status);
    }
    let needle = &samples::pdf()[..20];
    assert!(!lying(&app).iter().any(|file| file.windows(20).any(|part| part == needle)), "not scanned, and in clear");
    // the file waits as long as the scanner does not answer, and not longer
    for _ in 0..3 {
        work(&app).await;
        assert_eq!(scans(&app).await, [Scan::Waiting]);
    }
    clamd.go_on();
    work(&app).await;
    assert_eq!(scans(&app).await, [Scan::Clean]);
    for (who, page) in [(&owner, &conversation), (&maria, &message)] {
        let file = get(who, &format!("{page}/attachments/1"), &[]).await;
        assert_eq!((file.status, file.bytes), (200, samples::pdf()));
    }
}

async fn what_is_found_later_is_taken_away(on: On) {
    let mut clamd = Clamd::stopped();
    let app = scanned_by(&clamd, on).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let sent = id_in(&upload(&owner, patient, "sent.pdf", infected_pdf()).await);
    let (status, conversation, _) = send(&owner, patient, &sent).await;
    assert_eq!(status, 303);
    let chosen = id_in(&upload(&owner, patient, "chosen.pdf", infected_pdf()).await);
    app.drain().await;
    let (maria, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    assert!(!lying(&app).iter().any(|file| file.windows(MARKER.len()).any(|part| part == MARKER)), "in clear");
    clamd.go_on();
    work(&app).await;
    assert_eq!((scans(&app).await, lying(&app).len()), (vec![Scan::Infected], 0), "its bytes are there");
    // the sender is told, also after the patient has read the message
    assert!(maria.get(&message).await.ok().has_text("removed: a virus was found"));
    assert!(owner.get("/inbox?filter=needs_attention&scope=all").await.ok().has_text("Results"));
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("a virus was found in an attachment") && page.has_text("removed: a virus was found"));
    for (who, page) in [(&owner, &conversation), (&maria, &message)] {
        let file = get(who, &format!("{page}/attachments/1"), &[]).await;
        assert!(file.status == 410 && file.text().contains("A virus was found in it"), "{}", file.status);
    }
    assert_eq!(count(&app, "virus_found").await, 2, "one for the attachment, one for the upload");
    owner.post(&format!("{conversation}/attention"), &[]).await.redirect();
    assert!(!owner.get("/inbox?filter=needs_attention&scope=all").await.ok().has_text("Results"));
    // an infected file that waits in a form is not sent, and the words stay
    let (status, _, body) = send(&owner, patient, &chosen).await;
    assert!(status == 409 && body.contains("kept words") && body.contains("A virus was found in a file"), "{body}");
    // the same bytes are refused again, also while the scanner does not answer
    clamd.stop();
    let again = upload(&owner, patient, "again.pdf", infected_pdf()).await;
    assert!(again.status == 422 && again.text().contains("A virus was found"), "{}", again.text());
    assert_eq!(count(&app, "virus_found").await, 3);
}

async fn a_scanner_that_comes_later_looks_at_everything(on: On) {
    let clamd = Clamd::start();
    let scanned = scanned_by(&clamd, on).await;
    let without = postern::config::Files { scanner: None, ..scanned.state.config.files.clone() };
    let without = postern::attachments::FileIntake::open(&without).unwrap();
    let (owner, patient) = (scanned.user(Role::Owner).await, scanned.patient(Like::default()).await);
    let (status, conversation, _) =
        send(&owner, patient, &id_in(&upload(&owner, patient, "a.pdf", samples::pdf()).await)).await;
    assert_eq!(status, 303);
    scanned.drain().await;
    let file = format!("{conversation}/attachments/1");
    set(&scanned, Scan::NotScanned).await;
    assert_eq!(get(&owner, &file, &[]).await.status, 409, "served though a scanner is there");
    let intake = scanned.state.intake.clone();
    let want = |intake: std::sync::Arc<postern::attachments::FileIntake>| async {
        let now = scanned.state.clock.now();
        let write = scanned.state.db.write(move |tx| -> Result<_, DbError> {
            let changed = intake.want_scans(tx)?;
            postern::attachments::enqueue_scans(tx, now)?;
            Ok(changed)
        });
        write.await.unwrap()
    };
    assert_eq!(want(intake).await, 1);
    assert_eq!(scans(&scanned).await, [Scan::Waiting]);
    scanned.drain().await;
    assert_eq!((get(&owner, &file, &[]).await.status, scans(&scanned).await), (200, vec![Scan::Clean]));
    // back to no scanner: files that waited for it are served
    set(&scanned, Scan::Waiting).await;
    assert_eq!(want(std::sync::Arc::new(without)).await, 1);
    assert_eq!(scans(&scanned).await, [Scan::NotScanned]);
    scanned.drain().await;
    let left = scanned.state.db.read(|conn| -> Result<i64, DbError> {
        Ok(jobs::table.filter(jobs::kind.eq("scan_file")).count().get_result(conn)?)
    });
    assert_eq!(left.await.unwrap(), 0);
}

/// A file from before there was a scanner is not served on any way by which files leave, and no page links to it.
async fn nothing_unscanned_leaves_by_any_way(on: On) {
    let clamd = Clamd::start();
    let app = scanned_by(&clamd, on).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let form = || {
        let part = Part::bytes(samples::pdf()).file_name("a.pdf");
        Form::new().text("title", "In the chart").text("date", "2026-01-02").part("files", part)
    };
    assert_eq!(post_form(&owner, &format!("/patients/{patient}/files"), form()).await.status, 303);
    let item = format!("/patients/{patient}/items/1");
    let upload = id_in(&upload(&owner, patient, "b.png", samples::png()).await);
    let fields = [("title", "Results"), ("body", "words"), ("key", "0123456789abcdef"), ("upload", &*upload)];
    let fields = [&fields[..], &[("chart_item", "1")]].concat();
    let conversation = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let conversation = conversation.split('?').next().unwrap().to_owned();
    app.drain().await;
    let (maria, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    for (scan, status) in [(Scan::Clean, 200), (Scan::NotScanned, 409), (Scan::Waiting, 409)] {
        set(&app, scan).await;
        let open = status == 200;
        for (who, page, link) in [
            (&owner, &conversation, format!("{conversation}/attachments/")),
            (&maria, &message, format!("{message}/attachments/")),
            (&owner, &item, format!("{item}/file")),
        ] {
            let shown = get(who, page, &[]).await.text();
            assert_eq!(shown.contains(&format!("href=\"{link}")), open, "{page} {scan:?}");
            assert_eq!(shown.contains("being checked for viruses"), !open, "{page} {scan:?}");
            let files = if link.ends_with('/') { vec![format!("{link}1"), format!("{link}2")] } else { vec![link] };
            for file in files {
                let ways: [(&str, &[(&str, &str)]); 5] = [
                    ("", &[]),
                    ("?as=save", &[]),
                    ("?as=show", &[]),
                    ("", &[("range", "bytes=0-3")]),
                    ("", &[("if-none-match", "*")]),
                ];
                for (how, headers) in ways {
                    let got = get(who, &format!("{file}{how}"), headers).await;
                    let right = if open { (200..=304).contains(&got.status) } else { got.status == status };
                    assert!(right, "{file}{how} {headers:?} {scan:?}: {}", got.status);
                    assert!(open || !got.bytes.starts_with(b"%PDF") && !got.bytes.starts_with(b"\x89PNG"));
                }
                let head = who.http.head(format!("{}{file}", who.origin)).send().await.unwrap();
                assert_eq!(head.status(), status, "{file} {scan:?}");
            }
        }
        let archive = get(&maria, "/portal/information/download", &[]).await;
        assert_eq!(archive.status, 200);
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive.bytes)).unwrap();
        let files = archive.file_names_raw().filter(|name| name.starts_with(b"files/")).count();
        assert_eq!(files, if open { 2 } else { 0 }, "{scan:?}");
        let mut page = String::new();
        archive.by_name("conversation-1.html").unwrap().read_to_string(&mut page).unwrap();
        assert_eq!(page.contains("href=\"files"), open, "{scan:?}");
        assert!(page.contains("a.pdf") && page.contains("b.png"));
    }
}

async fn set(app: &App, scan: Scan) {
    let write = app.state.db.write(move |tx| -> Result<_, DbError> {
        Ok(diesel::update(blobs::table).set(blobs::scan.eq(scan)).execute(tx.conn())?)
    });
    write.await.unwrap();
}

/// A reader that gives this many bytes and calls a function in the middle.
struct Source<F: FnMut()>(usize, usize, F);

impl<F: FnMut()> Read for Source<F> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = into.len().min(self.0).min(16 * 1024);
        if self.0 > self.1 && self.0 - count <= self.1 {
            (self.2)();
        }
        self.0 -= count;
        into[..count].fill(b'x');
        Ok(count)
    }
}

#[test]
fn a_scanner_that_dies_in_the_middle_has_said_nothing() {
    let mut clamd = Clamd::start();
    let scanner = Scanner::new(&clamd.config());
    let mut whole = Source(4 << 20, 0, || ());
    assert_eq!(scanner.scan(&mut whole).unwrap(), Verdict::Clean);
    let mut cut = Source(4 << 20, 2 << 20, || clamd.stop());
    assert!(matches!(scanner.scan(&mut cut), Err(ScanError::Away(_))));
    assert!(matches!(scanner.scan(&mut whole), Err(ScanError::Away(_))), "it is not there");
    clamd.go_on();
    // over a Unix socket too, and with a virus across two pieces
    let unix = Scanner::new(&Config { address: ClamdAddress::Unix(clamd.socket()), ..clamd.config() });
    let across = [vec![b'x'; 65_536 - 10], MARKER.to_vec(), vec![b'y'; 100_000]].concat();
    assert_eq!(unix.scan(&mut &across[..]).unwrap(), Verdict::Infected("Test.Marker.NDB.UNOFFICIAL".into()));
    assert_eq!(unix.scan(&mut &b""[..]).unwrap(), Verdict::Clean);
    assert!(unix.version().unwrap().starts_with("ClamAV"));
    assert!(matches!(unix.scan(&mut Source(11 << 20, 0, || ())), Err(ScanError::TooLarge)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_that_says_nothing_holds_nobody_up_for_long() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let config = Config {
        address: ClamdAddress::Tcp("127.0.0.1".into(), port),
        timeout: Duration::from_secs(1),
        largest: 1 << 30,
        patience: Duration::from_secs(10),
    };
    let app = App::start_with_config(On::Sqlite, |all| all.files.scanner = Some(config), Delivery::mailbox).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let begin = Instant::now();
    let got = upload(&owner, patient, "scan.pdf", samples::pdf()).await;
    assert!(got.status == 200 && got.text().contains("being checked for viruses"), "{}", got.text());
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

/// The pages show the scanner's states: with axe, at both widths, dark, and in French too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_states_in_a_browser() {
    let mut clamd = Clamd::start();
    let app = scanned_by(&clamd, On::Sqlite).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let clean = id_in(&upload(&owner, patient, "clean.pdf", samples::pdf()).await);
    clamd.stop();
    let infected = id_in(&upload(&owner, patient, "infected.pdf", infected_pdf()).await);
    let fields = [("title", "Results"), ("body", "words"), ("key", "0123456789abcdef")];
    let files = [("upload", clean.as_str()), ("upload", &infected)];
    let conversation =
        owner.post(&format!("/patients/{patient}/messages/new"), &[&fields[..], &files].concat()).await.redirect();
    clamd.go_on();
    work(&app).await;
    clamd.stop();
    let reply = [samples::pdf(), b"later".to_vec()].concat();
    let fields = [("body", "more"), ("key", "0123456789abcdeg")];
    let waits = id_in(&upload(&owner, patient, "waits.pdf", reply).await);
    let conversation = conversation.split('?').next().unwrap();
    owner.post(&format!("{conversation}/notes"), &[&fields[..], &[("upload", &*waits)]].concat()).await.redirect();
    let Some(browser) = Browser::start(&app.origin).await else { return };
    let read = app.state.db.read(|conn| -> Result<String, DbError> {
        Ok(users::table.select(users::email).order(users::id).first(conn)?)
    });
    browser.goto("/sign-in").await;
    browser.fill("Email", &read.await.unwrap()).await;
    browser.fill("Password", PASSWORD).await;
    browser.click_text("Sign in").await;
    browser.wait_path("/inbox").await;
    for width in [320, 1280] {
        browser.size(width).await;
        browser.goto(conversation).await;
        browser.wait_text("a virus was found in an attachment").await;
        browser.wait_text("being checked for viruses").await;
        browser.wait_text("removed: a virus was found").await;
        browser.axe().await;
        if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
            browser.screenshot(format!("{folder}/scan-{width}.png")).await;
        }
    }
    browser.dark().await;
    browser.axe().await;
    // opening the file before the scan gives a page that explains it
    browser.goto(&format!("{conversation}/attachments/2")).await;
    browser.wait_text("A virus was found in it").await;
    browser.axe().await;
}
