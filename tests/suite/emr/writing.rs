//! Messages go into the record of a real EMR: each once, whatever breaks on the way, and nothing that is not for it.

use crate::chart::later_files::{ann, bundle, subject, with};
use crate::files::uploads::{id_in, upload};
use crate::support::app::{Actor, App, On};
use crate::support::emr::{NAME, RealEmr, Trouble, ask, clinic};
use crate::support::world::Like;
use crate::{on_both, on_each};
use diesel::prelude::*;
use postern::access::{Operator, Role};
use postern::audit::Event;
use postern::config::{Config, EmrSignIn, EmrSource};
use postern::db::schema::{audit_events, chart_items, emr_writes as w};
use postern::db::{DbError, EmrWriteId, PatientId};
use postern::delivery::Delivery;
use postern::emr::OWN_SYSTEM;
use postern::emr_sources::{Switches, save_switches};
use postern::error::AppError;
use postern::outbox::{self, Lane, Task};
use postern::patients::{ArchiveReason, SourceId, note_standing, put_source};
use postern::write_back::{self, Sent};
use serde_json::{Value, json};
use time::Duration;

on_each!(
    messages_and_files_are_there_as_they_were_sent,
    trouble_on_the_way_writes_nothing_twice,
    a_worker_that_is_killed_writes_nothing_twice,
    what_is_refused_is_told_and_tried_again,
    what_was_taken_back_is_not_there,
    only_what_is_sent_while_it_is_on_is_written,
    a_closed_conversation_is_there_as_a_document,
    of_several_records_one_in_use_is_written_to,
);
on_both!(what_was_written_does_not_come_back_as_news);

/// What the EMR grants here.
const ALL: &str = "system/*.cruds";

async fn switch(app: &App, write_back: bool) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let switches = Switches { sync: false, write_back };
        Ok(save_switches(tx, now, &Operator::of_the_command_line(), NAME, switches)?)
    });
    write.await.unwrap();
}

/// A clinic that writes into an EMR, which knows its patient; `None` by `--without-emr`.
async fn begin(on: On) -> Option<(App, RealEmr, Actor, PatientId)> {
    let (app, emr) = clinic(on, ALL, |source| source.scopes = ALL.to_owned()).await?;
    let (owner, patient) = known(&app, &emr).await;
    Some((app, emr, owner, patient))
}

/// An owner, and a patient whom the EMR knows; what is sent from now on is written there.
async fn known(app: &App, emr: &RealEmr) -> (Actor, PatientId) {
    emr.put(&json!({"resourceType": "Patient", "id": "p1", "name": [{"family": "Mejía", "given": ["María"]}]})).await;
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(put_source(tx, now, patient, &SourceId { source: NAME.to_owned(), id: "p1".to_owned() })?)
    });
    write.await.unwrap();
    switch(app, true).await;
    (owner, patient)
}

/// What the EMR has of a type.
async fn there(emr: &RealEmr, kind: &str) -> Vec<Value> {
    let (status, said) = emr.send("GET", &format!("{kind}?_count=100"), "").await;
    assert_eq!(status, 200, "{said}");
    let bundle: Value = serde_json::from_str(&said).unwrap();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.into_iter().map(|entry| entry["resource"].clone()).collect()
}

/// The messages that it has, oldest first, without the conversations that hold them.
async fn messages(emr: &RealEmr) -> Vec<Value> {
    let mut all = there(emr, "Communication").await;
    all.retain(|one| one["sent"].is_string());
    all.sort_by_key(|one| one["sent"].as_str().unwrap().to_owned());
    all
}

/// The words of a message there.
fn words(message: &Value) -> &str {
    message["payload"][0]["contentString"].as_str().unwrap_or_default()
}

/// The states of what is to be written, and why it is not yet.
async fn states(app: &App) -> Vec<(String, Option<String>)> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok(w::table.order(w::id).select((w::state, w::reason)).load::<(String, Option<String>)>(conn)?)
    });
    read.await.unwrap()
}

fn state(word: &str, why: Option<&str>) -> (String, Option<String>) {
    (word.to_owned(), why.map(str::to_owned))
}

async fn rows(app: &App, event: Event) -> i64 {
    let read = app.state.db.read(move |conn| -> Result<i64, AppError> {
        Ok(audit_events::table.filter(audit_events::action.eq(event.as_str())).count().get_result(conn)?)
    });
    read.await.unwrap()
}

/// Sends another message in a conversation; the number makes its key.
async fn reply(user: &Actor, conversation: &str, number: usize) {
    let (body, key) = (format!("Message {number}"), format!("0123456789abcdef-{number}"));
    user.post(&format!("{conversation}/messages"), &[("body", &*body), ("key", &*key)]).await.redirect();
}

async fn messages_and_files_are_there_as_they_were_sent(on: On) {
    let Some((app, emr, owner, patient)) = begin(on).await else { return };
    let file = id_in(&upload(&owner, patient, "plan.txt", b"words of a file".to_vec()).await);
    let form = [
        ("title", "Your plan"),
        ("body", "See the file"),
        ("key", "0123456789abcdef"),
        ("replies_allowed", "on"),
        ("upload", file.as_str()),
    ];
    let sent = owner.post(&format!("/patients/{patient}/messages/new"), &form).await.redirect();
    let conversation = sent.split('?').next().unwrap().to_owned();
    assert_eq!(states(&app).await, [state("queued", None)]);
    assert_eq!(emr.asked("POST /Communication"), 0, "the EMR is asked by the worker");
    app.drain().await;
    assert_eq!(states(&app).await, [state("written", None)]);
    let (here, at) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    app.state.clock.advance(Duration::seconds(1));
    here.post(&format!("{at}/replies"), &[("key", "0123456789abcdef"), ("body", "Thank you")]).await.redirect();
    app.drain().await;
    let all = messages(&emr).await;
    assert_eq!(all.iter().map(words).collect::<Vec<_>>(), ["See the file", "Thank you"]);
    let (first, second) = (&all[0], &all[1]);
    for one in [first, second] {
        assert_eq!((one["status"].as_str(), one["topic"]["text"].as_str()), (Some("completed"), Some("Your plan")));
        assert_eq!(one["subject"]["reference"], "Patient/p1");
        assert_eq!(one["partOf"][0]["identifier"], first["partOf"][0]["identifier"]);
    }
    assert_eq!(first["sender"]["display"], "User owner");
    assert_eq!(first["recipient"][0]["reference"], "Patient/p1");
    assert_eq!(second["sender"]["reference"], "Patient/p1");
    assert_eq!(second["inResponseTo"][0]["identifier"], first["identifier"][0]);
    assert_eq!(first["identifier"][0]["system"], OWN_SYSTEM);
    let documents = there(&emr, "DocumentReference").await;
    assert_eq!(documents.len(), 1);
    let attachment = &documents[0]["content"][0]["attachment"];
    assert_eq!(attachment["title"], "plan.txt");
    assert_eq!(attachment["data"], data_encoding::BASE64.encode(b"words of a file"));
    assert_eq!(first["payload"][1]["contentReference"]["identifier"], documents[0]["identifier"][0]);
    // one conversation holds both, and users see where they are
    assert_eq!(there(&emr, "Communication").await.len(), 3);
    let page = owner.get(&conversation).await.ok();
    assert_eq!(page.text().matches("In the record of Harbour EMR").count(), 2, "{}", page.text());
    assert!(!here.get(&at).await.ok().has_text("Harbour EMR"), "the patient is not told");
    assert_eq!(rows(&app, Event::EmrWritten).await, 2);
}

async fn trouble_on_the_way_writes_nothing_twice(on: On) {
    let Some((app, emr, owner, patient)) = begin(on).await else { return };
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    let all = [
        // a token that is not taken any more is asked for again at once
        (Trouble::Status(401), None, 0),
        (Trouble::Status(503), Some("away"), 6),
        (Trouble::Wait(503, 7), Some("busy"), 8),
        (Trouble::Wait(429, 30), Some("busy"), 31),
        // it is stored, and nobody hears of it
        (Trouble::Cut, Some("away"), 6),
    ];
    for (number, (trouble, why, seconds)) in all.into_iter().enumerate() {
        emr.trouble("/Communication", trouble.clone());
        reply(&owner, &conversation, number).await;
        app.drain().await;
        if let Some(why) = why {
            assert_eq!(states(&app).await.pop().unwrap(), state("begun", Some(why)), "{trouble:?}");
            let page = owner.get(&conversation).await.ok();
            assert!(page.has_text("Not in the record of Harbour EMR yet"), "{trouble:?}: {}", page.text());
            app.state.clock.advance(Duration::seconds(seconds));
            app.drain().await;
        }
        assert_eq!(states(&app).await.pop().unwrap(), state("written", None), "{trouble:?}");
        let own = format!("Message {number}");
        let there = messages(&emr).await.iter().filter(|one| words(one) == own).count();
        assert_eq!(there, 1, "{trouble:?}");
    }
    assert_eq!(there(&emr, "Communication").await.len(), 7, "six messages, and the conversation that holds them");
}

/// Asks the EMR as a worker does that is killed before it can store what came of it.
async fn killed_after_the_answer(app: &App) {
    let (now, random) = (app.state.clock.now(), app.state.random.clone());
    let claim =
        app.state.db.write(move |tx| -> Result<_, DbError> { Ok(outbox::claim(tx, now, &random, Lane::Emr, 9, &[])?) });
    let jobs = claim.await.unwrap();
    let ids: Vec<EmrWriteId> = jobs
        .iter()
        .map(|job| match job.task {
            Task::WriteBack(id) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 1);
    let id = ids[0];
    let begin = app
        .state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(write_back::begin(tx, now, id, &[NAME.to_owned()])?) });
    let (to, storage) = (begin.await.unwrap().unwrap(), app.state.intake.storage.clone());
    let (_, sent) = ask(app, move |emr| write_back::send(emr, &storage, &to, None)).await;
    assert_eq!(sent, Sent::Written);
}

async fn a_worker_that_is_killed_writes_nothing_twice(on: On) {
    let Some((app, emr, owner, patient)) = begin(on).await else { return };
    app.message(&owner, patient, true).await;
    killed_after_the_answer(&app).await;
    assert_eq!(states(&app).await, [state("begun", None)]);
    app.drain().await;
    assert_eq!(states(&app).await, [state("begun", None)], "the claim still holds");
    app.state.clock.advance(outbox::LEASE + Duration::seconds(1));
    app.drain().await;
    assert_eq!(states(&app).await, [state("written", None)]);
    assert_eq!((messages(&emr).await.len(), there(&emr, "Communication").await.len()), (1, 2));
}

async fn what_is_refused_is_told_and_tried_again(on: On) {
    let Some((app, emr, owner, patient)) = begin(on).await else { return };
    emr.trouble("/Communication", Trouble::Status(422));
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    assert_eq!(states(&app).await, [state("refused", Some("refused"))]);
    assert_eq!((messages(&emr).await.len(), rows(&app, Event::EmrWriteRefused).await), (0, 1));
    app.state.clock.advance(Duration::minutes(1));
    app.drain().await;
    assert_eq!(states(&app).await, [state("refused", Some("refused"))], "nobody tries it again by itself");
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Not in the record of Harbour EMR yet: it refuses the message."), "{}", page.text());
    // whoever may not write to patients tries nothing again
    let viewer = app.user(Role::Viewer).await;
    assert!(!viewer.get(&conversation).await.ok().has_text("Try again"));
    let (to, notice) = owner.submit(&page, "Try again", &[]).await.says();
    assert_eq!((to, notice.as_str()), (conversation.clone(), "record-again"));
    app.drain().await;
    assert_eq!(states(&app).await, [state("written", None)]);
    assert_eq!((messages(&emr).await.len(), rows(&app, Event::EmrWriteAgain).await), (1, 1));
    assert!(!owner.get(&conversation).await.ok().has_text("Try again"));
    // an older page does no harm, and other conversations' messages are not there
    owner.submit(&page, "Try again", &[]).await.redirect();
    assert_eq!(rows(&app, Event::EmrWriteAgain).await, 1);
    assert_eq!(owner.post(&format!("{conversation}/record"), &[("message", "99")]).await.status, 404);
}

async fn take_back(user: &Actor, conversation: &str) {
    let page = user.get(conversation).await.ok();
    let message = page.attrs_of(".msg.mine", "id").pop().unwrap().replace("message-", "");
    let said = user.post(&format!("{conversation}/messages/{message}/recall"), &[]).await.says();
    // whoever was told of it is told that it was taken back
    assert!(said.1.starts_with("message-recalled"), "{}", said.1);
}

async fn what_was_taken_back_is_not_there(on: On) {
    let Some((app, emr, owner, patient)) = begin(on).await else { return };
    // before the worker came to it
    let conversation = app.message(&owner, patient, true).await;
    take_back(&owner, &conversation).await;
    app.drain().await;
    assert_eq!((states(&app).await.len(), emr.asked("/Communication")), (0, 0));
    // when it was there
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    assert_eq!(messages(&emr).await.len(), 1);
    take_back(&owner, &conversation).await;
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("it will be marked as an error in the record of Harbour EMR"), "{}", page.text());
    app.drain().await;
    assert_eq!(states(&app).await, [state("marked", None)]);
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Marked as an error in the record of Harbour EMR"), "{}", page.text());
    // when it was there and nobody here knew
    let conversation = app.message(&owner, patient, true).await;
    killed_after_the_answer(&app).await;
    take_back(&owner, &conversation).await;
    app.drain().await;
    assert_eq!(states(&app).await, [state("marked", None), state("taken_back", None)], "the claim still holds");
    app.state.clock.advance(outbox::LEASE + Duration::seconds(1));
    app.drain().await;
    assert_eq!(states(&app).await, [state("marked", None), state("marked", None)]);
    // while the EMR is asked
    let conversation = app.message(&owner, patient, true).await;
    let asked = emr.asked("POST /Communication");
    emr.trouble("/Communication", Trouble::Late(std::time::Duration::from_secs(2)));
    let meanwhile = async {
        while emr.asked("POST /Communication") == asked {
            tokio::task::yield_now().await;
        }
        take_back(&owner, &conversation).await;
    };
    tokio::join!(app.drain(), meanwhile);
    app.drain().await;
    assert_eq!(states(&app).await, [state("marked", None), state("marked", None), state("marked", None)]);
    let all = messages(&emr).await;
    assert_eq!(all.len(), 3);
    for one in &all {
        assert_eq!((one["status"].as_str(), words(one)), (Some("entered-in-error"), ""), "{one}");
    }
    // the conversations too, of which nothing is left
    for one in there(&emr, "Communication").await {
        assert_eq!((one["status"].as_str(), one["topic"].is_null()), (Some("entered-in-error"), true), "{one}");
    }
}

async fn only_what_is_sent_while_it_is_on_is_written(on: On) {
    let Some((app, emr, owner, patient)) = begin(on).await else { return };
    switch(&app, false).await;
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    assert_eq!((states(&app).await.len(), emr.asked("/Communication")), (0, 0));
    switch(&app, true).await;
    app.drain().await;
    assert_eq!(states(&app).await.len(), 0, "what was sent before stays where it is");
    let note = [("body", "For colleagues"), ("key", "0123456789abcdef-note")];
    owner.post(&format!("{conversation}/notes"), &note).await.redirect();
    app.drain().await;
    assert_eq!((states(&app).await.len(), emr.asked("/Communication")), (0, 0), "a note is nobody else's");
    reply(&owner, &conversation, 1).await;
    app.drain().await;
    assert_eq!(messages(&emr).await.iter().map(words).collect::<Vec<_>>(), ["Message 1"]);
    // somebody whom it does not know
    let stranger = app.patient(Like { name: ("Ann", "Ash"), email: Some("ann@example.org".into()), ..Like::default() });
    app.message(&owner, stranger.await, true).await;
    assert_eq!(states(&app).await, [state("written", None)]);
    // what waits when it is turned off does not go out
    reply(&owner, &conversation, 2).await;
    switch(&app, false).await;
    app.drain().await;
    assert_eq!(states(&app).await, [state("written", None), state("refused", Some("off"))]);
    assert_eq!(messages(&emr).await.len(), 1);
    assert!(owner.get(&conversation).await.ok().has_text("writing into it is off."));
}

async fn a_closed_conversation_is_there_as_a_document(on: On) {
    // the clock goes on here, and a token that is asked for ends by the time of the EMR
    let Some(emr) = RealEmr::start(ALL, 3_600) else { return };
    let source = EmrSource { sign_in: EmrSignIn::Bearer(emr.token().await), ..emr.source() };
    let app = App::start_with_config(on, |config: &mut Config| config.emr = vec![source], Delivery::mailbox).await;
    app.at_present();
    let (owner, patient) = known(&app, &emr).await;
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    let closure = format!("{conversation}/closure");
    owner.post(&closure, &[]).await.redirect();
    assert_eq!(states(&app).await, [state("written", None), state("queued", None)]);
    owner.post(&format!("{conversation}/reopening"), &[]).await.redirect();
    assert_eq!(states(&app).await, [state("written", None)], "the closing was undone");
    owner.post(&closure, &[]).await.redirect();
    app.drain().await;
    assert_eq!(states(&app).await, [state("written", None), state("queued", None)], "it can still be undone");
    app.state.clock.advance(Duration::minutes(12));
    app.drain().await;
    assert_eq!(states(&app).await, [state("written", None), state("written", None)]);
    let documents = there(&emr, "DocumentReference").await;
    assert_eq!(documents.len(), 1);
    let (document, attachment) = (&documents[0], &documents[0]["content"][0]["attachment"]);
    assert_eq!(
        (document["status"].as_str(), document["description"].as_str()),
        (Some("current"), Some("Your results"))
    );
    assert_eq!(attachment["contentType"], "application/pdf");
    let pdf = data_encoding::BASE64.decode(attachment["data"].as_str().unwrap().as_bytes()).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("The conversation as a PDF: In the record of Harbour EMR"), "{}", page.text());
    // what is taken back is an error also as a part of the document
    take_back(&owner, &conversation).await;
    app.drain().await;
    assert_eq!(states(&app).await, [state("marked", None), state("marked", None)]);
    let documents = there(&emr, "DocumentReference").await;
    assert_eq!((documents.len(), documents[0]["status"].as_str()), (1, Some("entered-in-error")));
    assert!(documents[0]["content"][0]["attachment"]["data"].is_null());
    assert!(documents[0]["description"].is_null(), "its title is gone too");
    // what is taken back before the document is there is not in it, and it is written all the same
    let conversation = app.message(&owner, patient, true).await;
    reply(&owner, &conversation, 1).await;
    owner.post(&format!("{conversation}/closure"), &[]).await.redirect();
    emr.trouble("/DocumentReference", Trouble::Status(503));
    app.state.clock.advance(Duration::minutes(12));
    app.drain().await;
    assert_eq!(states(&app).await.pop().unwrap(), state("begun", Some("away")));
    take_back(&owner, &conversation).await;
    app.drain().await;
    assert_eq!(states(&app).await[2..], [state("written", None), state("marked", None), state("written", None)]);
    let mut all: Vec<String> =
        there(&emr, "DocumentReference").await.iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect();
    all.sort();
    assert_eq!(all, ["current", "entered-in-error"]);
}

async fn of_several_records_one_in_use_is_written_to(on: On) {
    let Some((app, emr, owner, patient)) = begin(on).await else { return };
    emr.put(&json!({"resourceType": "Patient", "id": "p2", "name": [{"family": "Mejía", "given": ["María"]}]})).await;
    let (now, key) = (app.state.clock.now(), |id: &str| SourceId { source: NAME.to_owned(), id: id.to_owned() });
    let (old, new) = (key("p1"), key("p2"));
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        put_source(tx, now, patient, &new)?;
        Ok(note_standing(tx, &old, ArchiveReason::Replaced.as_str())?)
    });
    assert!(write.await.unwrap());
    app.message(&owner, patient, true).await;
    app.drain().await;
    assert_eq!(messages(&emr).await[0]["subject"]["reference"], "Patient/p2");
}

async fn what_was_written_does_not_come_back_as_news(app: App) {
    let theirs = json!({"resourceType": "Communication", "id": "theirs", "status": "completed", "subject": subject(),
        "sent": "2026-03-01T09:00:00Z", "topic": {"text": "Theirs"}, "payload": [{"contentString": "from there"}]});
    let identifier = json!({"identifier": [{"system": OWN_SYSTEM, "value": "a"}]});
    let own = with(&with(&theirs, json!({"id": "own"})), identifier.clone());
    let wrong = with(&with(&theirs, json!({"id": "wrong", "status": "entered-in-error"})), identifier.clone());
    let file = with(
        &json!({"resourceType": "DocumentReference", "id": "file", "status": "current", "subject": subject(),
            "date": "2026-03-01T09:00:00Z", "description": "Ours",
            "content": [{"attachment": {"contentType": "text/plain", "data": "d29yZHM="}}]}),
        identifier,
    );
    app.import(bundle("https://emr.example/fhir", &[ann(), theirs, own, wrong, file]), Some(NAME)).await;
    let read = app.state.db.read(|conn| -> Result<i64, AppError> { Ok(chart_items::table.count().get_result(conn)?) });
    assert_eq!(read.await.unwrap(), 1);
}
