//! Notifications through a real SMTP server, which also defers, refuses, hangs and cuts the connection.

use crate::support::app::{App, On};
use crate::support::mail;
use crate::support::peers;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::clock::Clock;
use postern::config::{Smtp, Tls};
use postern::db::schema::notifications;
use postern::delivery::{Delivery, SmtpRoad};
use postern::error::AppError;
use std::time::{Duration, Instant};

pub fn settings(tls: Tls) -> Smtp {
    let sink = peers::smtp();
    let (port, login) = match tls {
        Tls::None => (sink.plain_port, None),
        Tls::StartTls => (sink.starttls_port, Some((sink.user, sink.password))),
        Tls::Implicit => (sink.implicit_tls_port, Some((sink.user, sink.password))),
    };
    Smtp {
        host: sink.host,
        port,
        tls,
        login,
        from: "clinic@postern.example".into(),
        timeout: Duration::from_secs(2),
        ca: Some(std::fs::read(sink.ca).unwrap()),
    }
}

/// A clinic that sends by this server, with one message queued for this address; also gives the user and the path of
/// the conversation.
async fn clinic(smtp: Smtp, to: &str) -> (App, crate::support::app::Actor, String) {
    let road = SmtpRoad::new(&smtp, Clock::system()).unwrap();
    let app = App::start_with(On::Sqlite, |_| Delivery::smtp(road)).await;
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(Like { email: Some(to.into()), ..Like::default() }).await;
    let conversation = app.message(&user, patient, true).await;
    app.drain().await;
    (app, user, conversation)
}

async fn state(app: &App) -> (String, Option<String>) {
    let read = app.state.db.read(|conn| -> Result<(String, Option<String>), AppError> {
        Ok(notifications::table.select((notifications::state, notifications::reason)).first(conn)?)
    });
    read.await.unwrap()
}

fn is(state: &str, reason: Option<&str>) -> (String, Option<String>) {
    (state.into(), reason.map(str::to_owned))
}

/// An address of this test in this run only, because the server is shared, and may serve several runs.
fn address(fault: &str, name: &str) -> String {
    format!("{fault}+{name}{}@example.org", std::process::id())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_arrives_by_every_kind_of_tls() {
    for (tls, listener) in [(Tls::None, "plain"), (Tls::StartTls, "starttls"), (Tls::Implicit, "implicit_tls")] {
        let to = address("ok", listener);
        let (app, user, conversation) = clinic(settings(tls), &to).await;
        assert_eq!(state(&app).await, is("sent", None), "{listener}");
        assert!(user.get(&conversation).await.ok().has_text("Sent"));
        let mails = mail::messages_to(&to).await;
        assert_eq!(mails.len(), 1);
        let mail = &mails[0];
        assert_eq!(mail.listener, listener);
        assert_eq!(mail.user.is_some(), listener != "plain");
        assert_eq!(mail.from, "clinic@postern.example");
        assert!(
            mail.text.as_ref().unwrap().contains("/portal/link/")
                && mail.html.as_ref().unwrap().contains("/portal/link/")
        );
        assert_eq!(mail.header("auto-submitted"), "auto-generated");
        assert!(mail.header("message-id").ends_with("@postern.example>") && !mail.header("date").is_empty());
        assert!(mail.header("from").contains("clinic@postern.example") && mail.header("to").contains(&to));
        assert!(mail.attachments.is_empty() && !mail.raw.contains("results"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deferred_is_tried_again() {
    let to = address("flaky2", "again");
    let (app, user, conversation) = clinic(settings(Tls::None), &to).await;
    assert_eq!(state(&app).await, is("sending", Some("deferred")));
    user.get(&conversation).await.ok();
    assert_eq!(app.drain().await, 0, "not before its time");
    for _ in 0..2 {
        app.state.clock.advance(time::Duration::seconds(30));
        app.drain().await;
    }
    assert_eq!(state(&app).await.0, "sent");
    assert_eq!((mail::messages_to(&to).await.len(), mail::attempts_to(&to).await.len()), (1, 3));

    let to = address("defer", "forever");
    let (app, ..) = clinic(settings(Tls::None), &to).await;
    app.state.clock.advance(time::Duration::hours(25));
    app.drain().await;
    assert_eq!(state(&app).await, is("failed", Some("gave_up")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_has_failed_and_the_page_says_so() {
    let to = address("reject", "page");
    let (app, user, conversation) = clinic(settings(Tls::None), &to).await;
    assert_eq!(state(&app).await, is("failed", Some("no_mailbox")));
    assert!(user.get("/patients/1").await.ok().has_text("Mail came back on 4 March 2026"));
    let page = user.get(&conversation).await.ok();
    page.form_with("Send again");
    app.state.clock.advance(time::Duration::hours(2));
    assert_eq!(app.drain().await, 0);
    assert_eq!(mail::attempts_to(&to).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_holds_nobody_up() {
    for (to, port) in [
        (address("hang", "rcpt"), None),
        (address("hangdata", "data"), None),
        (address("ok", "silent"), Some(peers::smtp().silent_port)),
    ] {
        let mut smtp = settings(Tls::None);
        smtp.port = port.unwrap_or(smtp.port);
        let road = SmtpRoad::new(&smtp, Clock::system()).unwrap();
        let app = App::start_with(On::Sqlite, |_| Delivery::smtp(road)).await;
        let user = app.user(Role::Clinician).await;
        let patient = app.patient(Like { email: Some(to.clone()), ..Like::default() }).await;
        app.message(&user, patient, true).await;
        let from = Instant::now();
        app.drain().await;
        assert!(from.elapsed() < Duration::from_secs(4), "{to}: {:?}", from.elapsed());
        assert_eq!(state(&app).await, is("sending", Some("timed_out")), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_the_clinics_fault() {
    for user in [peers::smtp().user, "busy".into(), "somebody".into()] {
        let smtp = Smtp { login: Some((user, "wrong".into())), ..settings(Tls::StartTls) };
        let (app, ..) = clinic(smtp, &address("ok", "login")).await;
        assert_eq!(state(&app).await, is("sending", Some("login")));
    }
    // a server whose certificate no trusted authority has signed is not used
    let (app, ..) = clinic(Smtp { ca: None, ..settings(Tls::StartTls) }, &address("ok", "ca")).await;
    assert_eq!(state(&app).await, is("sending", Some("unreachable")));
    assert!(mail::messages_to(&address("ok", "ca")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_copy_can_be_told_by_its_id() {
    let to = address("drop1", "copy");
    let (app, ..) = clinic(settings(Tls::None), &to).await;
    assert_eq!(state(&app).await.0, "sending");
    app.state.clock.advance(time::Duration::minutes(1));
    app.drain().await;
    assert_eq!(state(&app).await.0, "sent");
    let mails = mail::messages_to(&to).await;
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("message-id"), mails[1].header("message-id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_gateway_a_text_fails_and_the_page_says_so() {
    let app = App::start_with(On::Sqlite, Delivery::mailbox_without_texts).await;
    let user = app.user(Role::Clinician).await;
    let like = Like { email: None, method: postern::patients::Method::Sms, ..Like::default() };
    let patient = app.patient(like).await;
    let conversation = app.message(&user, patient, true).await;
    app.drain().await;
    assert_eq!(state(&app).await, is("failed", Some("no_gateway")));
    let words = postern::text::Lang::or_english("en").t_of("reason", "no_gateway");
    assert!(!words.is_empty() && user.get(&conversation).await.ok().has_text(words));
}
