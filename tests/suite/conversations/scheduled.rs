//! A message that is to go out later goes out at its moment, once, as a click would have sent it; until then it can be changed and
//! cancelled, and what has changed by then is told to its writer.

use crate::files::samples;
use crate::files::uploads::upload;
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use futures_util::future::join_all;
use postern::access::Role;
use postern::db::schema::{audit_events, jobs, messages, scheduled_messages as s, uploads, users};
use postern::db::{DbError, PatientId, Ts};
use postern::error::AppError;
use postern::outbox;
use time::Duration;
use time::macros::datetime;

on_both!(
    it_goes_out_at_its_moment_as_a_click_would_send_it,
    a_reply_goes_out_later_and_not_over_what_came_since,
    it_is_changed_cancelled_sent_now_and_removed,
    what_is_over_or_is_no_time_is_refused_with_the_words_kept,
    the_clocks_change,
    what_has_changed_by_then_is_told_and_not_sent,
    several_workers_send_it_once,
    a_worker_that_dies_loses_nothing,
    who_leaves_hands_it_over,
    it_goes_with_a_record_that_is_deleted,
    its_words_are_its_writers_alone,
);

const EMAIL: &str = "maria@example.org";

/// Schedules a new message; the clock of the clinic stands at 9:02 on 4 March 2026, a Wednesday.
pub async fn schedule(user: &Actor, patient: PatientId, fields: &[(&str, &str)]) -> Answer {
    let page = user.get(&format!("/patients/{patient}/messages/new")).await.ok();
    let mut form = page.form_with("Submit");
    form.set("title", "Your results").set("body", "All is **well**.");
    for (name, value) in fields {
        match *name {
            "later" | "upload" | "chart_item" => form.forge(name, value),
            _ => form.set(name, value),
        };
    }
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    user.post(&format!("/patients/{patient}/messages/scheduled"), &pairs).await
}

/// How many messages there are.
pub async fn count(app: &App) -> i64 {
    app.state.db.read(|c| -> Result<i64, AppError> { Ok(messages::table.count().get_result(c)?) }).await.unwrap()
}

/// Moment, state and reason of all that was to go out later, in the order in which it was written.
pub async fn rows(app: &App) -> Vec<(Ts, String, Option<String>)> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok(s::table.order(s::id).select((s::send_at, s::state, s::reason)).load(conn)?)
    });
    read.await.unwrap()
}

/// The moment at which the clinic's clock stands.
fn at(moment: time::OffsetDateTime) -> Ts {
    moment.into()
}

pub async fn go_to(app: &App, moment: time::OffsetDateTime) {
    app.state.clock.advance(moment - app.state.clock.now().get());
    app.drain().await;
}

/// A user comes back in the morning: their session has ended overnight. Users are numbered as they were made.
pub async fn back(app: &App, user: &Actor, number: i64) {
    let read = app.state.db.read(move |conn| -> Result<String, AppError> {
        Ok(users::table.find(number).select(users::email).first(conn)?)
    });
    let email = read.await.unwrap();
    user.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
}

async fn it_goes_out_at_its_moment_as_a_click_would_send_it(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let added = upload(&staff, maria, "a.pdf", samples::pdf()).await.text();
    let file = added.split("name=\"upload\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("later", "tomorrow"), ("upload", &file), ("replies_allowed", "on")];
    let (to, notice) = schedule(&staff, maria, &fields).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/inbox/scheduled", "message-scheduled"));
    assert_eq!(rows(&app).await, [(at(datetime!(2026-03-05 14:00 UTC)), "waiting".to_owned(), None)]);
    let page = staff.get("/inbox/scheduled").await.ok();
    assert!(page.has_text("Your results") && page.has_text("5 March 2026, 9:00"), "{}", page.text());
    assert!(staff.get("/inbox").await.ok().has_text("Scheduled"));
    // the draft is gone, and the file waits longer than a day
    assert!(!staff.get(&format!("/patients/{maria}/messages/new")).await.ok().has_text("All is"));
    go_to(&app, datetime!(2026-03-05 13:59:59 UTC)).await;
    postern::worker::upkeep(&app.state, app.state.clock.now()).await;
    assert_eq!((count(&app).await, app.mailbox.newest_first().len()), (0, 0));
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    assert_eq!((count(&app).await, app.mailbox.newest_first().len()), (1, 1));
    back(&app, &staff, 1).await;
    assert!(app.newest_to(EMAIL).subject.contains("A message is waiting"));
    let sent = staff.get("/conversations/1").await.ok();
    assert!(sent.has_text("All is well") && sent.has_text("a.pdf") && sent.has_text("Patient may respond"));
    assert!(staff.get("/inbox/scheduled").await.ok().has_text("Nothing is to go out later"));
    let kept = app.state.db.read(|conn| -> Result<(String, i64, i64), AppError> {
        use postern::db::sealed::Opened;
        let form: Opened = s::table.select(s::form).first(conn)?;
        let files = uploads::table.count().get_result(conn)?;
        let sent = audit_events::table.filter(audit_events::action.eq("conversation_started"));
        Ok((form.into(), files, sent.count().get_result(conn)?))
    });
    assert_eq!(kept.await.unwrap(), ("[]".to_owned(), 0, 1), "its words stand in the message alone");
}

async fn a_reply_goes_out_later_and_not_over_what_came_since(app: App) {
    let (staff, other) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    let later = async |words: &str| {
        let page = staff.get(&conversation).await.ok();
        let mut form = page.form_with("Send");
        form.set("body", words).forge("later", "monday");
        let pairs = form.fields();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        staff.post(&format!("{conversation}/messages/scheduled"), &pairs).await.redirect()
    };
    assert_eq!(later("See you on Monday").await, "/inbox/scheduled");
    // at 9:00 of summer time, which began on Sunday
    go_to(&app, datetime!(2026-03-09 12:59 UTC)).await;
    assert_eq!(count(&app).await, 1);
    go_to(&app, datetime!(2026-03-09 13:00 UTC)).await;
    back(&app, &staff, 1).await;
    back(&app, &other, 2).await;
    assert!(staff.get(&conversation).await.ok().has_text("See you on Monday"));
    later("And one more").await;
    let page = other.get(&conversation).await.ok();
    other.submit(&page, "Send", &[("body", "A colleague was faster")]).await.redirect();
    go_to(&app, datetime!(2026-03-16 13:00 UTC)).await;
    back(&app, &staff, 1).await;
    assert!(!staff.get(&conversation).await.ok().has_text("And one more"));
    assert_eq!(rows(&app).await[1].2.as_deref(), Some("newer"));
    // its writer has a mail, news in the inbox, and the words
    assert!(app.mailbox.newest_first().iter().any(|mail| mail.subject.contains("will not go out by itself")));
    let page = staff.get("/inbox/scheduled").await.ok();
    assert!(page.has_text("has written since"), "{}", page.text());
    let editor = page.links().into_iter().find(|link| link.href.contains("scheduled=2")).unwrap().href;
    let form = staff.get(editor.split('#').next().unwrap()).await.ok();
    assert_eq!(form.form_with("Send").value("body").as_deref().map(str::trim), Some("And one more"));
    staff.submit(&form, "Send", &[]).await.redirect();
    assert!(staff.get(&conversation).await.ok().has_text("And one more"));
    assert!(staff.get("/inbox/scheduled").await.ok().has_text("Nothing is to go out later"));
}

async fn it_is_changed_cancelled_sent_now_and_removed(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let edit = format!("/patients/{maria}/messages/new?scheduled=1");
    let (page, old) = (staff.get(&edit).await.ok(), staff.get(&edit).await.ok());
    assert!(page.has_text("goes out on 5 March 2026, 9:00"), "{}", page.text());
    let (goal, form) = (format!("/patients/{maria}/messages/scheduled"), page.form_with("Submit"));
    assert_eq!(
        (form.value("later_date").as_deref(), form.value("later_time").as_deref()),
        (Some("2026-03-05"), Some("09:00"))
    );
    let post = async |page: &crate::support::html::Page, words: &str, clock: &str| {
        let mut form = page.form_with("Submit");
        form.set("body", words).forge("later", "at").set("later_time", clock);
        let pairs = form.fields();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        staff.post(&goal, &pairs).await
    };
    post(&page, "Other words", "10:30").await.redirect();
    assert_eq!(rows(&app).await, [(at(datetime!(2026-03-05 15:30 UTC)), "waiting".to_owned(), None)]);
    // a page that saw an older version changes nothing, and keeps the words
    let stale = post(&old, "Older words", "11:00").await;
    assert_eq!(stale.status, 409);
    let told = stale.page();
    assert!(told.has_text("was changed or removed in the meantime"), "{}", told.text());
    assert!(told.has_text("goes out on 5 March 2026, 10:30"));
    assert!(stale.body.contains("Older words") && stale.body.contains("Other words"));
    // cancelled: nothing goes out, the words stay, and it can be put off again
    let list = staff.get("/inbox/scheduled").await.ok();
    staff.submit(&list, "Cancel", &[]).await.redirect();
    go_to(&app, datetime!(2026-03-05 16:00 UTC)).await;
    back(&app, &staff, 1).await;
    assert_eq!(count(&app).await, 0);
    let list = staff.get("/inbox/scheduled").await.ok();
    assert!(list.has_text("Cancelled") && list.has_text("Remove"), "{}", list.text());
    let page = staff.get(&edit).await.ok();
    assert_eq!(page.form_with("Submit").value("body").as_deref().map(str::trim), Some("Other words"));
    let mut form = page.form_with("Submit");
    form.forge("later", "tomorrow");
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    staff.post(&goal, &pairs).await.redirect();
    // now
    let list = staff.get("/inbox/scheduled").await.ok();
    staff.submit(&list, "Send now", &[]).await.redirect();
    app.drain().await;
    assert_eq!(count(&app).await, 1);
    assert!(staff.get("/conversations/1").await.ok().has_text("Other words"));
    for change in ["cancellation", "sending", "removal"] {
        let version =
            app.state.db.read(|conn| -> Result<i64, AppError> { Ok(s::table.select(s::version).first(conn)?) });
        let fields = [("version", &*version.await.unwrap().to_string())];
        let (to, notice) = staff.post(&format!("/scheduled/1/{change}"), &fields).await.says();
        let led = (to.as_str(), notice.as_str());
        assert_eq!(led, ("/conversations/1", "scheduled-went-out"), "{change}: it has gone out");
    }
    // sent from its editor at once, it does not go out a second time
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let page = staff.get(&format!("/patients/{maria}/messages/new?scheduled=2")).await.ok();
    staff.submit(&page, "Submit", &[("body", "At once")]).await.redirect();
    go_to(&app, datetime!(2026-03-07 16:00 UTC)).await;
    back(&app, &staff, 1).await;
    assert_eq!(count(&app).await, 2);
    // removed
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let list = staff.get("/inbox/scheduled").await.ok();
    staff.submit(&list, "Cancel", &[]).await.redirect();
    let list = staff.get("/inbox/scheduled").await.ok();
    staff.submit(&list, "Remove", &[]).await.redirect();
    assert!(staff.get("/inbox/scheduled").await.ok().has_text("Nothing is to go out later"));
}

async fn what_is_over_or_is_no_time_is_refused_with_the_words_kept(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    for (date, clock, says) in [
        ("2026-03-04", "09:00", "This moment is over"),
        ("2026-03-04", "09:02", "This moment is over"),
        ("2026-03-03", "10:00", "This moment is over"),
        ("2028-03-04", "10:00", "at most a year"),
        ("2026-02-30", "10:00", "Choose a date"),
        ("", "10:00", "Choose a date"),
        ("2026-03-05", "25:00", "Choose a time"),
        ("2026-03-05", "", "Choose a time"),
        ("2026-03-08", "02:30", "does not exist"),
    ] {
        let answer = schedule(&staff, maria, &[("later", "at"), ("later_date", date), ("later_time", clock)]).await;
        assert_eq!(answer.status, 422, "{date} {clock}");
        let page = answer.page();
        assert!(page.has_text(says), "{date} {clock}: {}", page.text());
        assert!(page.form_with("Submit").value("body").unwrap().contains("All is"), "{date} {clock}");
        assert_eq!(page.form_with("Submit").value("later_date").as_deref(), Some(date));
    }
    assert!(rows(&app).await.is_empty());
    let answer = schedule(&staff, maria, &[("later", "tomorrow"), ("body", "")]).await;
    assert_eq!(answer.status, 422);
    // twice is once
    let form = [("title", "T"), ("body", "B"), ("key", "0123456789abcdef"), ("later", "tomorrow")];
    let goal = format!("/patients/{maria}/messages/scheduled");
    let all = join_all((0..3).map(|_| staff.post(&goal, &form))).await;
    assert!(all.iter().all(|answer| answer.status == 303));
    assert_eq!(rows(&app).await.len(), 1);
}

async fn the_clocks_change(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    // of two moments at which the clocks show the same, the first
    for (date, clock) in [("2026-11-01", "01:30"), ("2026-11-01", "02:30"), ("2026-03-08", "03:00")] {
        schedule(&staff, maria, &[("later", "at"), ("later_date", date), ("later_time", clock)]).await.redirect();
    }
    let all: Vec<Ts> = rows(&app).await.into_iter().map(|row| row.0).collect();
    assert_eq!(
        all,
        [datetime!(2026-11-01 05:30 UTC), datetime!(2026-11-01 07:30 UTC), datetime!(2026-03-08 07:00 UTC)].map(at)
    );
}

async fn what_has_changed_by_then_is_told_and_not_sent(app: App) {
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let due = datetime!(2026-03-05 14:00 UTC);
    // the patient cannot be told any more
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    owner.post(&format!("/patients/{maria}/archiving"), &[("reason", "deceased")]).await.redirect();
    // a file is infected
    let jo = app.patient(Like { name: ("Jo", "Roy"), email: Some("jo@example.org".into()), ..Like::default() }).await;
    let added = upload(&staff, jo, "a.pdf", samples::pdf()).await.text();
    let file = added.split("name=\"upload\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    schedule(&staff, jo, &[("later", "tomorrow"), ("upload", &file)]).await.redirect();
    crate::files::opened::scanned(&app, postern::storage::Scan::Infected).await;
    // the conversation is closed
    let conversation = app.message(&staff, jo, true).await;
    let page = staff.get(&conversation).await.ok();
    let mut form = page.form_with("Send");
    form.set("body", "A reply").forge("later", "tomorrow");
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    staff.post(&format!("{conversation}/messages/scheduled"), &pairs).await.redirect();
    staff.post(&format!("{conversation}/closure"), &[]).await.redirect();
    app.drain().await;
    let before = count(&app).await;
    go_to(&app, due).await;
    back(&app, &staff, 2).await;
    assert_eq!(count(&app).await, before);
    let why: Vec<String> = rows(&app).await.into_iter().map(|row| row.2.unwrap_or(row.1)).collect();
    assert_eq!(why, ["cannot_be_told", "files_infected", "closed"]);
    let mails = app.mailbox.newest_first();
    let told = mails.iter().filter(|mail| mail.subject.contains("will not go out by itself")).count();
    assert_eq!(told, 3);
    assert!(mails.iter().all(|mail| !mail.text.contains("Jo") && !mail.text.contains("results")));
    let page = staff.get("/inbox/scheduled").await.ok();
    for words in ["cannot be told", "virus", "conversation was closed"] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    // a worker that comes a day too late sends nothing either
    schedule(&staff, jo, &[("later", "tomorrow")]).await.redirect();
    go_to(&app, datetime!(2026-03-08 14:00 UTC)).await;
    back(&app, &staff, 2).await;
    back(&app, &owner, 1).await;
    assert_eq!(rows(&app).await[3].2.as_deref(), Some("late"));
    // nor is anything sent for who may not send any more
    schedule(&staff, jo, &[("later", "tomorrow")]).await.redirect();
    let page = owner.get("/settings/users/2").await.ok();
    owner.submit(&page, "Save", &[("role", "viewer")]).await.redirect();
    go_to(&app, datetime!(2026-03-09 14:00 UTC)).await;
    assert_eq!(rows(&app).await[4].2.as_deref(), Some("writer"));
    // they read it, and what else is theirs, and change nothing
    back(&app, &staff, 2).await;
    let page = staff.get("/inbox/scheduled").await.ok();
    assert!(page.has_text("You may not send messages any more") && page.has_text("Your results"), "{}", page.text());
    assert!(!page.has("form[action^='/scheduled/']") && !page.has("a[href*='scheduled=']"));
    assert!(staff.get("/inbox").await.ok().has("a[href='/inbox/scheduled']"));
}

async fn several_workers_send_it_once(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    for _ in 0..5 {
        schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    }
    app.state.clock.advance(datetime!(2026-03-05 14:00 UTC) - app.state.clock.now().get());
    join_all((0..4).map(|_| app.drain())).await;
    assert_eq!(count(&app).await, 5);
    assert_eq!(app.mailbox.newest_first().len(), 5);
    assert!(rows(&app).await.iter().all(|row| row.1 == "sent"));
}

async fn a_worker_that_dies_loses_nothing(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    app.state.clock.advance(datetime!(2026-03-05 14:00 UTC) - app.state.clock.now().get());
    // claimed, and never heard of again
    let (now, random) = (app.state.clock.now(), app.state.random.clone());
    let claim = app.state.db.write(move |tx| -> Result<_, DbError> {
        Ok(outbox::claim(tx, now, &random, outbox::Lane::Plans, 9, &[])?.len())
    });
    assert_eq!(claim.await.unwrap(), 1);
    app.drain().await;
    assert_eq!(count(&app).await, 0, "the claim holds");
    app.state.clock.advance(Duration::seconds(61));
    app.drain().await;
    assert_eq!(count(&app).await, 1);
    let left = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(jobs::table.filter(jobs::kind.eq("send_scheduled")).count().get_result(conn)?)
    });
    assert_eq!(left.await.unwrap(), 0);
}

async fn who_leaves_hands_it_over(app: App) {
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let nobody = owner.post("/settings/users/2/deactivation", &[]).await;
    assert_eq!(nobody.status, 422, "somebody takes over");
    owner.post("/settings/users/2/deactivation", &[("to", "1")]).await.redirect();
    go_to(&app, datetime!(2026-03-05 15:00 UTC)).await;
    back(&app, &owner, 1).await;
    assert_eq!(count(&app).await, 0);
    let page = owner.get("/inbox/scheduled").await.ok();
    assert!(page.has_text("Your results") && page.has_text("has left"), "{}", page.text());
    let page = owner.get(&format!("/patients/{maria}/messages/new?scheduled=1")).await.ok();
    owner.submit(&page, "Submit", &[]).await.redirect();
    assert_eq!(count(&app).await, 1);
}

async fn it_goes_with_a_record_that_is_deleted(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let added = upload(&owner, maria, "a.pdf", samples::pdf()).await.text();
    let file = added.split("name=\"upload\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    schedule(&owner, maria, &[("later", "tomorrow"), ("upload", &file)]).await.redirect();
    let conversation = app.message(&owner, maria, true).await;
    let page = owner.get(&conversation).await.ok();
    let mut form = page.form_with("Send");
    form.set("body", "A reply").forge("later", "tomorrow");
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    owner.post(&format!("{conversation}/messages/scheduled"), &pairs).await.redirect();
    assert_eq!(rows(&app).await.len(), 2);
    owner.post(&format!("/patients/{maria}/archiving"), &[("reason", "left")]).await.redirect();
    owner.post(&format!("/patients/{maria}/deletion"), &[("name", "María Mejía")]).await.redirect();
    assert!(rows(&app).await.is_empty());
    let left = app.state.db.read(|conn| -> Result<(i64, i64), AppError> {
        let files = uploads::table.count().get_result(conn)?;
        Ok((files, jobs::table.filter(jobs::kind.eq("send_scheduled")).count().get_result(conn)?))
    });
    assert_eq!(left.await.unwrap(), (0, 0));
    go_to(&app, datetime!(2026-03-05 15:00 UTC)).await;
    assert_eq!(count(&app).await, 0);
}

async fn its_words_are_its_writers_alone(app: App) {
    let (staff, other) = (app.user(Role::Clinician).await, app.user(Role::Owner).await);
    let viewer = app.user(Role::Viewer).await;
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    for change in ["cancellation", "sending", "removal"] {
        assert_eq!(other.post(&format!("/scheduled/1/{change}"), &[]).await.status, 404);
        assert_eq!(viewer.post(&format!("/scheduled/1/{change}"), &[]).await.status, 403);
    }
    assert!(viewer.get("/inbox/scheduled").await.ok().has_text("Nothing is to go out later"));
    assert!(!other.get("/inbox/scheduled").await.ok().has_text("Your results"));
    let (to, _) = other.get(&format!("/patients/{maria}/messages/new?scheduled=1")).await.says();
    assert_eq!(to, "/inbox/scheduled");
}
