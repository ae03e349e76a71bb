//! Webhooks: returned mail that a mail server posts.

use crate::support::app::{App, On};
use crate::support::world::Like;
use crate::{on_both, on_each};
use diesel::prelude::*;
use postern::access::Role;
use postern::config::Bounces;
use postern::db::schema::notifications;
use postern::delivery::{Delivery, ReportKey};
use postern::error::AppError;
use std::time::Duration;

on_each!(returned_mail_is_posted);
on_both!(without_an_address_there_is_no_hook);

/// A delivery status notification (RFC 3464) for the mail with this tag.
pub fn returned(uid: &str, action: &str, status: &str) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@mail.example.org\r\nTo: bounces+{uid}@clinic.example\r\nSubject: Undelivered\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\r\n\r\n\
         --B\r\nContent-Type: text/plain\r\n\r\nsorry\r\n\
         --B\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example.org\r\n\r\n\
         Final-Recipient: rfc822; maria@example.org\r\nAction: {action}\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; 550 no\r\n\r\n--B--\r\n"
    )
    .into_bytes()
}

async fn state(app: &App) -> (String, Option<String>) {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok(notifications::table.select((notifications::state, notifications::reason)).first(conn)?)
    });
    read.await.unwrap()
}

pub async fn path(app: &App, what: &'static str) -> String {
    let read = app.state.db.read(move |conn| -> Result<String, AppError> {
        Ok(ReportKey::derive(&postern::settings::cookie_key(conn)?).path(what))
    });
    read.await.unwrap()
}

pub async fn post(app: &App, path: &str, body: Vec<u8>) -> (u16, String) {
    // as a mail server would: no cookie, no origin
    let request = reqwest::Client::new().post(format!("{}{path}", app.origin));
    let answer = request.header("content-type", "message/rfc822").body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn returned_mail_is_posted(on: On) {
    let bounces =
        Bounces { address: "bounces@clinic.example".parse().unwrap(), imap: None, every: Duration::from_secs(60) };
    let app = App::start_with_config(on, |config| config.bounces = Some(bounces), Delivery::mailbox).await;
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&user, patient, true).await;
    app.drain().await;
    let uid = app.newest_to("maria@example.org").message_uid;
    let hook = path(&app, "bounces").await;
    let gone = || returned(&uid, "failed", "5.1.1");
    let sent = ("sent".to_owned(), None);

    // with a missing, wrong or foreign secret the answer is "not found", and nothing changes
    for wrong in ["/hooks/bounces", "/hooks/bounces/", "/hooks/bounces/x", &path(&app, "kannel/texts").await] {
        let (status, _) = post(&app, wrong, gone()).await;
        assert!([404, 405].contains(&status), "{wrong}: {status}");
    }
    let foreign = format!("/hooks/bounces/{}", path(&app, "twilio/texts").await.rsplit('/').next().unwrap());
    assert_eq!(post(&app, &foreign, gone()).await.0, 404);
    assert_eq!(app.anyone().get(&hook).await.status, 404, "no GET");
    assert_eq!(state(&app).await, sent);

    // other mail is accepted, so that it is not posted for ever, and changes nothing
    let cut = gone()[..200].to_vec();
    let strange: [Vec<u8>; 7] = [
        Vec::new(),
        b"\0\xff\xfe".to_vec(),
        b"{\"bounce\": true}".to_vec(),
        cut,
        returned("unknown-tag", "failed", "5.1.1"),
        returned(&uid, "delayed", "4.4.1"),
        returned(&format!("{uid}x"), "failed", "5.1.1"),
    ];
    for body in strange {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(post(&app, &hook, body).await, (204, String::new()), "{shown}");
        assert_eq!(state(&app).await, sent, "{shown}");
    }
    // a mail that is nested too deep is not read, and one with a wrong secret is not parsed at all
    let deep = crate::worker::returned::nested(postern::delivery::mime::DEEPEST + 1, &uid);
    assert_eq!(post(&app, &hook, deep.clone()).await.0, 204);
    assert_eq!(post(&app, &foreign, deep).await.0, 404);
    assert_eq!(state(&app).await, sent);
    // a mail that is larger than any returned mail
    assert_eq!(post(&app, &hook, vec![b'x'; 30_000_000]).await.0, 413);

    // the right mail, and the same mail again
    let mut rows = None;
    for _ in 0..2 {
        assert_eq!(post(&app, &hook, gone()).await, (204, String::new()));
        assert_eq!(state(&app).await, ("bounced".into(), Some("no_mailbox".into())));
        let now = app
            .state
            .db
            .read(|conn| Ok::<_, AppError>(postern::audit::verify(conn, None)))
            .await
            .unwrap()
            .unwrap()
            .rows;
        assert_eq!(*rows.get_or_insert(now), now, "a repeat leaves no row");
    }
    assert!(user.get(&conversation).await.ok().has_text("the notification came back"));
    // the tag is found in whatever case a mail server writes it
    app.patient(Like { email: Some("ada@example.org".into()), ..Like::default() }).await;
    app.message(&user, postern::db::PatientId(2), true).await;
    app.drain().await;
    let uid = app.newest_to("ada@example.org").message_uid.to_uppercase();
    assert_eq!(post(&app, &hook, returned(&uid, "failed", "5.2.2")).await.0, 204);
    let page = user.get("/outbox?state=bounced").await.ok();
    assert_eq!(page.count("table tbody tr"), 2);
}

async fn without_an_address_there_is_no_hook(app: App) {
    let hook = path(&app, "bounces").await;
    assert_eq!(post(&app, &hook, returned("x", "failed", "5.1.1")).await.0, 404);
}
