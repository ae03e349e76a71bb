//! The line below each message, true in every state of each road, in both languages, and the same on pages that are open.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::Ts;
use postern::db::schema::{notifications, plan_steps, users};
use postern::delivery::{Channel, Reason};
use postern::error::AppError;
use postern::notifications::{State, StepState};
use postern::patients::Method;
use time::Duration;

on_both!(every_state_has_its_line, the_line_follows_the_message, what_ended_badly_can_be_sent_again_beside_its_line);

/// What the line says in each state of one road, and of both together: English, French. The time is that of the clinic.
type Words = (State, [&'static str; 3], [&'static str; 3]);

const WORDS: [Words; 9] = [
    (
        State::Queued,
        ["Email waiting to be sent", "Text message waiting to be sent", "Email and text message waiting to be sent"],
        ["Courriel en attente d’envoi", "Texto en attente d’envoi", "Courriel et texto en attente d’envoi"],
    ),
    (
        State::Sending,
        ["Email being sent", "Text message being sent", "Email and text message being sent"],
        ["Courriel en cours d’envoi", "Texto en cours d’envoi", "Courriel et texto en cours d’envoi"],
    ),
    (
        State::Sent,
        ["Emailed TIME", "Texted TIME", "Emailed and texted TIME"],
        ["Courriel envoyé à TIME", "Texto envoyé à TIME", "Courriel et texto envoyés à TIME"],
    ),
    (
        State::Delivered,
        ["Email delivered TIME", "Text message delivered TIME", "Email and text message delivered TIME"],
        ["Courriel reçu à TIME", "Texto reçu à TIME", "Courriel et texto reçus à TIME"],
    ),
    (
        State::Failed,
        ["Email failed", "Text message failed", "Email and text message failed"],
        ["Courriel non remis", "Texto non remis", "Courriel et texto non remis"],
    ),
    (
        State::Bounced,
        ["Email came back", "Text message came back", "Email and text message came back"],
        ["Courriel retourné", "Texto retourné", "Courriel et texto retournés"],
    ),
    (
        State::Stopped,
        [
            "Email stopped by the patient",
            "Text message stopped by the patient",
            "Email and text message stopped by the patient",
        ],
        ["Courriel arrêté par le patient", "Texto arrêté par le patient", "Courriel et texto arrêtés par le patient"],
    ),
    (
        State::Cancelled,
        ["Email not sent", "Text message not sent", "Email and text message not sent"],
        ["Courriel non envoyé", "Texto non envoyé", "Courriel et texto non envoyés"],
    ),
    (
        State::Unsure,
        ["Email may have been sent", "Text message may have been sent", "Email and text message may have been sent"],
        ["Courriel peut-être envoyé", "Texto peut-être envoyé", "Courriel et texto peut-être envoyés"],
    ),
];

async fn write(app: &App, write: impl FnOnce(&mut postern::db::Tx) -> Result<(), AppError> + Send + 'static) {
    app.state.db.write(write).await.unwrap();
}

/// Puts the notification of one road into a state, now.
async fn put(app: &App, channel: Channel, state: State, reason: Option<Reason>) {
    let at = app.state.clock.now();
    write(app, move |tx| {
        let row = notifications::table.filter(notifications::channel.eq(channel));
        let to = (notifications::state.eq(state), notifications::reason.eq(reason), notifications::state_at.eq(at));
        diesel::update(row).set(to).execute(tx.conn())?;
        Ok(())
    })
    .await;
}

async fn speak(app: &App, code: &'static str) {
    write(app, move |tx| {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(())
    })
    .await;
}

async fn line(who: &Actor, conversation: &str) -> String {
    let page = who.get(conversation).await.ok();
    let lines = page.texts_of(".msg-foot .line p");
    // what an open page is told of it is the same
    let live = who
        .send("GET", &format!("{conversation}/live?shown=0"), &[("x-fragment", "1"), ("x-by-itself", "1")], "")
        .await
        .page();
    assert_eq!(live.texts_of("[data-foot] .line p"), lines);
    lines.into_iter().next().unwrap_or_default()
}

/// An owner, and a message of theirs that is told by both roads at once.
async fn told_by_both(app: &App) -> (Actor, String) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    let conversation = app.message(&owner, patient, true).await;
    // nothing follows
    write(app, |tx| {
        diesel::update(plan_steps::table).set(plan_steps::state.eq(StepState::Skipped)).execute(tx.conn())?;
        Ok(())
    })
    .await;
    (owner, conversation)
}

async fn every_state_has_its_line(app: App) {
    let (owner, conversation) = told_by_both(&app).await;
    for (code, at) in [("en", 1), ("fr", 2)] {
        speak(&app, code).await;
        let now = owner.get(&conversation).await.ok().text_of(".msg-head time");
        let words = |one: &Words, road: usize| [one.1, one.2][at - 1][road].replace("TIME", &now);
        for email in &WORDS {
            put(&app, Channel::Email, email.0, None).await;
            for text in &WORDS {
                put(&app, Channel::Sms, text.0, None).await;
                let wanted = match email.0 == text.0 {
                    true => words(email, 2),
                    false => format!("{} · {}", words(email, 0), words(text, 1)),
                };
                assert_eq!(line(&owner, &conversation).await, wanted, "{:?} {:?}", email.0, text.0);
            }
        }
        // a reason says why, and parts roads that have not the same
        let lang = postern::text::Lang::or_english(code);
        put(&app, Channel::Sms, State::Failed, None).await;
        for reason in Reason::ALL {
            put(&app, Channel::Email, State::Failed, Some(*reason)).await;
            let (failed, colon) = (&WORDS[4], if code == "en" { ": " } else { " : " });
            let why = lang.t_of("reason", reason.as_str()).replace('\u{a0}', " ");
            assert!(!why.is_empty());
            let wanted = format!("{}{colon}{why} · {}", words(failed, 0), words(failed, 1));
            assert_eq!(line(&owner, &conversation).await, wanted);
        }
    }
}

async fn the_line_follows_the_message(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    let conversation = app.message(&owner, patient, true).await;
    let time = |page: &crate::support::html::Page| page.text_of(".msg-head time");
    let sent = time(&owner.get(&conversation).await.ok());
    let first = line(&owner, &conversation).await;
    assert!(first.starts_with("Email and text message waiting to be sent · next: "), "{first}");
    app.drain().await;
    let first = line(&owner, &conversation).await;
    assert!(first.starts_with(&format!("Emailed and texted {sent} · next: ")), "{first}");
    // the next step of the plan alone, with its moment
    assert_eq!(first.matches("next: ").count(), 1, "{first}");
    let read = app.state.db.read(|conn| -> Result<Option<Ts>, AppError> {
        let waiting = plan_steps::table.filter(plan_steps::state.eq(StepState::Waiting));
        Ok(waiting.select(diesel::dsl::min(plan_steps::due_at)).first(conn)?)
    });
    assert!(read.await.unwrap().is_some_and(|due| due > app.state.clock.now()));
    app.state.clock.advance(Duration::minutes(2));
    let (reader, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    reader.get("/portal/messages").await.ok();
    let listed = line(&owner, &conversation).await;
    assert!(listed.contains(" · seen in the patient’s list ") && !listed.contains("read"), "{listed}");
    reader.get(&message).await.ok();
    let opened = line(&owner, &conversation).await;
    let (told, when) = opened.split_once(" · read ").unwrap_or_else(|| panic!("{opened}"));
    assert_eq!(told, format!("Emailed and texted {sent}"));
    assert!(when.len() < 6 && when.contains(':') && when != sent, "the time of the same day: {opened}");
    // all of it is in the history, each with its moment
    let history = owner.get(&conversation).await.ok().text_of(".msg-foot details.history");
    for words in ["Email: Sent", "Text message: Sent", "Queued", "read by patient", "not needed, opened"] {
        assert!(history.contains(words), "{words:?} in {history}");
    }
    // on another day it says which
    let other = app.message(&owner, patient, true).await;
    app.state.clock.advance(Duration::hours(20));
    app.drain().await;
    let again = app.anyone();
    let email = {
        let read = app.state.db.read(|conn| -> Result<String, AppError> {
            Ok(users::table.select(users::email).order(users::id).first(conn)?)
        });
        read.await.unwrap()
    };
    let password = crate::support::world::PASSWORD;
    again.post("/sign-in", &[("email", &email), ("password", password)]).await.redirect();
    let late = line(&again, &other).await;
    assert!(late.starts_with("Emailed and texted on ") && late.contains(", "), "{late}");
}

async fn what_ended_badly_can_be_sent_again_beside_its_line(app: App) {
    let (owner, conversation) = told_by_both(&app).await;
    app.drain().await;
    assert!(!owner.get(&conversation).await.ok().has(".msg-foot .line form"));
    put(&app, Channel::Email, State::Bounced, Some(Reason::MailboxFull)).await;
    let page = owner.get(&conversation).await.ok();
    let said = page.text_of(".msg-foot .line");
    assert!(said.starts_with("Email came back: the patient’s mailbox is full · Texted "), "{said}");
    assert!(said.ends_with("Send again"), "{said}");
    let viewer = app.user(Role::Viewer).await;
    assert!(!viewer.get(&conversation).await.ok().has(".msg-foot .line form"), "who may not write");
    owner.submit(&page, "Send again", &[]).await.redirect();
    // the newest of each road counts; the one before is in the history
    let page = owner.get(&conversation).await.ok();
    assert_eq!(page.text_of(".msg-foot .line p"), "Email and text message waiting to be sent");
    assert!(page.text_of(".msg-foot .history").contains("the patient’s mailbox is full"));
    app.drain().await;
}
