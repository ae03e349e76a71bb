//! Signing in to the portal by link, passcode and date of birth.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;
use postern::patients::Method;
use time::Duration;

on_both!(
    a_link_opens_with_what_was_copied_behind_it,
    a_robot_uses_nothing_up,
    wrong_tries_kill_a_passcode,
    a_passcode_is_used_once,
    a_new_passcode_kills_the_old,
    a_passcode_lasts_ten_minutes,
    access_ends_at_once,
    a_link_ends,
    phone_only,
);

const PHONE: &str = "+16135550121";

async fn waiting(app: &App) -> (Actor, String, String) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    (staff, app.link_to("maria@example.org"), format!("/patients/{maria}"))
}

async fn ask(app: &App, who: &Actor, link: &str) {
    who.post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
}

async fn try_in(who: &Actor, link: &str, passcode: &str, day: &str) -> crate::support::app::Answer {
    let fields = [("passcode", passcode), ("day", day), ("month", "3"), ("year", "1951")];
    who.post(&format!("{link}/session"), &fields).await
}

async fn a_link_opens_with_what_was_copied_behind_it(app: App) {
    let (_, link, _) = waiting(&app).await;
    for behind in
        [".", ")", ",", "%3E", ">", "/", "%20", ";", "%E2%80%9D", "%22", "'", "%E3%80%82", "*", "_", "!", "]."]
    {
        let page = app.anyone().get(&format!("{link}{behind}")).await.ok();
        // the forms of the page go to the link without what was copied with it
        assert_eq!(page.form_with("Send me my passcode").action, format!("{link}/passcode"), "{behind}");
    }
    app.go_in(&format!("{link}."), PHONE).await;
}

async fn a_robot_uses_nothing_up(app: App) {
    let (staff, link, chart) = waiting(&app).await;
    let robot = app.anyone();
    for _ in 0..10 {
        assert_eq!(robot.get(&link).await.status, 200);
        robot.send("HEAD", &link, &[], "").await;
    }
    assert_eq!(app.mailbox.newest_first().len(), 1, "a GET made a passcode");
    assert!(!staff.get(&chart).await.ok().has_text("Read by patient"));
    app.go_in(&link, PHONE).await;
}

async fn wrong_tries_kill_a_passcode(app: App) {
    let (_, link, _) = waiting(&app).await;
    let (guesser, other) = (app.anyone(), Like { email: Some("b@example.org".into()), phone: None, ..Like::default() });
    ask(&app, &guesser, &link).await;
    let right = app.passcode_to(PHONE);
    for guess in 0..40 {
        let wrong = format!("{:06}", (right.parse::<u32>().unwrap() + 1 + guess) % 1_000_000);
        let answer = try_in(&guesser, &link, &wrong, "4").await;
        assert!(matches!(answer.status, 422 | 429), "{}", answer.status);
    }
    assert_ne!(try_in(&guesser, &link, &right, "4").await.status, 303, "a dead passcode opened");
    let asked = guesser.post(&format!("{link}/passcode"), &[]).await;
    assert_eq!(asked.status, 429, "no new passcode right after so many tries");
    assert!(asked.page().has_text("Too many tries"));
    // nobody else is locked out
    let staff = app.user(Role::Staff).await;
    let patient = app.patient(other).await;
    app.message(&staff, patient, true).await;
    app.drain().await;
    app.go_in(&app.link_to("b@example.org"), "b@example.org").await;
    // the real patient signs in after a while
    app.state.clock.advance(Duration::minutes(2));
    app.go_in(&link, PHONE).await;
}

async fn a_passcode_is_used_once(app: App) {
    let (_, link, _) = waiting(&app).await;
    let (patient, thief) = (app.anyone(), app.anyone());
    ask(&app, &patient, &link).await;
    let passcode = app.passcode_to(PHONE);
    let (wrong_day, wrong_code) =
        (try_in(&thief, &link, &passcode, "5").await, try_in(&thief, &link, "000000", "4").await);
    assert_eq!((wrong_day.status, wrong_code.status), (422, 422));
    let same = |body: &str| body.replace("value=\"5\"", "value=\"4\"");
    assert_eq!(same(&wrong_day.body), same(&wrong_code.body), "the page tells which was wrong");
    assert_eq!(try_in(&patient, &link, &passcode, "4").await.status, 303);
    assert_eq!(try_in(&thief, &link, &passcode, "4").await.status, 422);
}

async fn a_new_passcode_kills_the_old(app: App) {
    let (_, link, _) = waiting(&app).await;
    let patient = app.anyone();
    ask(&app, &patient, &link).await;
    let old = app.passcode_to(PHONE);
    app.state.clock.advance(Duration::minutes(1));
    ask(&app, &patient, &link).await;
    let new = app.passcode_to(PHONE);
    assert_ne!(old, new);
    assert_eq!(try_in(&patient, &link, &old, "4").await.status, 422);
    assert_eq!(try_in(&patient, &link, &new, "4").await.status, 303);
}

async fn a_passcode_lasts_ten_minutes(app: App) {
    let (_, link, _) = waiting(&app).await;
    let patient = app.anyone();
    ask(&app, &patient, &link).await;
    app.state.clock.advance(Duration::minutes(10) + Duration::SECOND);
    assert_eq!(try_in(&patient, &link, &app.passcode_to(PHONE), "4").await.status, 422);
}

async fn access_ends_at_once(app: App) {
    let (staff, link, chart) = waiting(&app).await;
    for (field, value) in [("portal_access", "off"), ("email", "new@example.org"), ("phone", "+16135550199")] {
        let (patient, message) = app.go_in(&app.link_to("maria@example.org"), PHONE).await;
        assert_eq!(patient.get(&message).await.status, 200);
        let form = staff.get(&format!("{chart}/information")).await.ok();
        staff.submit(&form, "Save", &[(field, value)]).await.redirect();
        assert_eq!(patient.get(&message).await.status, 303, "the session outlived {field}");
        assert_eq!(app.anyone().get(&link).await.status, 404, "the link outlived {field}");
        let form = staff.get(&format!("{chart}/information")).await.ok();
        let back = [("portal_access", "on"), ("email", "maria@example.org"), ("phone", PHONE)];
        staff.submit(&form, "Save", &back).await.redirect();
        let page = staff.get(&format!("{chart}/messages/new")).await.ok();
        staff.submit(&page, "Submit", &[("title", "Again"), ("body", "x")]).await.redirect();
        app.state.clock.advance(Duration::minutes(1));
        app.drain().await;
    }
}

async fn a_link_ends(app: App) {
    let (_, link, _) = waiting(&app).await;
    app.state.clock.advance(Duration::days(31));
    let over = app.anyone().get(&link).await;
    assert_eq!(over.status, 404);
    assert!(over.page().has_text("This link no longer works"));
    assert_eq!(app.anyone().get("/portal/link/unknown").await.page().text(), over.page().text());
}

async fn phone_only(app: App) {
    let staff = app.user(Role::Staff).await;
    let like = Like { email: None, method: Method::Sms, ..Like::default() };
    let patient = app.patient(like).await;
    app.message(&staff, patient, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to(PHONE), PHONE).await;
    assert_eq!(patient.get(&message).await.ok().text_of("h1"), "Your results");
}
