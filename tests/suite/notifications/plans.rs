//! The plan for a message that is not opened: text, reminder, a notice to the sender; all stopped when it is first
//! opened. And emails to staff about answers.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::{Like, PASSWORD};
use postern::access::Role;
use postern::db::PatientId;
use postern::patients::Method;
use time::Duration;

on_both!(
    the_plan_is_carried_out,
    the_first_opening_stops_it,
    a_newer_message_and_a_closed_conversation_stop_it,
    the_clinic_decides_what_is_usual,
    staff_are_told_of_answers,
);

async fn sent(app: &App, user: &Actor, patient: PatientId, plan: [&str; 3]) -> String {
    let page = user.get(&format!("/patients/{patient}/messages/new")).await.ok();
    let skip = usize::from(!page.has("#plan_text_hours")) * 3;
    let fields = [
        ("title", "Results"),
        ("body", "All is well"),
        ("plan_text_hours", plan[0]),
        ("plan_remind_days", plan[1]),
        ("plan_tell_days", plan[2]),
    ];
    let fields: Vec<_> = fields.into_iter().filter(|(name, _)| skip == 0 || *name != "plan_text_hours").collect();
    let to = user.submit(&page, "Submit", &fields).await.redirect();
    app.drain().await;
    to.split('?').next().unwrap().to_owned()
}

async fn after(app: &App, span: Duration) -> usize {
    let before = app.mailbox.newest_first().len();
    app.state.clock.advance(span);
    app.drain().await;
    app.mailbox.newest_first().len() - before
}

/// Signs the first user in again, because their session has ended after days.
async fn back(app: &App, user: &Actor) {
    use diesel::prelude::*;
    use postern::db::schema::users;
    let read = app.state.db.read(|conn| -> Result<String, postern::error::AppError> {
        Ok(users::table.select(users::email).order(users::id).first(conn)?)
    });
    let email = read.await.unwrap();
    user.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
}

fn both() -> Like {
    Like { method: Method::Both, ..Like::default() }
}

async fn the_plan_is_carried_out(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(both()).await;
    let conversation = sent(&app, &owner, patient, ["4", "2", "3"]).await;
    assert_eq!(app.mailbox.newest_first().len(), 1, "the email only");
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Text message: planned for 4 March 2026, 13:02"), "{}", page.text());
    assert_eq!(after(&app, Duration::minutes(239)).await, 0);
    assert_eq!(after(&app, Duration::minutes(1)).await, 1);
    assert_eq!(app.mailbox.newest_first()[0].to, "+16135550121");
    assert_eq!(after(&app, Duration::hours(43)).await, 0);
    assert_eq!(after(&app, Duration::hours(1)).await, 2, "one reminder by each road");
    assert!(app.newest_to("maria@example.org").subject.starts_with("Reminder: "));
    assert!(app.newest_to("+16135550121").text.contains("still waiting"));
    back(&app, &owner).await;
    assert!(!owner.get("/inbox?filter=any").await.ok().has_text("Not opened"));
    assert_eq!(owner.get("/inbox/count").await.body, "0");
    assert_eq!(after(&app, Duration::hours(24)).await, 0);
    back(&app, &owner).await;
    let inbox = owner.get("/inbox?filter=any").await.ok();
    assert!(inbox.has_text("Not opened") && inbox.has("li.unread"), "{}", inbox.text());
    assert_eq!(owner.get("/inbox/count").await.body, "1");
    let page = owner.get(&conversation).await.ok();
    assert!(
        page.has_text("has not read the message in the time") && page.has_text("Sender told: done"),
        "{}",
        page.text()
    );
    assert_eq!(after(&app, Duration::days(20)).await, 0, "once");
    // the reminder's link signs the patient in, and the mark is removed
    let (reader, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    reader.get(&message).await.ok();
    back(&app, &owner).await;
    assert!(!owner.get("/inbox?filter=any").await.ok().has_text("Not opened"));
}

async fn the_first_opening_stops_it(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(both()).await;
    let conversation = sent(&app, &owner, patient, ["8", "1", "1"]).await;
    let (reader, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    // neither the link alone nor the list of messages counts as opening
    reader.get("/portal/messages").await.ok();
    assert!(owner.get(&conversation).await.ok().has_text("Reminder: planned for"));
    reader.get(&message).await.ok();
    let page = owner.get(&conversation).await.ok();
    assert_eq!(page.count("ol.timeline > li.opened"), 3, "{}", page.text());
    assert_eq!(after(&app, Duration::days(9)).await, 0);
    back(&app, &owner).await;
    assert!(!owner.get("/inbox?filter=any").await.ok().has_text("Not opened"));
}

async fn a_newer_message_and_a_closed_conversation_stop_it(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let conversation = sent(&app, &owner, patient, ["0", "1", "2"]).await;
    let page = owner.get(&conversation).await.ok();
    owner.submit(&page, "Send", &[("body", "And one thing more")]).await.redirect();
    app.drain().await;
    let page = owner.get(&conversation).await.ok();
    assert_eq!(page.count("ol.timeline > li.replaced"), 2, "{}", page.text());
    assert_eq!(after(&app, Duration::days(1)).await, 0);
    assert_eq!(after(&app, Duration::days(1)).await, 1, "the clinic's two days, for the newer message");
    back(&app, &owner).await;
    let other = sent(&app, &owner, patient, ["0", "1", "1"]).await;
    owner.post(&format!("{other}/closure"), &[]).await.redirect();
    assert_eq!(after(&app, Duration::days(1)).await, 0);
    back(&app, &owner).await;
    assert_eq!(owner.get(&other).await.ok().count("ol.timeline > li.closed"), 2);
}

async fn the_clinic_decides_what_is_usual(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(both()).await;
    let choices = [("plan_text_hours", "24"), ("plan_remind_days", "0"), ("plan_tell_days", "5")];
    owner.post("/settings/notification-templates", &choices).await.redirect();
    let form = owner.get(&format!("/patients/{patient}/messages/new")).await.ok().form_with("Submit");
    let chosen = ["plan_text_hours", "plan_remind_days", "plan_tell_days"].map(|name| form.value(name).unwrap());
    assert_eq!(chosen, ["24", "0", "5"]);
    // a value that is not offered, and a form without the plan's line, give the clinic's plan
    let conversation = sent_plainly(&app, &owner, patient).await;
    assert_eq!(app.mailbox.newest_first().len(), 1);
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Text message: planned") && page.has_text("Sender told: planned"), "{}", page.text());
    assert!(!page.has_text("Reminder:"));
    // a patient with one channel is notified at once, and the form does not offer the text
    let one = app.patient(Like { email: Some("one@example.org".into()), ..Like::default() }).await;
    assert!(!owner.get(&format!("/patients/{one}/messages/new")).await.ok().has("#plan_text_hours"));
}

async fn sent_plainly(app: &App, user: &Actor, patient: PatientId) -> String {
    let fields = [("title", "T"), ("body", "B"), ("key", "0123456789abcdef-1"), ("plan_remind_days", "999")];
    let to = user.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    app.drain().await;
    to.split('?').next().unwrap().to_owned()
}

async fn staff_are_told_of_answers(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    app.message(&owner, patient, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let mut number = 0;
    let mut answer = async || {
        // a passcode can be asked for again after a while
        app.state.clock.advance(Duration::minutes(1));
        let (reader, message) = app.go_in(&link, "+16135550121").await;
        number += 1;
        let page = reader.get(&message).await.ok();
        reader.submit(&page, "Send", &[("body", &format!("Quizzical words {number}"))]).await.redirect();
        app.drain().await;
    };
    let to_staff =
        || app.mailbox.newest_first().into_iter().filter(|mail| mail.to.contains("@clinic")).collect::<Vec<_>>();
    answer().await;
    assert!(to_staff().is_empty(), "off at first");
    assert_eq!(owner.get("/inbox/count").await.body, "1", "the mark is there all the same");
    let choose = async |told: &str| {
        back(&app, &owner).await;
        let page = owner.get("/account/notifications").await.ok();
        owner.submit(&page, "Save", &[("told", told)]).await.redirect();
    };
    choose("at_once").await;
    answer().await;
    let mails = to_staff();
    assert_eq!(mails.len(), 1);
    let said = format!("{} {} {}", mails[0].subject, mails[0].text, mails[0].html).to_lowercase();
    for word in ["quizzical", "maría", "maria", "mejía", "results", "1951", "conversations"] {
        assert!(!said.contains(word), "{word}: {said}");
    }
    assert!(mails[0].text.contains(&format!("{}/inbox", app.origin)));
    choose("hourly").await;
    answer().await;
    answer().await;
    assert_eq!(to_staff().len(), 1);
    after(&app, Duration::hours(1)).await;
    assert_eq!(to_staff().len(), 2, "one for both");
    choose("daily").await;
    answer().await;
    after(&app, Duration::hours(3)).await;
    assert_eq!(to_staff().len(), 2);
    after(&app, Duration::hours(20)).await;
    assert_eq!(to_staff().len(), 3, "in the morning");
    back(&app, &owner).await;
    assert_eq!(owner.post("/account/notifications", &[("told", "x")]).await.status, 400);
}
