//! Ten thousand wrong passcodes open nothing, and lock nobody else out.

use crate::support::app::{Actor, Answer, App, On};
use crate::support::world::Like;
use futures_util::{StreamExt, stream};
use postern::access::Role;
use postern::delivery::Delivery;
use std::collections::BTreeMap;
use time::Duration;

const PHONE: &str = "+16135550121";

/// Tries a passcode from one of four addresses.
async fn guess(who: Actor, link: String, number: u32) -> Answer {
    let from = format!("10.1.1.{}", number % 4);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-forwarded-for", from.as_str())];
    let body = format!("passcode={number:06}&day=4&month=3&year=1951");
    who.send("POST", &format!("{link}/session"), &headers, &body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_wrong_passcodes() {
    let app = App::start_with_config(On::Sqlite, |config| config.proxies.are_there = true, Delivery::mailbox).await;
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    let other = app.patient(Like { email: Some("b@example.org".into()), phone: None, ..Like::default() }).await;
    app.message(&staff, other, true).await;
    app.drain().await;
    let (link, theirs) = (app.link_to("maria@example.org"), app.link_to("b@example.org"));
    let guesser = app.anyone();
    guesser.post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
    let right: u32 = app.passcode_to(PHONE).parse().unwrap();
    let wrong = (0..1_000_000).filter(|number| *number != right).take(10_000);
    let tries = stream::iter(wrong).map(|number| guess(guesser.clone(), link.clone(), number)).buffer_unordered(16);
    // meanwhile another patient signs in
    let all = tries.fold(BTreeMap::new(), |mut seen: BTreeMap<u16, u32>, answer| async move {
        *seen.entry(answer.status).or_default() += 1;
        seen
    });
    let ((patient, message), seen) = tokio::join!(app.go_in(&theirs, "b@example.org"), all);
    assert_eq!(patient.get(&message).await.status, 200);
    println!("answers: {seen:?}");
    assert!(seen.keys().all(|status| [422, 429].contains(status)), "{seen:?}");
    assert!(seen.values().sum::<u32>() == 10_000 && seen[&422] > 200, "{seen:?}");
    // by now the right passcode does not work any more, from any address
    let late = guess(guesser.clone(), link.clone(), right).await;
    assert!([422, 429].contains(&late.status));
    // the patient herself is not locked out: a new link works at once, the old one after a while
    let thread = staff.get(&conversation).await.ok();
    staff.submit(&thread, "Send", &[("body", "And another thing")]).await.redirect();
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), PHONE).await;
    assert_eq!(patient.get(&message).await.status, 200);
    app.state.clock.advance(Duration::hours(2));
    app.go_in(&link, PHONE).await;
}
