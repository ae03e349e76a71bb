//! What is told, to whom, and from where.

use super::{Ear, id_of, patient_opens, patient_writes, position};
use crate::conversations::scheduled::schedule;
use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{audit_events, participants};
use postern::error::AppError;
use postern::http::errand::BY_ITSELF;
use serde_json::json;

on_both!(
    each_change_is_told_to_those_whom_it_concerns,
    what_goes_out_later_is_told_to_its_writer,
    an_event_has_no_word_of_a_patient,
    a_page_is_told_what_came_since_it_was_made,
    one_session_has_one_stream_and_a_user_not_too_many,
    who_does_not_ask_for_a_stream_gets_none,
    the_live_part_is_no_viewing,
    listeners_are_counted,
);

async fn each_change_is_told_to_those_whom_it_concerns(app: App) {
    let (one, other) = (app.user(Role::Staff).await, app.user(Role::Viewer).await);
    let maria = app.patient(Like::default()).await;
    let (mut theirs, mut others) = (Ear::open(&one).await, Ear::open(&other).await);
    let conversation = app.message(&one, maria, true).await;
    let id = id_of(&conversation);
    let told = theirs.until("message").await;
    assert_eq!(told, json!({"kind": "message", "conversation": id, "mine": true, "own": true}));
    let told = others.until("message").await;
    assert_eq!(told, json!({"kind": "message", "conversation": id, "mine": false, "own": false}));
    let (patient, message) = patient_opens(&app).await;
    for ear in [&mut theirs, &mut others] {
        assert_eq!(ear.until("state").await["conversation"], id);
        assert_eq!(ear.until("read").await["conversation"], id);
    }
    patient_writes(&patient, &message, "I feel worse").await;
    for ear in [&mut theirs, &mut others] {
        let told = ear.until("reply").await;
        assert_eq!((&told["conversation"], &told["own"]), (&json!(id), &json!(false)));
    }
    patient.get("/portal/messages").await.ok();
    assert_eq!(theirs.until("listed").await["conversation"], id);
    one.post(&format!("{conversation}/notes"), &[("key", "0123456789abcdef"), ("body", "Call her")]).await.redirect();
    assert_eq!(others.until("note").await["conversation"], id);
    // a mark is told to its user alone
    one.post(&format!("{conversation}/done"), &[]).await.redirect();
    assert_eq!(theirs.until("mark").await["own"], true);
    one.post(&format!("{conversation}/replies"), &[("allowed", "off")]).await.redirect();
    one.post(&format!("{conversation}/closure"), &[]).await.redirect();
    for ear in [&mut theirs, &mut others] {
        ear.until("conversation").await;
        ear.until("conversation").await;
    }
    assert!(!others.all.contains("\"mark\""), "{}", others.all);
}

async fn what_goes_out_later_is_told_to_its_writer(app: App) {
    let (one, other) = (app.user(Role::Staff).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let (mut theirs, mut others) = (Ear::open(&one).await, Ear::open(&other).await);
    // there is no conversation yet
    schedule(&one, maria, &[("later", "tomorrow")]).await.redirect();
    assert_eq!(theirs.until("scheduled").await, json!({"kind": "scheduled", "mine": true, "own": true}));
    one.post("/scheduled/1/cancellation", &[("version", "1")]).await.redirect();
    theirs.until("scheduled").await;
    one.post("/scheduled/1/removal", &[("version", "2")]).await.redirect();
    theirs.until("scheduled").await;
    app.message(&one, maria, true).await;
    others.until("message").await;
    assert!(!others.all.contains("scheduled"), "{}", others.all);
}

async fn an_event_has_no_word_of_a_patient(app: App) {
    let one = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let mut ear = Ear::open(&one).await;
    let conversation = app.message(&one, maria, true).await;
    let (patient, message) = patient_opens(&app).await;
    patient_writes(&patient, &message, "I feel worse").await;
    ear.until("reply").await;
    // one's own typing is not told to oneself
    let other = app.user(Role::Clinician).await;
    assert_eq!(other.post(&format!("{conversation}/answering"), &[("typing", "on")]).await.status, 204);
    ear.until("answering").await;
    let known = [
        "reply",
        "message",
        "note",
        "state",
        "read",
        "listed",
        "conversation",
        "mark",
        "answering",
        "ready",
        "refresh",
        "kind",
        "mine",
        "own",
        "true",
        "false",
        "id",
        "data",
    ];
    let words = ear.all.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    for word in words {
        assert!(known.contains(&word), "{word:?} in {}", ear.all);
    }
}

async fn a_page_is_told_what_came_since_it_was_made(app: App) {
    let one = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let mut first = Ear::open(&one).await;
    let before = position(&one).await;
    let conversation = app.message(&one, maria, true).await;
    first.until("message").await;
    // the page that was made before is told, also by a new stream
    let mut late = Ear::try_open(&one, Some(before)).await.unwrap();
    late.until("ready").await;
    assert_eq!(late.next().await.unwrap()["conversation"], id_of(&conversation));
    assert_eq!(first.ends().await, "replaced");
    // what was made before anything is remembered is to be fetched again
    let mut old = Ear::try_open(&one, Some(0)).await.unwrap();
    old.until("ready").await;
    assert_eq!(old.next().await.unwrap()["kind"], "refresh");
    // a page that was made after it is not told again; on PostgreSQL it may be, for a moment
    if !app.state.db.is_postgres() {
        let now = position(&one).await;
        let mut fresh = Ear::try_open(&one, Some(now)).await.unwrap();
        fresh.until("ready").await;
        one.post(&format!("{conversation}/done"), &[]).await.redirect();
        assert_eq!(fresh.next().await.unwrap()["kind"], "mark");
    }
}

async fn one_session_has_one_stream_and_a_user_not_too_many(app: App) {
    let one = app.user(Role::Staff).await;
    let mut first = Ear::open(&one).await;
    let mut second = Ear::try_open(&one, None).await.unwrap();
    assert_eq!(first.ends().await, "replaced");
    second.until("ready").await;
    let email = app
        .state
        .db
        .read(|conn| -> Result<String, AppError> {
            use postern::db::schema::users;
            Ok(users::table.select(users::email).first(conn)?)
        })
        .await
        .unwrap();
    let mut ears = Vec::new();
    for _ in 1..10 {
        let browser = app.anyone();
        browser.post("/sign-in", &[("email", &email), ("password", crate::support::world::PASSWORD)]).await.redirect();
        ears.push(Ear::try_open(&browser, None).await.unwrap_or_else(|status| panic!("{status}")));
    }
    let browser = app.anyone();
    browser.post("/sign-in", &[("email", &email), ("password", crate::support::world::PASSWORD)]).await.redirect();
    assert_eq!(Ear::try_open(&browser, None).await.err(), Some(429));
    // another user listens all the same
    let other = app.user(Role::Viewer).await;
    Ear::try_open(&other, None).await.unwrap_or_else(|status| panic!("{status}"));
}

async fn who_does_not_ask_for_a_stream_gets_none(app: App) {
    let one = app.user(Role::Staff).await;
    let answer = one.get("/events").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ":\n\n"));
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(answer.headers[name], value);
    }
    assert!(app.anyone().get("/events").await.redirect().starts_with("/sign-in"));
    assert_eq!(app.state.live.count(), 0);
}

/// The part of a conversation that changes while its page is open has states and counts, and no word of a message: asking for
/// it marks nothing and leaves no row.
async fn the_live_part_is_no_viewing(app: App) {
    let (one, other) = (app.user(Role::Staff).await, app.user(Role::Clinician).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&one, maria, true).await;
    let (patient, message) = patient_opens(&app).await;
    let page = one.get(&conversation).await.ok();
    let shown = page.attr("[data-live]", "data-shown").unwrap();
    patient_writes(&patient, &message, "I feel worse").await;
    let rows = async || {
        let read = app.state.db.read(|conn| -> Result<(i64, i64), AppError> {
            let unread = participants::table.filter(participants::unread.eq(true)).count().get_result(conn)?;
            Ok((audit_events::table.count().get_result(conn)?, unread))
        });
        read.await.unwrap()
    };
    let before = rows().await;
    for who in [&one, &other] {
        let part = who
            .send("GET", &format!("{conversation}/live?shown={shown}"), &[(BY_ITSELF, "1"), ("x-fragment", "1")], "")
            .await;
        assert_eq!(part.status, 200);
        for words in ["I feel worse", "Your results", "All is", "María", "Mejía", "example.org"] {
            assert!(!part.body.contains(words), "{words:?} in {}", part.body);
        }
        let part = part.page();
        assert_eq!(part.text_of("[data-news]"), "The patient has written. Show");
        assert_eq!(part.attr("[data-live]", "data-stamp").unwrap(), page.attr("[data-live]", "data-stamp").unwrap());
        assert!(part.text_of("[data-foot] .msg-foot").contains("read by patient"), "{}", part.text());
    }
    assert_eq!(rows().await, before);
    let viewer = app.user(Role::Viewer).await;
    assert_eq!(viewer.get(&format!("{conversation}/live?shown={shown}")).await.redirect(), conversation, "no page");
    assert_eq!(viewer.get("/conversations/999999/live?shown=1").await.status, 404);
    assert!(app.anyone().get(&format!("{conversation}/live?shown=1")).await.redirect().starts_with("/sign-in"));
}

async fn listeners_are_counted(app: App) {
    let one = app.user(Role::Staff).await;
    let count = async || {
        let text = postern::metrics::text(&app.state).await.unwrap();
        text.lines().find_map(|line| line.strip_prefix("postern_live_listeners ")).unwrap().to_owned()
    };
    assert_eq!(count().await, "0");
    let ear = Ear::open(&one).await;
    assert_eq!(count().await, "1");
    drop(ear);
    // a browser that is gone is noticed by the next beat
    for _ in 0..400 {
        if count().await == "0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("still counted");
}
