//! A reply from a page that lacks newer messages of others shows these first, keeps the words, and asks once: in both
//! doors, without scripts.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use crate::support::world::Like;
use postern::access::Role;

on_both!(
    a_user_reads_what_came_before_they_reply,
    a_patient_reads_what_came_before_they_reply,
    what_one_knows_asks_nothing
);

const PHONE: &str = "+16135550121";

/// Two users in a conversation with a patient who has opened it: the users, the clinic's page of it, the patient with
/// theirs.
async fn world(app: &App) -> ((Actor, Actor), String, (Actor, String)) {
    let (one, two) = (app.user(Role::Staff).await, app.user(Role::Clinician).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&one, maria, true).await;
    app.drain().await;
    let patient = app.go_in(&app.link_to("maria@example.org"), PHONE).await;
    ((one, two), conversation, patient)
}

/// Sends a reply from this page, asserts that the answer shows `news` and asks, and sends it again from there.
async fn asked(who: &Actor, older: &Page, words: &str, news: &[&str]) {
    let answer = who.submit(older, "Send", &[("body", words)]).await;
    assert_eq!(answer.status, 409);
    let page = answer.page();
    assert!(page.title().starts_with("Error:"), "{}", page.title());
    assert_eq!(page.texts_of(".newer .msg .prose"), news);
    let form = page.form_with("Send");
    assert_eq!(form.value("body").unwrap().trim(), words);
    assert!(!page.texts_of(".thread:not(.newer) .prose").contains(&words.to_owned()), "it was sent");
    // the order of the page: the error, the newer messages, the form
    let text = page.text();
    let at = |words: &str| text.rfind(words).unwrap_or_else(|| panic!("{words:?} in {text}"));
    assert!(at("There is a problem") < at(news[0]) && at(news[0]) < at("Save draft"), "{text}");
    who.submit(&page, "Send", &[]).await.redirect();
}

async fn a_user_reads_what_came_before_they_reply(app: App) {
    let ((one, two), conversation, (patient, message)) = world(&app).await;
    let older = one.get(&conversation).await.ok();
    let theirs = two.get(&conversation).await.ok();
    patient.submit(&patient.get(&message).await.ok(), "Send", &[("body", "I feel worse")]).await.redirect();
    two.post(&format!("{conversation}/notes"), &[("key", "0123456789abcdef"), ("body", "Call her")]).await.redirect();
    asked(&one, &older, "Glad that you are well", &["I feel worse", "Call her"]).await;
    let page = one.get(&conversation).await.ok();
    let said = page.texts_of(".thread .prose");
    assert_eq!(said.last().map(String::as_str), Some("Glad that you are well"));
    assert_eq!(said.iter().filter(|words| *words == "Glad that you are well").count(), 1);
    // the colleague's page lacks that message; their own note is not news to them
    asked(&two, &theirs, "Please call us", &["I feel worse", "Glad that you are well"]).await;
    app.drain().await;
}

async fn a_patient_reads_what_came_before_they_reply(app: App) {
    let ((one, two), conversation, (patient, message)) = world(&app).await;
    let older = patient.get(&message).await.ok();
    two.submit(&two.get(&conversation).await.ok(), "Send", &[("body", "Take half of it")]).await.redirect();
    // a note, which the patient cannot see, does not make them confirm
    one.post(&format!("{conversation}/notes"), &[("key", "0123456789abcdef"), ("body", "For us")]).await.redirect();
    let answer = patient.submit(&older, "Send", &[("body", "I take all of it")]).await;
    assert_eq!(answer.status, 409);
    let page = answer.page();
    assert!(page.title().starts_with("Error:"), "{}", page.title());
    assert!(page.has_text("Your reply was not sent") && page.has_text("The clinic wrote to you after you opened"));
    assert_eq!(page.texts_of(".newer .msg .prose"), ["Take half of it"]);
    assert_eq!(page.form_with("Send").value("body").unwrap().trim(), "I take all of it");
    patient.submit(&page, "Send", &[]).await.redirect();
    assert!(one.get(&conversation).await.ok().has_text("I take all of it"));
    // a note alone makes nobody confirm
    let older = patient.get(&message).await.ok();
    one.post(&format!("{conversation}/notes"), &[("key", "0123456789abcdef-2"), ("body", "More")]).await.redirect();
    patient.submit(&older, "Send", &[("body", "Thanks")]).await.redirect();
    app.drain().await;
}

async fn what_one_knows_asks_nothing(app: App) {
    let ((one, two), conversation, (patient, message)) = world(&app).await;
    // a user's own message from another window is not news to them
    let (first, second) = (one.get(&conversation).await.ok(), one.get(&conversation).await.ok());
    one.submit(&first, "Send", &[("body", "First")]).await.redirect();
    one.submit(&second, "Send", &[("body", "Second")]).await.redirect();
    // nor is the second of two presses, whatever came between
    let page = one.get(&conversation).await.ok();
    one.submit(&page, "Send", &[("body", "Once")]).await.redirect();
    two.submit(&two.get(&conversation).await.ok(), "Send", &[("body", "Between")]).await.redirect();
    one.submit(&page, "Send", &[("body", "Once")]).await.redirect();
    // a note answers nobody, so it can be written from an older page
    let notes = one.get(&format!("{conversation}/notes")).await.ok();
    patient.submit(&patient.get(&message).await.ok(), "Send", &[("body", "Hello")]).await.redirect();
    one.submit(&notes, "Add note", &[("body", "A note")]).await.redirect();
    // a form that comes back for another reason keeps which message it had shown
    let older = one.get(&conversation).await.ok();
    patient.submit(&patient.get(&message).await.ok(), "Send", &[("body", "Wait")]).await.redirect();
    let empty = one.submit(&older, "Send", &[("body", "")]).await;
    assert_eq!(empty.status, 422);
    asked(&one, &empty.page(), "Goodbye", &["Wait"]).await;
    app.drain().await;
}
