//! A clinic whose files are in a bucket, and what it does when the bucket's server does not answer.

use super::samples;
use super::uploads::{get, id_in, post_form, upload};
use crate::chart::items;
use crate::on_each;
use crate::support::app::{Actor, App, On};
use crate::support::html::Page;
use crate::support::s3::S3;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::chart::{ItemKind, Stored};
use postern::db::schema::{attachments, blobs, messages, uploads};
use postern::db::{DbError, PatientId};
use postern::delivery::Delivery;
use postern::storage::{Storage, StorageError};
use reqwest::multipart::{Form, Part};
use std::time::Duration;

on_each!(what_is_lost_while_the_bucket_is_away_is_nothing);

async fn in_bucket(s3: &S3, on: On) -> App {
    let bucket = s3.bucket();
    App::start_with_config(on, |all| all.files.bucket = Some(bucket), Delivery::mailbox).await
}

async fn rows(app: &App) -> [i64; 4] {
    let read = app.state.db.read(|conn| -> Result<_, DbError> {
        Ok([
            uploads::table.count().get_result(conn)?,
            blobs::table.count().get_result(conn)?,
            attachments::table.count().get_result(conn)?,
            messages::table.count().get_result(conn)?,
        ])
    });
    read.await.unwrap()
}

async fn send(actor: &Actor, patient: PatientId, upload: &str) -> (u16, String) {
    let key = format!("0123456789abcdef-{upload}");
    let fields = [("title", "Results"), ("body", "words"), ("key", &key), ("upload", upload)];
    let answer = actor.post(&format!("/patients/{patient}/messages/new"), &fields).await;
    (answer.status, answer.location.split('?').next().unwrap().to_owned())
}

async fn what_is_lost_while_the_bucket_is_away_is_nothing(on: On) {
    let mut s3 = S3::start();
    let app = in_bucket(&s3, on).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let item = items::add(&app, patient, "1", ItemKind::Letter, items::days_ago(5), "Referral", "words of it").await;
    let Stored::New(item) = item else { panic!("{item:?}") };
    let before = id_in(&upload(&owner, patient, "before.pdf", samples::pdf()).await);
    s3.stop();
    // the page says why a file was not accepted, and the rest of the form stays
    let form = Form::new().text("title", "Typed title").text("body", "Typed words").text("key", "0123456789abcdef");
    let form = form.text("upload", before.clone());
    let form = form.part("files", Part::bytes(samples::png()).file_name("during.png"));
    let got = post_form(&owner, &format!("/patients/{patient}/messages/files"), form).await;
    assert_eq!(got.status, 503);
    let page = Page::parse(&got.text());
    assert!(
        page.has_text("during.png") && page.has_text("could not be stored just now") && page.has_text("before.pdf")
    );
    assert_eq!(page.form_with("Submit").value("body").as_deref(), Some("Typed words"));
    assert_eq!(rows(&app).await, [1, 1, 0, 0]);
    // nor is a message lost that was to have an item of the chart
    let item = item.to_string();
    let fields = [("title", "T"), ("body", "Typed words"), ("key", "0123456789abcdef"), ("chart_item", &*item)];
    let answer = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await;
    let page = answer.page();
    assert!(answer.status == 503 && page.has_text("Files cannot be stored just now") && page.has_text("Referral"));
    assert_eq!(page.form_with("Submit").value("body").as_deref(), Some("Typed words"));
    assert_eq!(rows(&app).await, [1, 1, 0, 0]);
    // a file that is stored already can be sent; that it cannot be read now is not answered as "not found"
    let (status, conversation) = send(&owner, patient, &before).await;
    assert_eq!(status, 303);
    app.drain().await;
    let (maria, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    for (who, page) in [(&owner, &conversation), (&maria, &message)] {
        assert!(who.get(page).await.ok().has_text("before.pdf"));
        let file = get(who, &format!("{page}/attachments/1"), &[]).await;
        assert!(file.status == 503 && file.text().contains("Nothing is lost"), "{}", file.status);
    }
    // nor does a download that fails count as opened what nobody got: it can still be taken back
    let fields = [("title", "Unseen"), ("body", "words"), ("key", "0123456789abcdef-unseen")];
    let unseen = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let unseen = unseen.split('?').next().unwrap().to_owned();
    assert!(maria.get("/portal/information/download").await.status >= 500);
    assert!(owner.get(&unseen).await.ok().has_text("Take back…"));
    s3.go_on();
    for (who, page) in [(&owner, &conversation), (&maria, &message)] {
        let file = get(who, &format!("{page}/attachments/1"), &[("range", "bytes=3-9")]).await;
        assert_eq!((file.status, &file.bytes[..]), (206, &samples::pdf()[3..10]));
    }
    let after = id_in(&upload(&owner, patient, "after.png", samples::png()).await);
    assert_eq!(send(&owner, patient, &after).await.0, 303);
    assert_eq!(rows(&app).await, [0, 2, 2, 3]);
    // failed uploads leave nothing after the sweep
    app.state.clock.advance(time::Duration::days(2));
    app.state.intake.storage.sweep(&app.state.db, app.state.clock.now()).await.unwrap();
    assert_eq!(std::fs::read_dir(s3.objects()).unwrap().count(), 2);
}

/// Several megabytes, as a PDF.
fn large() -> Vec<u8> {
    let noise = (0..8_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
    samples::pdf().into_iter().chain(noise).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_under_a_transfer() {
    let mut s3 = S3::start();
    let app = in_bucket(&s3, On::Sqlite).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let large = large();
    let id = id_in(&upload(&owner, patient, "large.pdf", large.clone()).await);
    let (_, conversation) = send(&owner, patient, &id).await;
    // the server dies during a download and comes back: the reader waits a moment and gets the rest
    let mut download = owner.http.get(format!("{}{conversation}/attachments/1", owner.origin)).send().await.unwrap();
    let mut got = download.chunk().await.unwrap().unwrap().to_vec();
    s3.stop();
    let again = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(150));
        s3.go_on();
        s3
    });
    while let Some(chunk) = download.chunk().await.unwrap() {
        got.extend_from_slice(&chunk);
    }
    assert!(got == large, "{} of {}", got.len(), large.len());
    let mut s3 = again.await.unwrap();
    // the server dies and stays away: the download breaks off, and does not end as if it were whole
    let mut download = owner.http.get(format!("{}{conversation}/attachments/1", owner.origin)).send().await.unwrap();
    s3.stop();
    let mut size = 0;
    let broken = loop {
        match download.chunk().await {
            Ok(Some(chunk)) => size += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken && size < large.len());
    // the server dies during an upload: nothing of the file is stored by the clinic, whatever the server has
    s3.go_on();
    let mut other = large.clone();
    other.extend_from_slice(b"other");
    for wait in [2, 10, 30, 60] {
        let (uploading, stopping) = (upload(&owner, patient, "other.pdf", other.clone()), async {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            s3.stop();
        });
        let (answer, ()) = tokio::join!(uploading, stopping);
        s3.go_on();
        match answer.status {
            200 => {
                let (_, conversation) = send(&owner, patient, &id_in(&answer)).await;
                assert!(get(&owner, &format!("{conversation}/attachments/1"), &[]).await.bytes == other);
            }
            _ => assert!(answer.status == 503 && answer.text().contains("could not be stored"), "{}", answer.text()),
        }
    }
    // every row has its file
    let rows = app
        .state
        .db
        .read(|conn| -> Result<Vec<Option<String>>, DbError> { Ok(blobs::table.select(blobs::name).load(conn)?) });
    for name in rows.await.unwrap() {
        assert!(s3.objects().join(name.unwrap()).exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_or_bucket_is_told_apart_from_a_missing_file() {
    let s3 = S3::start();
    let app = in_bucket(&s3, On::Sqlite).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let id = id_in(&upload(&owner, patient, "a.pdf", samples::pdf()).await);
    let blob = app.state.db.read(|conn| -> Result<_, DbError> {
        let only = blobs::table.select(blobs::id).first(conn)?;
        Ok(postern::storage::blob(conn, only)?)
    });
    let blob = blob.await.unwrap();
    let with = |change: fn(&mut postern::config::Bucket)| {
        let mut files = app.state.config.files.clone();
        change(files.bucket.as_mut().unwrap());
        Storage::open(&files).unwrap()
    };
    let said = |storage: &Storage| match storage.read_to_check(&blob) {
        Ok(_) => "read".to_owned(),
        Err(cause @ (StorageError::Io(_) | StorageError::Missing(_))) => cause.to_string(),
        Err(cause) => panic!("{cause}"),
    };
    let wrong_key = with(|bucket| bucket.secret_key = "another".into());
    assert!(said(&wrong_key).contains("403 SignatureDoesNotMatch"), "{}", said(&wrong_key));
    assert!(wrong_key.check().await.is_err());
    let wrong_bucket = with(|bucket| bucket.name = "nobodys".into());
    assert!(wrong_bucket.check().await.unwrap_err().to_string().contains("no bucket of this name"));
    assert!(with(|_| ()).check().await.is_ok());
    std::fs::remove_file(s3.objects().join(blob.name.as_deref().unwrap())).unwrap();
    assert!(said(&with(|_| ())).contains("is missing in storage"));
    assert_eq!(send(&owner, patient, &id).await.0, 303);
}

/// A proxy that speaks TLS with the certificate of the test run's own authority, before a server without TLS; gives its
/// port.
async fn tls_before(port: u16) -> u16 {
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let authority = crate::support::peers::smtp().ca;
    let certificate = CertificateDer::from_pem_file(authority.with_file_name("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(authority.with_file_name("server.key")).unwrap();
    let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor: tokio_rustls::TlsAcceptor =
        std::sync::Arc::new(config.with_single_cert(vec![certificate], key).unwrap()).into();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // a client that does not trust the certificate ends the connection
                let Ok(mut near) = acceptor.accept(stream).await else { return };
                let mut far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
            });
        }
    });
    own
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_ones_own_is_trusted_by_its_authority_alone() {
    let s3 = S3::start();
    let plain = s3.bucket();
    let port = tls_before(plain.endpoint.port().unwrap()).await;
    let endpoint: url::Url = format!("https://127.0.0.1:{port}").parse().unwrap();
    let pem = std::fs::read(crate::support::peers::smtp().ca).unwrap();
    let authority = ureq::tls::Certificate::from_pem(&pem).unwrap();
    for (authorities, status) in [(vec![], 503), (vec![authority], 200)] {
        let bucket = postern::config::Bucket { endpoint: endpoint.clone(), authorities, ..plain.clone() };
        let app = App::start_with_config(On::Sqlite, |all| all.files.bucket = Some(bucket), Delivery::mailbox).await;
        let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
        let got = upload(&owner, patient, "a.pdf", samples::pdf()).await;
        assert_eq!(got.status, status, "{}", got.text());
        if status == 200 {
            let (status, conversation) = send(&owner, patient, &id_in(&got)).await;
            let file = get(&owner, &format!("{conversation}/attachments/1"), &[]).await;
            assert_eq!((status, file.status), (303, 200));
            assert_eq!(file.bytes, samples::pdf());
        }
    }
}
