//! When a session ends, nothing that was typed is lost.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;
use time::Duration;

on_both!(
    a_press_gives_more_time,
    a_session_ends_in_any_case,
    what_was_typed_outlives_the_session,
    only_their_own_browser_keeps_their_words,
    stay_logged_in_is_shown_and_ended_everywhere,
);

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";

struct Inside {
    staff: Actor,
    patient: Actor,
    message: String,
    chart: String,
}

async fn inside(app: &App) -> Inside {
    let staff = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    Inside { staff, patient, message, chart: format!("/patients/{maria}") }
}

async fn press(patient: &Actor) -> Option<i64> {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let answer = patient.send("POST", "/portal/session", &[("accept", "application/json"), form], "").await;
    let json: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    (answer.status == 200).then(|| json.unwrap()["expires_in"].as_i64().unwrap())
}

async fn a_press_gives_more_time(app: App) {
    let Inside { patient, message, .. } = inside(&app).await;
    let page = patient.get(&message).await.ok();
    assert!(page.has("dialog[data-expires-in='1800']") && page.has_text("You will be logged out on"));
    app.state.clock.advance(Duration::minutes(25));
    assert_eq!(press(&patient).await, Some(30 * 60));
    app.state.clock.advance(Duration::minutes(25));
    // the same without scripts, which leads back to the page
    let page = patient.get(&message).await.ok();
    let back = patient.submit(&page, "Give me more time", &[]).await.redirect();
    assert_eq!(back, message);
    app.state.clock.advance(Duration::minutes(31));
    assert_eq!(press(&patient).await, None);
    assert_eq!(patient.get(&message).await.says(), (format!("/portal?back={message}"), "session-over".into()));
}

async fn a_session_ends_in_any_case(app: App) {
    let Inside { staff, .. } = inside(&app).await;
    let settings = staff.get("/settings/patient-portal").await.ok();
    staff.submit(&settings, "Save", &[("portal_longest_hours", "1")]).await.redirect();
    app.state.clock.advance(Duration::minutes(1));
    let (patient, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    for _ in 0..2 {
        app.state.clock.advance(Duration::minutes(29));
        assert!(press(&patient).await.is_some());
    }
    assert_eq!(press(&patient).await, Some(120), "no more than an hour in all");
    app.state.clock.advance(Duration::minutes(3));
    assert_eq!(patient.get(&message).await.status, 303);
}

async fn what_was_typed_outlives_the_session(app: App) {
    let Inside { patient, message, .. } = inside(&app).await;
    let page = patient.get(&message).await.ok();
    // a script saves while the patient types
    let form = ("content-type", "application/x-www-form-urlencoded");
    let draft = format!("{message}/draft");
    let saved = patient.send("POST", &draft, &[("accept", "application/json"), form], "body=It+hurts+l").await;
    assert_eq!(saved.status, 200);
    assert!(saved.body.contains("Kept at"), "{}", saved.body);
    assert!(patient.get(&message).await.ok().text_of("textarea").contains("It hurts l"));
    // the session ends; "Send" is pressed too late
    app.state.clock.advance(Duration::minutes(45));
    let late = patient.submit(&page, "Send", &[("body", "It hurts less now, thank you")]).await.says();
    assert_eq!(late, (format!("/portal?back={message}"), "session-over-kept".into()));
    let entry = patient.get(&late.0).await.ok();
    assert!(entry.has_text("What you wrote is kept") && !entry.has_text("hurts"), "only they read it");
    let claim = [("number", "9434765919"), ("contact", EMAIL)];
    let link = patient.submit(&entry, "Send me my passcode", &claim).await.redirect();
    app.drain().await;
    let page = patient.get(&link).await.ok();
    let proof =
        [("passcode", app.passcode_to(EMAIL)), ("day", "4".into()), ("month", "3".into()), ("year", "1951".into())];
    let proof: Vec<(&str, &str)> = proof.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let back = patient.submit(&page, "Login", &proof).await.redirect();
    assert_eq!(back, message, "where they were");
    let page = patient.get(&back).await.ok();
    assert!(page.text_of("textarea").contains("It hurts less now, thank you") && page.has_text("It is not sent yet"));
    patient.submit(&page, "Send", &[]).await.redirect();
    let page = patient.get(&back).await.ok();
    assert!(page.has_text("It hurts less now, thank you") && page.text_of("textarea").trim().is_empty());
}

async fn only_their_own_browser_keeps_their_words(app: App) {
    let Inside { staff, patient, message, chart } = inside(&app).await;
    let reply = [("key", "0123456789abcdef"), ("body", "words of somebody")];
    let replies = format!("{message}/replies");
    let over = (format!("/portal?back={message}"), "session-over".to_owned());
    // for somebody without a session, after logging out, and after access was withdrawn nothing is kept
    assert_eq!(app.anyone().post(&replies, &reply).await.says(), over);
    patient.post("/portal/logout", &[]).await.redirect();
    assert_eq!(patient.post(&replies, &reply).await.says(), over);
    app.state.clock.advance(Duration::minutes(1));
    let (patient, _) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    let form = staff.get(&format!("{chart}/information")).await.ok();
    staff.submit(&form, "Save", &[("portal_access", "off")]).await.redirect();
    assert_eq!(patient.post(&replies, &reply).await.says(), over);
    let form = staff.get(&format!("{chart}/information")).await.ok();
    staff.submit(&form, "Save", &[("portal_access", "on")]).await.redirect();
    let page = staff.get(&format!("{chart}/messages/new")).await.ok();
    staff.submit(&page, "Submit", &[("title", "Again"), ("body", "x"), ("replies_allowed", "on")]).await.redirect();
    app.drain().await;
    let (patient, _) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    assert!(!patient.get(&message).await.ok().has_text("words of somebody"));
    // a form is kept for a day at most
    app.state.clock.advance(Duration::days(2));
    assert_eq!(patient.post(&replies, &reply).await.says(), over);
}

async fn stay_logged_in_is_shown_and_ended_everywhere(app: App) {
    inside(&app).await;
    app.state.clock.advance(Duration::minutes(1));
    let link = app.link_to(EMAIL);
    let phone = app.anyone();
    phone.post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
    let passcode = app.passcode_to(PHONE);
    let proof = [("passcode", passcode.as_str()), ("day", "4"), ("month", "3"), ("year", "1951"), ("stay", "on")];
    phone.post(&format!("{link}/session"), &proof).await.redirect();
    app.state.clock.advance(Duration::days(6));
    let page = phone.get("/portal/information").await.ok();
    assert!(page.has_text("You stay logged in on this device until"), "{}", page.text());
    let (other, message) = app.go_in(&link, PHONE).await;
    let gone = other.submit(&other.get("/portal/information").await.ok(), "Log out everywhere", &[]).await.redirect();
    assert!(other.get(&gone).await.ok().has_text("You are logged out on all devices"));
    for browser in [&phone, &other] {
        assert_eq!(browser.get(&message).await.status, 303);
    }
}
