//! Everything that is sent to a patient is in the Outbox, and returned mail marks the address.

use crate::support::app::{Actor, App, On};
use crate::support::gateways::Twilio;
use crate::support::world::Like;
use crate::{on_both, on_each};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::notifications;
use postern::delivery::Reason;
use postern::delivery::bounce::Returned;
use postern::error::AppError;
use postern::patients::Method;

on_both!(every_kind_is_in_the_outbox, access_is_told_again_and_cancelled, a_returned_one_of_any_kind_marks_the_address);
on_each!(
    a_passcode_is_nobody_elses_to_send,
    a_passcode_that_is_wanted_no_more_comes_to_an_end,
    two_attempts_at_a_passcode_are_one_row,
    what_became_of_a_passcodes_text_is_known
);

type Row = (String, String, String, Option<String>, Option<i64>);

async fn rows(app: &App) -> Vec<Row> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        use notifications as n;
        let columns = (n::kind, n::channel, n::state, n::reason, n::message_id);
        Ok(n::table.order(n::id).select(columns).load(conn)?)
    });
    read.await.unwrap()
}

fn row(kind: &str, channel: &str, state: &str, reason: Option<&str>, message: Option<i64>) -> Row {
    (kind.into(), channel.into(), state.into(), reason.map(str::to_owned), message)
}

/// Adds a patient who gets portal access, and is told so by email.
async fn gets_access(app: &App, owner: &Actor) -> PatientId {
    owner.post("/settings/notification-templates", &[("tell_of_access", "on")]).await.redirect();
    let patient = app.patient(Like { portal_access: false, ..Like::default() }).await;
    let page = owner.get(&format!("/patients/{patient}/information")).await.ok();
    owner.submit(&page, "Save", &[("portal_access", "on")]).await.redirect();
    patient
}

/// Requests a passcode with this link; gives the patient's browser.
async fn asks(app: &App, link: &str) -> Actor {
    let patient = app.anyone();
    patient.post(&format!("{link}/passcode"), &[]).await.redirect();
    patient
}

async fn every_kind_is_in_the_outbox(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = gets_access(&app, &owner).await;
    app.drain().await;
    assert_eq!(rows(&app).await, [row("portal_access", "email", "sent", None, None)]);
    assert!(app.newest_to("maria@example.org").text.contains(&format!("{}/portal\n", app.origin)));
    app.message(&owner, patient, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    asks(&app, &link).await;
    app.drain().await;
    let digits = app.passcode_to("+16135550121");
    app.state.clock.advance(time::Duration::days(2));
    app.drain().await;
    let expected = [
        row("portal_access", "email", "sent", None, None),
        row("message_waiting", "email", "sent", None, Some(1)),
        row("passcode", "sms", "sent", None, None),
        row("reminder", "email", "sent", None, Some(1)),
    ];
    assert_eq!(rows(&app).await, expected);

    let owner = app.user(Role::Owner).await;
    let page = owner.get("/outbox").await.ok();
    assert_eq!(page.count("table tbody tr"), 4);
    for words in ["Portal access given", "Message waiting", "Reminder", "Passcode"] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    let csv = owner.get("/outbox.csv").await.body;
    assert!(!page.text().contains(&digits) && !csv.contains(&digits), "the digits are nowhere");
    assert_eq!(csv.lines().filter(|line| line.contains("+16135550121") && line.ends_with(",Passcode")).count(), 1);
    for (kind, count) in [("passcode", 1), ("portal_access", 1), ("reminder", 1), ("message_waiting", 1), ("x", 4)] {
        let page = owner.get(&format!("/outbox?kind={kind}")).await.ok();
        assert_eq!(page.count("table tbody tr"), count, "{kind}");
    }
    // in the Outbox a passcode and a notice of access lead to the chart, others to the conversation
    let page = owner.get("/outbox?kind=passcode").await.ok();
    assert_eq!(page.link("María Mejía"), format!("/patients/{patient}"));
    // their final states are in the audit log
    let log = owner.get("/settings/audit-log").await.ok();
    assert!(log.has_text("passcode") || log.has_text("Passcode"), "{}", log.text());
    // the inbox is unchanged, because they are not about a message
    assert!(owner.get("/inbox?scope=all&filter=any").await.ok().has_text("Notified"));
}

async fn a_passcode_is_nobody_elses_to_send(on: On) {
    let peer = Twilio::start();
    let app = App::start_texts(on, peer.texts()).await;
    let user = app.user(Role::Staff).await;
    // a number that does not exist
    let patient = app.patient(Like { phone: Some("+16135550101".into()), ..Like::default() }).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    asks(&app, &link).await;
    app.drain().await;
    assert_eq!(rows(&app).await[1], row("passcode", "sms", "failed", Some("no_such_number"), None));
    let page = user.get("/outbox?kind=passcode").await.ok();
    assert_eq!(page.count("table tbody tr form"), 0, "neither sent again nor cancelled");
    assert_eq!(user.post(&format!("/patients/{patient}/cancellations"), &[("notification", "2")]).await.status, 404);
    // the number is known to be wrong: the next passcode is sent by the other channel
    let chart = user.get(&format!("/patients/{patient}")).await.ok();
    assert!(chart.has_text("It works again"), "{}", chart.text());
    asks(&app, &link).await;
    app.drain().await;
    assert_eq!(rows(&app).await[2], row("passcode", "email", "sent", None, None));
}

async fn access_is_told_again_and_cancelled(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = gets_access(&app, &owner).await;
    let again = format!("/patients/{patient}/notifications");
    assert_eq!(owner.post(&again, &[]).await.says(), ("/outbox".into(), "on-its-way".into()));
    let page = owner.get("/outbox").await.ok();
    let to = owner.submit(&page, "Cancel", &[]).await.redirect();
    assert!(owner.get(&to).await.ok().has_text("The notification was cancelled"));
    assert_eq!(app.drain().await, 0);
    assert_eq!(rows(&app).await, [row("portal_access", "email", "cancelled", Some("cancelled_by_user"), None)]);
    let page = owner.get("/outbox").await.ok();
    assert_eq!(owner.submit(&page, "Send again", &[]).await.says(), ("/outbox".into(), "sent-again".into()));
    app.drain().await;
    assert_eq!(rows(&app).await[1].2, "sent");
    let page = owner.get("/outbox").await.ok();
    assert_eq!(page.count("table tbody tr form"), 0, "the cancelled one was sent again since");
    // access is not announced where the patient has none
    let page = owner.get(&format!("/patients/{patient}/information")).await.ok();
    owner.submit(&page, "Save", &[("portal_access", "off")]).await.redirect();
    assert_eq!(owner.post(&again, &[]).await.says(), ("/outbox".into(), "cannot-be-told".into()));
    assert_eq!(app.drain().await, 0);
    assert_eq!(owner.post("/patients/99/notifications", &[]).await.status, 404);
    assert_eq!(owner.post("/patients/99/cancellations", &[("notification", "1")]).await.status, 404);
    let viewer = app.user(Role::Viewer).await;
    assert_eq!(viewer.post(&again, &[]).await.status, 403);
    assert_eq!(viewer.post(&format!("/patients/{patient}/cancellations"), &[("notification", "1")]).await.status, 403);
}

async fn a_returned_one_of_any_kind_marks_the_address(app: App) {
    let owner = app.user(Role::Owner).await;
    for kind in ["portal_access", "passcode"] {
        let patient = match kind {
            "portal_access" => gets_access(&app, &owner).await,
            _ => {
                // the notification is a text, so the passcode is an email
                let patient = app.patient(Like { method: Method::Sms, ..Like::default() }).await;
                app.message(&owner, patient, true).await;
                app.drain().await;
                asks(&app, &app.link_to("+16135550121")).await;
                patient
            }
        };
        app.drain().await;
        assert_eq!(rows(&app).await.last().unwrap().0, kind);
        let (uid, now) = (app.newest_to("maria@example.org").message_uid, app.state.clock.now());
        let bounce = Returned::Failed { uid, reason: Reason::NoMailbox };
        for changes in [true, false] {
            let (bounce, random) = (bounce.clone(), app.state.random.clone());
            let write = app.state.db.write(move |tx| -> Result<_, AppError> {
                Ok(postern::notifications::returned(tx, now, &random, &bounce)?)
            });
            assert_eq!(write.await.unwrap(), changes, "{kind}");
        }
        let last = rows(&app).await.pop().unwrap();
        assert_eq!((last.0.as_str(), last.2.as_str(), last.3.as_deref()), (kind, "bounced", Some("no_mailbox")));
        let chart = owner.get(&format!("/patients/{patient}")).await.ok();
        assert!(chart.has_text("Mail came back on 4 March 2026"), "{kind}: {}", chart.text());
        assert!(owner.get("/outbox?state=bounced").await.ok().has_text("there is no such mailbox"));
        owner.submit(&chart, "It works again", &[]).await.redirect();
    }
}

async fn a_passcode_that_is_wanted_no_more_comes_to_an_end(on: On) {
    let peer = Twilio::start();
    let app = App::start_texts(on, peer.texts()).await;
    let user = app.user(Role::Staff).await;
    // a number that the gateway defers twice
    let patient = app.patient(Like { phone: Some("+16135550102".into()), ..Like::default() }).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    // the job waits to be tried again, and meanwhile the passcode expires
    asks(&app, &link).await;
    app.drain().await;
    assert_eq!(rows(&app).await[1], row("passcode", "sms", "sending", Some("gateway_busy"), None));
    app.state.clock.advance(time::Duration::minutes(11));
    app.drain().await;
    assert_eq!(rows(&app).await[1], row("passcode", "sms", "cancelled", Some("expired"), None));
    // the job waits, and meanwhile a newer passcode is requested
    asks(&app, &link).await;
    app.drain().await;
    assert_eq!(rows(&app).await[2], row("passcode", "sms", "sending", Some("gateway_busy"), None));
    app.state.clock.advance(time::Duration::seconds(21));
    asks(&app, &link).await;
    app.drain().await;
    peer.settled().await;
    let expected =
        [row("passcode", "sms", "cancelled", Some("expired"), None), row("passcode", "sms", "delivered", None, None)];
    assert_eq!(rows(&app).await[2..], expected);
}

async fn two_attempts_at_a_passcode_are_one_row(on: On) {
    let peer = Twilio::start();
    let app = App::start_texts(on, peer.texts()).await;
    let user = app.user(Role::Staff).await;
    // the gateway itself fails once
    let patient = app.patient(Like { phone: Some("+16135550104".into()), ..Like::default() }).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    asks(&app, &app.link_to("maria@example.org")).await;
    app.drain().await;
    let first = uid(&app).await;
    assert_eq!(rows(&app).await[1..], [row("passcode", "sms", "sending", Some("gateway_down"), None)]);
    app.state.clock.advance(time::Duration::seconds(5));
    app.drain().await;
    peer.settled().await;
    assert_eq!(rows(&app).await[1..], [row("passcode", "sms", "delivered", None, None)]);
    // the next attempt has other digits and another Message-ID, so that mail programs do not keep the old digits
    assert_ne!(uid(&app).await, first);
}

async fn uid(app: &App) -> String {
    let read = app.state.db.read(|conn| -> Result<String, AppError> {
        let newest = notifications::table.order(notifications::id.desc());
        Ok(newest.select(notifications::message_uid).first(conn)?)
    });
    read.await.unwrap()
}

async fn what_became_of_a_passcodes_text_is_known(on: On) {
    for (phone, state, reason) in
        [("+16135550121", "delivered", None), ("+16135550103", "failed", Some("no_such_number"))]
    {
        let peer = Twilio::start();
        let app = App::start_texts(on, peer.texts()).await;
        let user = app.user(Role::Staff).await;
        let patient = app.patient(Like { phone: Some(phone.into()), ..Like::default() }).await;
        let conversation = app.message(&user, patient, true).await;
        app.drain().await;
        let (link, waiting) = (app.link_to("maria@example.org"), app.anyone());
        waiting.post(&format!("{link}/passcode"), &[]).await.redirect();
        app.drain().await;
        assert!(peer.settled().await.iter().all(|status| *status == 204));
        assert_eq!(rows(&app).await[1..], [row("passcode", "sms", state, reason, None)]);
        // the waiting patient is told, and the next passcode is sent by the other channel
        let page = waiting.get(&link).await.ok();
        assert_eq!(page.has_text("We could not send your passcode"), reason.is_some(), "{}", page.text());
        if reason.is_some() {
            waiting.post(&format!("{link}/passcode"), &[]).await.redirect();
            app.drain().await;
            assert_eq!(rows(&app).await[2], row("passcode", "email", "sent", None, None));
        }
        // the conversation is not marked, because the link arrived
        assert!(!user.get(&conversation).await.ok().has_text("Needs attention"));
    }
}
