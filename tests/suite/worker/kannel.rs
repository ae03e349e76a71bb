//! Texts by a real Kannel, whose text centre accepts, refuses, defers and reports.

use crate::support::app::{App, On};
use crate::support::gateways::Kannel;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::config::TextsVia;
use postern::db::schema::notifications;
use postern::error::AppError;
use postern::patients::Method;
use std::time::Duration;

fn like(phone: &str) -> Like {
    Like { phone: Some(phone.into()), method: Method::Sms, ..Like::default() }
}

/// Waits until the notifications, oldest first, have these states and reasons: reports arrive at any time.
async fn become_these(app: &App, expected: &[(&str, Option<&str>)]) {
    let expected: Vec<(String, Option<String>)> =
        expected.iter().map(|(state, reason)| ((*state).to_owned(), reason.map(str::to_owned))).collect();
    let mut found = Vec::new();
    for _ in 0..200 {
        let read = app.state.db.read(|conn| -> Result<Vec<(String, Option<String>)>, AppError> {
            let columns = (notifications::state, notifications::reason);
            Ok(notifications::table.order(notifications::id).select(columns).load(conn)?)
        });
        found = read.await.unwrap();
        if found == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{found:?} did not become {expected:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kannel_takes_refuses_and_reports() {
    let kannel = Kannel::start();
    let app = App::start_texts(On::Sqlite, kannel.texts()).await;
    let user = app.user(Role::Clinician).await;
    for phone in ["+16135550121", "+16135550101", "+16135550102", "+16135550103"] {
        let patient = app.patient(like(phone)).await;
        app.message(&user, patient, true).await;
    }
    app.drain().await;
    let ends = [
        ("delivered", None),
        ("failed", Some("gateway_refused")),
        ("delivered", None),
        ("failed", Some("not_delivered")),
    ];
    become_these(&app, &ends).await;
    let texts = kannel.at_centre().await;
    assert_eq!(texts.len(), 3, "{texts:?}");
    let first = texts.iter().find(|text| text.to == "16135550121").unwrap();
    assert!(first.coding == 0 && first.text.contains("/portal/link/"), "{first:?}");
    // characters that the seven-bit alphabet lacks are sent as UCS-2, and arrive whole
    let settings = [("name", "Clinique de la Forêt"), ("time_zone", "America/Toronto"), ("language", "fr")];
    app.user(Role::Owner).await.post("/settings/clinic", &settings).await.redirect();
    let patient = app.patient(Like { language: "fr", ..like("+16135550144") }).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    become_these(&app, &[&ends[..], &[("delivered", None)]].concat()).await;
    let texts = kannel.at_centre().await;
    let parts: Vec<_> = texts.iter().filter(|text| text.to == "16135550144").collect();
    assert!(!parts.is_empty() && parts.iter().all(|text| text.coding == 8), "{parts:?}");
    assert!(parts.iter().any(|text| text.text.contains("Forêt")), "{parts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_says_stop_and_start_to_kannel() {
    let kannel = Kannel::start();
    let app = App::start_texts(On::Sqlite, kannel.texts()).await;
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(like("+16135550121")).await;
    let page = app.user(Role::Owner).await.get("/settings/gateways").await.ok();
    let text = page.text();
    let at = text.find(&format!("{}/hooks/", app.origin)).unwrap();
    let url = text[at..].split_whitespace().next().unwrap();
    kannel.forward(url.split('?').next().unwrap()).await;
    let answered = |words: &'static str| {
        let kannel = &kannel;
        async move {
            for _ in 0..100 {
                if kannel.at_centre().await.iter().any(|text| text.to == "16135550121" && text.text.contains(words)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("no answer with {words:?}: {:?}", kannel.at_centre().await);
        }
    };
    kannel.come_in("16135550121", "STOP").await;
    answered("Text START to get them again").await;
    let chart = format!("/patients/{patient}");
    assert!(user.get(&chart).await.ok().has_text("Texts stopped"));
    // the placeholders that Kannel fills in are those that the page shows
    assert!(url.ends_with("?from=%p&text=%b&id=%I&charset=%C"), "{url}");
    kannel.come_in("16135550121", "start").await;
    answered("you will get texts from us again").await;
    assert!(!user.get(&chart).await.ok().has_text("Texts stopped"));
    kannel.come_in("16135550121", "ARRÊTEZ svp").await;
    for _ in 0..100 {
        if user.get(&chart).await.ok().has_text("Texts stopped") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(user.get(&chart).await.ok().has_text("Texts stopped"), "UCS-2 is read");
    kannel.come_in("16135550121", "START please").await;
    for _ in 0..100 {
        if !user.get(&chart).await.ok().has_text("Texts stopped") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!user.get(&chart).await.ok().has_text("Texts stopped"));
    kannel.come_in("16135550121", "Help").await;
    answered("we text you when a message waits").await;
    app.message(&user, patient, true).await;
    app.drain().await;
    become_these(&app, &[("delivered", None)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_at_kannel_is_the_clinics_fault() {
    let kannel = Kannel::start();
    let mut texts = kannel.texts();
    let TextsVia::Kannel(account) = &mut texts.via else { unreachable!() };
    account.password = "wrong".into();
    let app = App::start_texts(On::Sqlite, texts).await;
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(like("+16135550121")).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    become_these(&app, &[("sending", Some("gateway_login"))]).await;
}
