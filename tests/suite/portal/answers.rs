//! Answers with one tap.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;

on_both!(one_tap_answers_also_with_replies_off, only_what_is_offered_where_it_may_be);

struct Asked {
    staff: Actor,
    patient: Actor,
    /// the paths of the conversation for the clinic and for the patient
    conversation: String,
    message: String,
}

async fn asked(app: &App, offers: &[&str]) -> Asked {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let key = format!("0123456789abcdef-{}", offers.len());
    let mut form = vec![("key", key.as_str()), ("title", "Your results"), ("body", "All is well")];
    form.extend(offers.iter().map(|offer| ("offer", *offer)));
    let to = staff.post(&format!("/patients/{maria}/messages/new"), &form).await.redirect();
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    Asked { staff, patient, conversation: to.split('?').next().unwrap().to_owned(), message }
}

async fn one_tap_answers_also_with_replies_off(app: App) {
    let Asked { staff, patient, conversation, message } = asked(&app, &["read", "call_me"]).await;
    staff.get(&conversation).await.ok();
    let page = patient.get(&message).await.ok();
    assert!(page.has_text("Replies are off"), "{}", page.text());
    assert_eq!(page.count(".taps button"), 2);
    patient.submit(&page, "I have read it", &[]).await.redirect();
    let page = patient.get(&message).await.ok();
    assert!(page.has_text("You answered: I have read it"));
    assert_eq!(page.count(".taps button"), 1, "what was answered is not asked again");
    let seen = staff.get("/inbox?filter=any").await.ok();
    assert!(seen.has(".unread") && seen.has_text("I have read it"), "{}", seen.text());
    assert!(!staff.get("/inbox?filter=waiting_for_us").await.ok().has_text("Your results"));
    assert!(staff.get(&conversation).await.ok().has_text("Answered by patient: I have read it"));
    // "Please call me" makes it the clinic's turn
    patient.submit(&page, "Please call me", &[]).await.redirect();
    let waiting = staff.get("/inbox?filter=waiting_for_us").await.ok();
    assert!(waiting.has_text("Your results") && waiting.has_text("Please call me"));
    // the clinic's next message removes the mark
    let thread = staff.get(&conversation).await.ok();
    staff.submit(&thread, "Send", &[("body", "We will call at noon")]).await.redirect();
    assert!(!staff.get("/inbox?filter=any").await.ok().has_text("Please call me"));
}

async fn only_what_is_offered_where_it_may_be(app: App) {
    let Asked { staff, patient, conversation, message } = asked(&app, &["understood"]).await;
    let page = patient.get(&message).await.ok();
    let mut form = page.form_with("I understand");
    form.press("I understand");
    let id = form.fields().into_iter().find(|(name, _)| name == "message").unwrap().1;
    let answers = format!("{message}/answers");
    for (id, answer, status) in [
        (id.as_str(), "call_me", 404),
        (id.as_str(), "nonsense", 404),
        ("999", "understood", 404),
        (id.as_str(), "understood", 303),
        (id.as_str(), "understood", 303),
    ] {
        assert_eq!(patient.post(&answers, &[("message", id), ("answer", answer)]).await.status, status, "{answer}");
    }
    assert_eq!(patient.get(&message).await.ok().text().matches("You answered").count(), 1, "twice is once");
    // another patient's message is answered as not found
    let other = app.patient(Like { email: Some("b@example.org".into()), phone: None, ..Like::default() }).await;
    app.message(&staff, other, true).await;
    app.drain().await;
    let (stranger, theirs) = app.go_in(&app.link_to("b@example.org"), "b@example.org").await;
    let forged = [("message", id.as_str()), ("answer", "understood")];
    assert_eq!(stranger.post(&format!("{theirs}/answers"), &forged).await.status, 404);
    // a closed conversation takes no more answers, and says so
    staff.post(&format!("{conversation}/closure"), &[]).await.redirect();
    let refused = patient.post(&answers, &forged).await;
    assert_eq!(refused.status, 409);
    assert!(refused.page().has_text("was closed by"));
    assert!(!patient.get(&message).await.ok().has(".taps"));
}
