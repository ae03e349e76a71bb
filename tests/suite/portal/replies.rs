//! When a patient may reply, and what the page says where they may not.

use crate::on_both;
use crate::support::app::App;
use crate::support::html::Page;
use crate::support::world::Like;
use postern::access::Role;
use time::Duration;

on_both!(
    replies_off_is_said,
    the_portal_turned_off_is_said,
    a_flood_of_replies_ends_and_loses_no_word,
    sending_twice_is_sending_once,
    closing_can_be_undone
);

const PHONE: &str = "+16135550121";

async fn replies_off_is_said(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, false).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), PHONE).await;
    let page = patient.get(&message).await.ok();
    assert!(
        page.has_text("Replies are off for this conversation with Clinic, as of 4 March 2026, 9:02"),
        "{}",
        page.text()
    );
    assert!(!page.has("textarea"));
    let forced = [("key", "0123456789abcdef"), ("body", "But I must say")];
    let answer = patient.post(&format!("{message}/replies"), &forced).await;
    assert_eq!(answer.status, 409);
    assert!(answer.page().has_text("But I must say") && answer.page().has_text("Replies are off"));
}

async fn the_portal_turned_off_is_said(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), PHONE).await;
    let page = patient.get(&message).await.ok();
    let settings = owner.get("/settings/patient-portal").await.ok();
    owner.submit(&settings, "Save", &[("portal_on", "off")]).await.redirect();
    let answer = patient.submit(&page, "Send", &[("body", "Still there?")]).await;
    assert_eq!(answer.status, 409);
    assert!(answer.page().has_text("Still there?") && answer.page().has_text("is turned off"));
    assert!(!patient.get(&message).await.ok().has_text("Your results"));
    // every page says since when the portal is off, and that is not the time of the request
    let since = |page: &Page| page.text().split("is turned off, as of ").nth(1).map(|rest| rest[..20].to_owned());
    let said = since(&answer.page()).unwrap();
    app.state.clock.advance(Duration::minutes(20));
    owner.submit(&owner.get("/settings/patient-portal").await.ok(), "Save", &[("portal_idle_minutes", "40")]).await;
    for (who, path) in [(&patient, message.as_str()), (&patient, "/portal/messages"), (&app.anyone(), "/portal")] {
        assert_eq!(since(&who.get(path).await.ok()).as_ref(), Some(&said), "{path}");
    }
    let alert = owner.get(&format!("/patients/{maria}/messages/new")).await.ok();
    assert!(alert.has_text("Alert") && alert.has_text("The patient portal is off for the clinic"));
}

async fn a_flood_of_replies_ends_and_loses_no_word(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), PHONE).await;
    let mut refused = None;
    for number in 0..100 {
        let page = patient.get(&message).await.ok();
        let answer = patient.submit(&page, "Send", &[("body", &format!("Words number {number}"))]).await;
        if answer.status != 303 {
            refused = Some((number, answer));
            break;
        }
    }
    let (number, answer) = refused.expect("there is no end to it");
    assert!(number >= 60, "{number}");
    assert_eq!(answer.status, 429);
    let page = answer.page();
    assert!(page.has_text("You have sent a lot in a short time"), "{}", page.text());
    assert_eq!(page.form_with("Send").value("body").as_deref(), Some(&*format!("Words number {number}")));
    // other patients are not affected
    let other = app.patient(Like { email: Some("b@example.org".into()), phone: None, ..Like::default() }).await;
    app.message(&staff, other, true).await;
    app.drain().await;
    let (second, message) = app.go_in(&app.link_to("b@example.org"), "b@example.org").await;
    let page = second.get(&message).await.ok();
    second.submit(&page, "Send", &[("body", "Hello")]).await.redirect();
    assert!(staff.get(&conversation).await.ok().has_text("Words number 59"));
}

async fn sending_twice_is_sending_once(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let path = format!("/patients/{maria}/messages/new");
    let form = [("key", "0123456789abcdef"), ("title", "Once"), ("body", "x"), ("replies_allowed", "on")];
    let all = futures_util::future::join_all((0..8).map(|_| staff.post(&path, &form))).await;
    let first = all[0].clone().redirect();
    assert!(all.into_iter().all(|answer| answer.redirect() == first));
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), 1);
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), PHONE).await;
    let reply = [("key", "0123456789abcdef"), ("body", "Thanks")];
    let replies = format!("{message}/replies");
    futures_util::future::join_all((0..8).map(|_| patient.post(&replies, &reply))).await;
    assert_eq!(patient.get(&message).await.ok().count(".thread li.msg"), 2);
    // other words from the same page, after going back, are another message
    patient.post(&replies, &[("key", "0123456789abcdef"), ("body", "And one more thing")]).await.redirect();
    assert_eq!(patient.get(&message).await.ok().count(".thread li.msg"), 3);
}

async fn closing_can_be_undone(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    staff.post(&format!("{conversation}/closure"), &[]).await.redirect();
    let page = staff.get(&conversation).await.ok();
    assert!(page.has_text("Closed by User staff"));
    staff.submit(&page, "Undo closing", &[]).await.redirect();
    staff.post(&format!("{conversation}/closure"), &[]).await.redirect();
    app.state.clock.advance(time::Duration::minutes(11));
    assert!(!staff.get(&conversation).await.ok().has_text("Undo closing"));
    let late = staff.post(&format!("{conversation}/reopening"), &[]).await.says();
    assert_eq!(late.1, "closed-for-good");
    let reply = [("key", "0123456789abcdef"), ("body", "Too late")];
    let refused = staff.post(&format!("{conversation}/messages"), &reply).await;
    assert_eq!(refused.status, 409);
    assert!(refused.page().has_text("Too late"));
}
