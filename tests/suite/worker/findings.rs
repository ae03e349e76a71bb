//! Faults that other programs were found to have with mail servers and gateways, and that must not occur here.

use crate::invariants::{project, read};
use crate::on_each;
use crate::support::app::{App, On};
use crate::support::gateways::{AUTH_TOKEN, Twilio};
use crate::support::mail;
use crate::support::peers;
use crate::support::program::{Program, free_port};
use crate::support::world::Like;
use crate::worker::smtp;
use diesel::prelude::*;
use postern::access::Role;
use postern::clock::Clock;
use postern::config::{Kannel, Smtp, Texts, TextsVia, Tls};
use postern::db::NotificationId;
use postern::db::schema::notifications;
use postern::delivery::{Delivery, GatewayKind, ReportKey, SmtpRoad, twilio};
use postern::error::AppError;
use postern::patients::Method;
use std::time::Duration;

on_each!(kannels_reports_come_twice_and_in_any_order);

async fn state(app: &App) -> (String, Option<String>) {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok(notifications::table.select((notifications::state, notifications::reason)).first(conn)?)
    });
    read.await.unwrap()
}

/// A clinic that has tried to send one mail by this server.
async fn tried(smtp: &Smtp, to: &str) -> App {
    let road = SmtpRoad::new(smtp, Clock::system()).unwrap();
    let app = App::start_with(On::Sqlite, |_| Delivery::smtp(road)).await;
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like { email: Some(to.into()), ..Like::default() }).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    let chart = user.get(&format!("/patients/{patient}")).await.ok();
    assert!(!chart.has_text("Mail came back"), "the clinic's fault, not the address's");
    app
}

fn address(name: &str) -> String {
    format!("ok+finding{name}{}@example.org", std::process::id())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_goes_out_in_clear_where_tls_is_wanted() {
    // this server offers no STARTTLS: an attacker in between could have removed the offer
    let plain = Smtp { port: peers::smtp().plain_port, ..smtp::settings(Tls::StartTls) };
    let to = address("clear");
    let app = tried(&plain, &to).await;
    assert_eq!(state(&app).await, ("sending".into(), Some("unreachable".into())));
    assert!(mail::attempts_to(&to).await.is_empty(), "not even the address was said in clear");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_clinics_account_is_refused_marks_no_address() {
    // 535 for a wrong password, 530 for none at all
    let wrong = Smtp { login: Some(("somebody".into(), "wrong".into())), ..smtp::settings(Tls::StartTls) };
    let none = Smtp { login: None, ..smtp::settings(Tls::StartTls) };
    for (name, smtp) in [("wrong", wrong), ("none", none)] {
        let to = address(name);
        let app = tried(&smtp, &to).await;
        assert_eq!(state(&app).await, ("sending".into(), Some("login".into())), "{name}");
        assert!(mail::messages_to(&to).await.is_empty());
    }
    // nothing listens at this port
    let gone = Smtp { port: free_port(), ..smtp::settings(Tls::None) };
    let app = tried(&gone, &address("gone")).await;
    assert_eq!(state(&app).await, ("sending".into(), Some("unreachable".into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_is_the_mail_servers() {
    let to = address("dkim");
    let app = tried(&smtp::settings(Tls::None), &to).await;
    assert_eq!(state(&app).await.0, "sent");
    let mails = mail::messages_to(&to).await;
    assert!(!mails[0].raw.to_lowercase().contains("dkim-signature"));
    // lettre's own DKIM signing would bring in `rsa`, which has an advisory without a fix
    let lock = read(&project("Cargo.lock"));
    // passkeys verify signatures with `rsa`; the mail library must not sign with it
    let lettre = lock.split("[[package]]").find(|package| package.contains("name = \"lettre\"\n")).expect("lettre");
    assert!(!lettre.contains("\"rsa\""), "{lettre}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_the_signature_is_over_the_public_address() {
    let peer = Twilio::start();
    let app = App::start_texts(On::Sqlite, peer.texts()).await;
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like { method: Method::Sms, ..Like::default() }).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    peer.settled().await;
    let callback = peer.taken().await[0].callback.clone().unwrap();
    let path = callback.strip_prefix(app.origin.as_str()).unwrap().to_owned();
    let fields = [("MessageStatus".to_owned(), "delivered".to_owned())];
    let inside = format!("http://postern.internal:8080{path}");
    for (signed, status) in [(&callback, 204), (&inside, 403)] {
        let signature = twilio::signature(AUTH_TOKEN, signed, &fields).unwrap();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-twilio-signature", signature.as_str()),
            ("host", "postern.internal:8080"),
            ("x-forwarded-host", "postern.internal:8080"),
            ("x-forwarded-proto", "http"),
        ];
        let answer = app.anyone().send("POST", &path, &headers, "MessageStatus=delivered").await;
        assert_eq!(answer.status, status, "signed for {signed}");
    }
}

const PASSWORD: &str = "kannels-own-password-77";

fn kannel(port: u16) -> Texts {
    let account = Kannel {
        url: format!("http://127.0.0.1:{port}/cgi-bin/sendsms").parse().unwrap(),
        user: "clinic".into(),
        password: PASSWORD.into(),
        from: String::new(),
    };
    Texts { timeout: Duration::from_secs(2), via: TextsVia::Kannel(account) }
}

async fn kannels_reports_come_twice_and_in_any_order(on: On) {
    for (reports, end) in [
        (&["8", "4", "1", "1", "8"][..], ("delivered", None)),
        (&["1", "8", "4"], ("delivered", None)),
        (&["1", "2", "16"], ("delivered", None)),
        (&["2", "8", "1", "2"], ("failed", Some("not_delivered"))),
        (&["16", "16", "1"], ("failed", Some("gateway_refused"))),
        (&["", "0", "32", "delivered", "8"], ("sent", None)),
    ] {
        let app = App::start_texts(on, kannel(free_port())).await;
        let user = app.user(Role::Staff).await;
        let patient = app.patient(Like { method: Method::Sms, ..Like::default() }).await;
        app.message(&user, patient, true).await;
        let read = app.state.db.read(|conn| -> Result<String, AppError> {
            let key = ReportKey::derive(&postern::settings::cookie_key(conn)?);
            let uid = postern::notifications::uid(conn, NotificationId(1))?.unwrap();
            Ok(key.receipts(GatewayKind::Kannel, NotificationId(1), &uid))
        });
        let path = read.await.unwrap();
        for report in reports {
            // Kannel does not sign its reports, so the secret is in the address
            assert_eq!(app.anyone().get(&format!("{path}x?report=1")).await.status, 404);
            assert_eq!(app.anyone().get(&format!("{path}?report={report}")).await.status, 204, "{report}");
        }
        assert_eq!(state(&app).await, (end.0.to_owned(), end.1.map(str::to_owned)), "{reports:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kannels_password_is_in_no_log() {
    let port = free_port();
    let app = App::start_texts(On::Sqlite, kannel(port)).await;
    app.at_present();
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like { method: Method::Sms, ..Like::default() }).await;
    app.message(&user, patient, true).await;
    let url = format!("http://127.0.0.1:{port}/cgi-bin/sendsms");
    // the most detailed log, of the libraries too
    let more = [
        ("POSTERN_LOG", "trace,hyper_util=trace,reqwest=trace,postern=trace"),
        ("POSTERN_TEXTS_GATEWAY", "kannel"),
        ("POSTERN_KANNEL_URL", &url),
        ("POSTERN_KANNEL_USER", "clinic"),
        ("POSTERN_KANNEL_PASSWORD", PASSWORD),
    ];
    let worker = Program::worker(&app, &more);
    for _ in 0..200 {
        if state(&app).await == ("sending".into(), Some("unreachable".into())) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(state(&app).await, ("sending".into(), Some("unreachable".into())), "{}", worker.log());
    let log = worker.log();
    assert!(log.contains("kannel"), "{log}");
    for secret in [PASSWORD, "6135550121", "/portal/link/", "Your results"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
