//! An archived record: nothing is sent, the patient cannot sign in, and the pages say why.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;

on_both!(an_archived_patient_is_told_of_nothing, an_archived_record_lets_nobody_in);

const EMAIL: &str = "maria@example.org";

async fn an_archived_patient_is_told_of_nothing(app: App) {
    let user = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&user, maria, true).await;
    app.drain().await;
    let chart = user.get(&format!("/patients/{maria}")).await.ok();
    let asking = user.get(&chart.link("Archive the record")).await.ok();
    let refused = user.submit(&asking, "Archive the record", &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("Choose a reason."));
    let reason = [("reason", "deceased")];
    assert!(user.submit(&asking, "Archive the record", &reason).await.says().1 == "patient-archived");
    assert!(user.get(&format!("/patients/{maria}")).await.ok().has_text("The patient has died."));
    // a search finds her apart from the records in use; the list of all patients has only those in use
    let found = user.get("/patients?q=mejia").await.ok();
    assert_eq!(found.texts_of("section[aria-labelledby=archived] .title").len(), 1);
    assert_eq!(found.texts_of("#main .item .title").len(), 1, "and nowhere else");
    assert!(user.get("/patients").await.ok().texts_of("#main .item .title").is_empty());
    let alert = user.get(&format!("/patients/{maria}/messages/new")).await.ok();
    assert!(alert.has_text("The record is archived. The patient has died."), "{}", alert.text());
    assert!(!user.get(&conversation).await.ok().has_text("Reminder: planned"));
    let sent = app.mailbox.newest_first().len();
    app.state.clock.advance(time::Duration::days(20));
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().iter().filter(|mail| mail.to == EMAIL).count(), 1);
    assert!(app.mailbox.newest_first().len() >= sent);

    let user = app.user(Role::Staff).await;
    let alert = user.get(&format!("/patients/{maria}/messages/new")).await.ok();
    user.submit(&alert, "Bring the record back", &[]).await.redirect();
    assert!(!user.get(&format!("/patients/{maria}")).await.ok().has_text("archived"));
    app.message(&user, maria, true).await;
}

async fn an_archived_record_lets_nobody_in(app: App) {
    let user = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&user, maria, true).await;
    app.drain().await;
    let link = app.link_to(EMAIL);
    let (patient, message) = app.go_in(&link, "+16135550121").await;
    patient.get(&message).await.ok();
    user.post(&format!("/patients/{maria}/archiving"), &[("reason", "left")]).await.redirect();
    assert_eq!(patient.get(&message).await.status, 303, "the session ends");
    assert_eq!(app.anyone().get(&link).await.status, 404, "the link ends");
    // the patient cannot sign in without a link either
    let before = app.mailbox.newest_first().len();
    let who = app.anyone();
    let claim = [("number", "9434765919"), ("contact", EMAIL)];
    who.submit(&who.get("/portal").await.ok(), "Send me my passcode", &claim).await.redirect();
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), before);
    user.post(&format!("/patients/{maria}/bringing-back"), &[]).await.redirect();
    assert_eq!(app.anyone().get(&link).await.status, 404, "a link that ended stays so");
}
