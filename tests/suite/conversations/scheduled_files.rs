//! What belongs to a message that goes out later stays with it: its files, and what is typed while the patient cannot be told. What
//! does not stay is told before it goes without.

use super::scheduled::{back, count, go_to, schedule};
use super::scheduled_kept::{filled, post, sql, states};
use crate::chart::items::{add, days_ago};
use crate::files::samples;
use crate::files::uploads::{id_in, post_form, upload};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::chart::{ItemKind, Stored};
use postern::db::schema::{jobs, uploads as u};
use postern::db::{PatientId, ScheduledId};
use postern::error::AppError;
use reqwest::multipart::{Form as Multipart, Part};
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use time::macros::datetime;

on_both!(
    an_item_that_was_withdrawn_is_told_before_it_goes_without,
    a_file_that_was_added_while_two_charts_were_one_goes_with_its_message,
    files_go_to_whoever_takes_over,
    every_form_of_the_alert_brings_the_words_back,
    one_file_that_is_too_large_is_told_at_once_and_at_its_moment,
    who_wrote_to_a_record_that_is_deleted_is_told,
    a_file_that_cannot_be_made_is_logged_as_that,
);

const GONE: &str = "A file is no longer there";

async fn an_item_that_was_withdrawn_is_told_before_it_goes_without(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let item = match add(&app, maria, "1", ItemKind::LabResult, days_ago(10), "Lipid panel", "words").await {
        Stored::New(id) | Stored::Changed(id) | Stored::Same(id) => id.to_string(),
    };
    let conversation = app.message(&staff, maria, true).await;
    let new = format!("/patients/{maria}/messages/new");
    schedule(&staff, maria, &[("later", "tomorrow"), ("chart_item", &item)]).await.redirect();
    let page = staff.get(&conversation).await.ok();
    let fields = filled(&page, "Send", &[("body", "A reply"), ("later", "tomorrow"), ("chart_item", &item)]);
    post(&staff, &format!("{conversation}/messages/scheduled"), &fields).await.redirect();
    assert!(!staff.get(&format!("{new}?scheduled=1")).await.ok().has_text(GONE));
    sql(&app, "UPDATE chart_items SET state = 'withdrawn'").await;
    for path in [format!("{new}?scheduled=1"), format!("{conversation}?scheduled=2")] {
        let page = staff.get(&path).await.ok();
        assert!(page.has_text(GONE), "{path}: {}", page.text());
    }
    // by the way of the Alert as well
    let page = staff.get(&format!("{new}?scheduled=1")).await.ok();
    sql(&app, "UPDATE patients SET notification_method = 'none'").await;
    let alert = staff.get(&format!("{new}?scheduled=1")).await.ok();
    assert!(!alert.has_text(GONE));
    let mut form = alert.form("form[action$='/messages/repair']");
    form.set("method", "email");
    let repaired = post(&staff, &format!("/patients/{maria}/messages/repair"), &form.fields()).await.ok();
    assert!(repaired.has_text(GONE), "{}", repaired.text());
    // at its moment it goes without nothing, and afterwards the form says again what is missing
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    back(&app, &staff, 1).await;
    assert_eq!(states(&app).await, ["files_gone", "files_gone"]);
    let late = staff.get(&format!("{new}?scheduled=1")).await.ok();
    assert!(late.has_text(GONE) && late.has_text("does not go out by itself"), "{}", late.text());
    // what the writer has read goes out without it
    drop(page);
    let before = count(&app).await;
    staff.submit(&late, "Submit", &[]).await.redirect();
    assert_eq!(count(&app).await, before + 1);
}

/// An upload, whose it is, and with which message it goes out later.
type Kept = (i64, Option<PatientId>, Option<ScheduledId>);

async fn a_file_that_was_added_while_two_charts_were_one_goes_with_its_message(app: App) {
    let staff = app.user(Role::Staff).await;
    let one = app.patient(Like::default()).await;
    let like =
        Like { name: ("Maria", "Mejía"), email: Some("m.mejia@example.org".into()), phone: None, ..Like::default() };
    let other = app.patient(like).await;
    let moved = app.message(&staff, other, true).await;
    app.state.clock.advance(time::Duration::minutes(1));
    let page = staff.get(&format!("/patients/{one}/merging?with={other}")).await.ok();
    staff.submit(&page, "Merge the charts", &[]).await.redirect();
    app.state.clock.advance(time::Duration::minutes(1));
    let file = id_in(&upload(&staff, one, "a.pdf", samples::pdf()).await);
    let left = id_in(&upload(&staff, one, "b.pdf", samples::pdf()).await);
    let page = staff.get(&moved).await.ok();
    let fields = filled(&page, "Send", &[("body", "A reply"), ("later", "tomorrow"), ("upload", &file)]);
    post(&staff, &format!("{moved}/messages/scheduled"), &fields).await.redirect();
    let chart = staff.get(&format!("/patients/{one}")).await.ok();
    staff.submit(&chart, "Undo the merge", &[]).await.redirect();
    let read = app.state.db.read(|conn| -> Result<Vec<Kept>, AppError> {
        Ok(u::table.order(u::id).select((u::id, u::patient_id, u::scheduled_id)).load(conn)?)
    });
    let number = |id: &str| id.parse::<i64>().unwrap();
    let found = [(number(&file), Some(other), Some(ScheduledId(1))), (number(&left), Some(one), None)];
    assert_eq!(read.await.unwrap(), found);
    let edit = staff.get(&format!("{moved}?scheduled=1")).await.ok();
    assert!(edit.has_text("a.pdf") && !edit.has_text(GONE), "{}", edit.text());
    staff.submit(&edit, "Send", &[]).await.redirect();
    assert!(staff.get(&moved).await.ok().has_text("a.pdf"));
}

async fn files_go_to_whoever_takes_over(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let file = id_in(&upload(&staff, maria, "a.pdf", samples::pdf()).await);
    schedule(&staff, maria, &[("later", "tomorrow"), ("upload", &file)]).await.redirect();
    schedule(&staff, maria, &[("later", "monday")]).await.redirect();
    let cancelled = staff.post("/scheduled/2/cancellation", &[("version", "1")]).await.says();
    assert_eq!(cancelled.1, "scheduled-cancelled");
    owner.post("/settings/users/2/deactivation", &[("to", "1")]).await.redirect();
    app.drain().await;
    // what was cancelled was kept back by nobody
    assert_eq!(states(&app).await, ["handed_over", "cancelled"]);
    let mails = app.mailbox.newest_first();
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("will not go out by itself")).count(), 1);
    let edit = owner.get(&format!("/patients/{maria}/messages/new?scheduled=1")).await.ok();
    assert!(edit.has_text("a.pdf") && !edit.has_text(GONE), "{}", edit.text());
    owner.submit(&edit, "Submit", &[]).await.redirect();
    assert!(owner.get("/conversations/1").await.ok().has_text("a.pdf"));
}

async fn every_form_of_the_alert_brings_the_words_back(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let new = format!("/patients/{maria}/messages/new");
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let edit = staff.get(&format!("{new}?scheduled=1")).await.ok();
    assert!(!edit.has("input[name=scheduled][data-unsaved]"));
    let typed = filled(&edit, "Submit", &[("body", "Typed words")]);
    staff.post(&format!("/patients/{maria}/archiving"), &[("reason", "left")]).await.redirect();
    sql(&app, "UPDATE patients SET notification_method = 'sms', phone = NULL").await;
    let alert = post(&staff, &new, &typed).await;
    assert_eq!(alert.status, 409);
    let form = alert.page().form(&format!("form[action='/patients/{maria}/bringing-back']"));
    let alert = post(&staff, &form.action, &form.fields()).await.ok();
    let form = alert.form(&format!("form[action='/patients/{maria}/notification-method']"));
    assert_eq!(form.value("method").as_deref(), Some("email"));
    let page = post(&staff, &form.action, &form.fields()).await.ok();
    assert!(page.has("input[name=scheduled][data-unsaved]"), "its words are nowhere else");
    let form = page.form_with("Submit");
    assert_eq!(form.value("body").as_deref().map(str::trim), Some("Typed words"));
    assert_eq!((form.value("scheduled").as_deref(), form.value("method")), (Some("1"), None));
    staff.submit(&page, "Submit", &[]).await.redirect();
    assert_eq!((states(&app).await, count(&app).await), (vec!["sent".to_owned()], 1));
    assert!(staff.get("/conversations/1").await.ok().has_text("Typed words"));
}

async fn one_file_that_is_too_large_is_told_at_once_and_at_its_moment(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let form = Multipart::new().text("title", "Old letter").text("date", "2026-01-02").text("kind", "letter");
    let form = form.part("files", Part::bytes(samples::pdf()).file_name("letter.pdf"));
    let added = post_form(&staff, &format!("/patients/{maria}/files"), form).await;
    assert_eq!(added.status, 303, "{}", added.text());
    let item = added.headers["location"].to_str().unwrap().split('?').next().unwrap().to_owned();
    let item = item.rsplit('/').next().unwrap();
    let fields = [("later", "tomorrow"), ("chart_item", item)];
    schedule(&staff, maria, &fields).await.redirect();
    // more than one file may have, and less than a message may carry
    sql(&app, "UPDATE chart_files SET size = 30000000").await;
    let refused = schedule(&staff, maria, &fields).await;
    assert_eq!(refused.status, 409);
    assert!(refused.page().has_text("larger than one attachment may be"), "{}", refused.page().text());
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    assert_eq!((states(&app).await, count(&app).await), (vec!["file_too_large".to_owned()], 0));
}

async fn who_wrote_to_a_record_that_is_deleted_is_told(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    for user in [&owner, &staff] {
        schedule(user, maria, &[("later", "tomorrow")]).await.redirect();
    }
    owner.post(&format!("/patients/{maria}/archiving"), &[("reason", "left")]).await.redirect();
    let asks = owner.get(&format!("/patients/{maria}/deletion")).await.ok();
    assert!(asks.has_text("2 messages that are to go out later"), "{}", asks.text());
    owner.post(&format!("/patients/{maria}/deletion"), &[("name", "María Mejía")]).await.redirect();
    app.drain().await;
    // who deleted it has read that
    let mails = app.mailbox.newest_first();
    let told: Vec<_> = mails.iter().filter(|mail| mail.subject.contains("will not go out by itself")).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("the patient’s record was deleted") && !told[0].text.contains("Maria"));
}

/// What the workers of this process have logged as errors.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Jobs run on threads of their own, so that all of the process are listened to.
fn logged() -> &'static Lines {
    static LINES: LazyLock<Lines> = LazyLock::new(|| {
        let lines = Lines::default();
        let (to, filter) = (lines.clone(), tracing_subscriber::EnvFilter::new("postern::worker=error"));
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || to.clone());
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        lines
    });
    &LINES
}

async fn a_file_that_cannot_be_made_is_logged_as_that(app: App) {
    let lines = logged();
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let item = match add(&app, maria, "1", ItemKind::LabResult, days_ago(10), "Lipid panel", "words").await {
        Stored::New(id) | Stored::Changed(id) | Stored::Same(id) => id.to_string(),
    };
    schedule(&staff, maria, &[("later", "tomorrow"), ("chart_item", &item)]).await.redirect();
    // nothing can be written where files come in
    let (incoming, away) = (app.state.config.files.folder.join("incoming"), app.state.config.files.folder.join("away"));
    std::fs::rename(&incoming, &away).unwrap();
    std::fs::write(&incoming, "").unwrap();
    let job = app.state.db.read(|conn| -> Result<i64, AppError> {
        let scheduled = jobs::table.filter(jobs::kind.eq("send_scheduled"));
        Ok(scheduled.select(jobs::id).first(conn)?)
    });
    let job = job.await.unwrap();
    let from = lines.0.lock().unwrap().len();
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    let said = String::from_utf8(lines.0.lock().unwrap()[from..].to_vec()).unwrap();
    let line = said.lines().find(|line| line.contains("send_scheduled") && line.contains(&format!("job={job}")));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("the storage failed") && !line.contains("database"), "{line}");
    assert_eq!((states(&app).await, count(&app).await), (vec!["waiting".to_owned()], 0));
    // once it can, the message goes out
    std::fs::remove_file(&incoming).unwrap();
    std::fs::rename(&away, &incoming).unwrap();
    go_to(&app, datetime!(2026-03-05 14:10 UTC)).await;
    assert_eq!((states(&app).await, count(&app).await), (vec!["sent".to_owned()], 1));
}
