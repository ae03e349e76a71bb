//! Notifications through a real SMTP server, which also defers, rejects, hangs and drops.

use crate::support::app::{App, On};
use crate::support::world::Like;
use crate::support::{mail, peers};
use postern::access::Role;
use postern::clock::Clock;
use postern::config::{Smtp, Tls};
use postern::delivery::{Delivery, SmtpRoad};
use std::time::Duration;

fn road(port: u16, tls: Tls, password: Option<&str>) -> Delivery {
    let sink = peers::smtp();
    let smtp = Smtp {
        host: sink.host.clone(),
        port,
        tls,
        login: password.map(|password| (sink.user.clone(), password.to_owned())),
        from: "clinic@example.org".into(),
        timeout: Duration::from_secs(2),
        ca: Some(std::fs::read(&sink.ca).unwrap()),
    };
    Delivery::smtp(SmtpRoad::new(&smtp, Clock::system()).unwrap())
}

/// Sends a message to this address over this road; gives the app, its user, and the conversation's path.
async fn sent(address: &str, delivery: Delivery) -> (App, crate::support::app::Actor, String) {
    let app = App::start_with(On::Sqlite, |_| delivery).await;
    let staff = app.user(Role::Staff).await;
    let patient = app.patient(Like { email: Some(address.into()), phone: None, ..Like::default() }).await;
    let conversation = app.message(&staff, patient, true).await;
    app.drain().await;
    (app, staff, conversation)
}

#[tokio::test(flavor = "multi_thread")]
async fn arrives_whole_over_each_kind_of_connection() {
    let sink = peers::smtp();
    let roads = [
        (sink.plain_port, Tls::None, None),
        (sink.starttls_port, Tls::StartTls, Some(sink.password.as_str())),
        (sink.implicit_tls_port, Tls::Implicit, Some(sink.password.as_str())),
    ];
    for (at, (port, tls, password)) in roads.into_iter().enumerate() {
        let address = format!("whole{at}@example.org");
        let (_app, staff, conversation) = sent(&address, road(port, tls, password)).await;
        assert!(staff.get(&conversation).await.ok().has_text("Email: Sent"), "road {at}");
        let mails = mail::messages_to(&address).await;
        assert_eq!(mails.len(), 1);
        let mail = &mails[0];
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        assert!(mail.header("Message-ID").contains("@example.org"));
        assert!(!mail.header("Date").is_empty() && mail.header("From").contains("Clinic"));
        assert!(mail.text.as_deref().unwrap_or_default().contains("/portal/link/"));
        assert!(mail.html.as_deref().unwrap_or_default().contains("Read Message"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_named_and_tried_again_where_that_can_help() {
    let sink = peers::smtp();
    for (address, state, reason) in [
        ("defer+n@example.org", "Sending", "asked to wait"),
        ("reject+n@example.org", "Failed", "the address was refused"),
        ("hang+n@example.org", "Sending", "no answer in time"),
    ] {
        let (_app, staff, conversation) = sent(address, road(sink.plain_port, Tls::None, None)).await;
        let page = staff.get(&conversation).await.ok();
        assert!(page.has_text(&format!("Email: {state}")) && page.has_text(reason), "{address}: {}", page.text());
    }
    let (_app, staff, conversation) =
        sent("login@example.org", road(sink.starttls_port, Tls::StartTls, Some("wrong"))).await;
    let page = staff.get(&conversation).await.ok();
    // our own fault never marks a patient's address
    assert!(page.has_text("refused our name and password") && page.has_text("Email: Sending"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_recognisable_by_its_message_id() {
    let sink = peers::smtp();
    let address = "drop1+again@example.org";
    let (app, staff, conversation) = sent(address, road(sink.plain_port, Tls::None, None)).await;
    assert!(staff.get(&conversation).await.ok().has_text("Email: Sending"));
    app.state.clock.advance(time::Duration::minutes(30));
    app.drain().await;
    assert!(staff.get(&conversation).await.ok().has_text("Email: Sent"));
    let mails = mail::messages_to(address).await;
    let ids: std::collections::HashSet<&str> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.len(), 1, "{} copies", mails.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_without_a_gateway_fail_and_say_so() {
    let app = App::start_with(On::Sqlite, Delivery::mailbox_without_texts).await;
    let staff = app.user(Role::Staff).await;
    let patient = app.patient(Like { email: None, method: postern::chart::Method::Sms, ..Like::default() }).await;
    let conversation = app.message(&staff, patient, true).await;
    app.drain().await;
    let page = staff.get(&conversation).await.ok();
    assert!(page.has_text("Text message: Failed") && page.has_text("no text-message gateway is configured"));
    assert!(staff.get("/outbox").await.ok().has_text("no text-message gateway is configured"));
}
