//! `/portal`: signing in by saying who one is. Nothing shows whether the claim was true.

use crate::on_both;
use crate::support::app::{Actor, Answer, App, On};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::portal_links;
use postern::delivery::Delivery;
use postern::error::AppError;
use std::time::Instant;
use time::Duration;

on_both!(
    a_true_claim_leads_in,
    a_false_claim_looks_the_same,
    a_claim_that_is_locked_locks_no_link,
    only_what_the_clinic_allows,
    claims_are_forgotten,
);

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";

async fn claim(who: &Actor, number: &str, contact: &str) -> Answer {
    let page = who.get("/portal").await.ok();
    who.submit(&page, "Send me my passcode", &[("number", number), ("contact", contact)]).await
}

async fn login(who: &Actor, link: &str, passcode: &str, day: &str) -> Answer {
    let fields = [("passcode", passcode), ("day", day), ("month", "3"), ("year", "1951")];
    who.post(&format!("{link}/session"), &fields).await
}

async fn a_true_claim_leads_in(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    // earlier notifications are sent first, because passcodes have a lane of their own
    app.drain().await;
    for (contact, at) in [("MARIA@example.org", EMAIL), ("(613) 555-0121", PHONE)] {
        let patient = app.anyone();
        // a patient whose session has ended comes back to where they were
        let over = patient.get("/portal/messages/1").await.redirect();
        assert_eq!(over, "/portal?back=/portal/messages/1");
        let page = patient.get(&over).await.ok();
        let fields = [("number", "943-476-5919"), ("contact", contact)];
        let link = patient.submit(&page, "Send me my passcode", &fields).await.redirect();
        app.drain().await;
        // the passcode is sent to the address that was named, and to no other
        let page = patient.get(&link).await.ok();
        let passcode = app.passcode_to(at);
        let fields = [("passcode", passcode.as_str()), ("day", "4"), ("month", "3"), ("year", "1951")];
        let to = patient.submit(&page, "Login", &fields).await.redirect();
        assert_eq!(to, "/portal/messages/1");
        assert!(patient.get(&to).await.ok().has_text("Your results"));
        app.state.clock.advance(Duration::minutes(1));
    }
}

async fn a_false_claim_looks_the_same(app: App) {
    app.patient(Like::default()).await;
    app.patient(Like { email: Some("off@example.org".into()), portal_access: false, ..Like::default() }).await;
    let mut pages = Vec::new();
    for (number, contact) in [
        ("9434765919", EMAIL),
        ("9434765919", "other@example.org"),
        ("1111111", EMAIL),
        ("9434765919", "off@example.org"),
    ] {
        let who = app.anyone();
        let link = claim(&who, number, contact).await.redirect();
        let path = link.split('?').next().unwrap().to_owned();
        let token = path.rsplit('/').next().unwrap().to_owned();
        let before = who.get(&link).await;
        app.drain().await;
        let after = who.get(&link).await;
        let tried = login(&who, &path, "000000", "4").await;
        assert_eq!(tried.status, 422);
        let again = who.post(&format!("{path}/passcode"), &[]).await;
        assert_eq!(again.status, 303);
        pages.push([before, after, tried].map(|answer| answer.body.replace(&token, "TOKEN")));
    }
    for page in &pages[1..] {
        assert_eq!(page, &pages[0], "the page tells whether there is such a patient");
    }
    assert_eq!(app.mailbox.newest_first().len(), 1, "somebody else was written to");
}

async fn a_claim_that_is_locked_locks_no_link(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let message = app.link_to(EMAIL);
    let guesser = app.anyone();
    for contact in [EMAIL, "nobody@example.org"] {
        let link = claim(&guesser, "9434765919", contact).await.redirect();
        app.drain().await;
        for _ in 0..6 {
            assert_eq!(login(&guesser, &link, "000000", "4").await.status, 422);
        }
        // the same claim made again is locked too, and a false claim is answered the same
        let again = claim(&guesser, "943 476 5919", contact).await.redirect();
        let page = guesser.get(&again).await.ok();
        assert!(page.has_text("Too many tries") && page.has_text("at 9:03"), "{}", page.text());
    }
    // the link in a notification still signs in
    app.go_in(&message, PHONE).await;
    // the clinic sees the lock, and removes it
    let chart = staff.get(&format!("/patients/{maria}")).await.ok();
    assert!(chart.has_text("tried too often"));
    staff.submit(&chart, "Unlock", &[]).await.redirect();
    assert!(!staff.get(&format!("/patients/{maria}")).await.ok().has_text("tried too often"));
    let patient = app.anyone();
    let link = claim(&patient, "9434765919", EMAIL).await.redirect();
    app.drain().await;
    assert_eq!(login(&patient, &link, &app.passcode_to(EMAIL), "4").await.status, 303);
}

async fn only_what_the_clinic_allows(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let information = owner.get(&format!("/patients/{maria}/information")).await.ok();
    owner.submit(&information, "Save", &[("passport", "ab 123456")]).await.redirect();
    assert!(owner.get(&format!("/patients/{maria}")).await.ok().has_text("ab 123456"));
    let nobody = app.anyone();
    let passport = [("kind", "passport"), ("number", "AB123456"), ("contact", EMAIL)];
    assert_eq!(nobody.post("/portal/entry", &passport).await.status, 422, "not allowed yet");
    let settings = owner.get("/settings/patient-portal").await.ok();
    owner.submit(&settings, "Save", &[("identifier", "passport")]).await.redirect();
    let link = nobody.post("/portal/entry", &passport).await.redirect();
    app.drain().await;
    assert_eq!(login(&nobody, &link, &app.passcode_to(EMAIL), "4").await.redirect(), "/portal/messages");
    // a claim that cannot be read is explained, and what was typed is kept
    let wrong = app.anyone().post("/portal/entry", &[("kind", "passport"), ("number", "x"), ("contact", "y")]).await;
    assert_eq!(wrong.status, 422);
    let page = wrong.page();
    assert!(page.has("#number-error") && page.has("#contact-error") && page.has("#contact[value=y]"));
}

async fn claims_are_forgotten(app: App) {
    claim(&app.anyone(), "1234567", "nobody@example.org").await.redirect();
    app.drain().await;
    let claims = || app.state.db.read(|conn| Ok::<i64, AppError>(portal_links::table.count().get_result(conn)?));
    let forget = |now| app.state.db.write(move |tx| Ok::<_, AppError>(postern::portal_links::forget_claims(tx, now)?));
    forget(app.state.clock.now()).await.unwrap();
    assert_eq!(claims().await.unwrap(), 1);
    app.state.clock.advance(Duration::days(2));
    forget(app.state.clock.now()).await.unwrap();
    assert_eq!(claims().await.unwrap(), 0);
}

/// The seconds until a claim is answered. Each claim comes from another address, so that no limit refuses it.
async fn seconds(app: &App, who: &Actor, turn: usize, contact: &str) -> f64 {
    let from = format!("10.0.{}.{}", turn / 200, turn % 200);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-forwarded-for", from.as_str())];
    let body = format!("kind=health_number&number=9434765919&contact={contact}");
    let begun = Instant::now();
    let answer = who.send("POST", "/portal/entry", &headers, &body).await;
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(answer.status, 303);
    // so that the next claim requests a new passcode
    app.state.clock.advance(Duration::seconds(30));
    took
}

/// A true and a false claim take the same time. They are made in turns, so that other work on the machine hits both,
/// and the medians are compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_and_a_miss_take_alike_long() {
    let app = App::start_with_config(On::Sqlite, |config| config.proxies.are_there = true, Delivery::mailbox).await;
    app.patient(Like::default()).await;
    let who = app.anyone();
    let mut ratio = 0.0;
    // other work on the machine may spoil one round, but hardly three
    for round in 0..3 {
        let (mut matches, mut misses) = (Vec::new(), Vec::new());
        for turn in 0..60 {
            matches.push(seconds(&app, &who, round * 60 + turn, "maria%40example.org").await);
            misses.push(seconds(&app, &who, round * 60 + turn, "other%40example.org").await);
        }
        let middle = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        ratio = middle(&mut matches) / middle(&mut misses);
        println!("round {round}: a match took {ratio:.2} times as long as a miss");
        if (0.8..1.25).contains(&ratio) {
            return;
        }
    }
    panic!("a match takes {ratio:.2} times as long as a miss");
}
