//! How the promise of an answer was kept: by week and by who answered, for owners.

use super::work_list::patient;
use crate::live::browser::browser_of;
use crate::on_both;
use crate::settings::hours::set_hours;
use crate::support::app::{Actor, App, On};
use postern::access::Role;
use postern::db::{ConversationId, UserId};
use postern::error::AppError;
use postern::text::Lang;
use postern::threads::{self, Author};
use time::Duration;

on_both!(each_promise_is_counted_once, twelve_weeks_are_counted, nothing_is_counted_where_nothing_was_promised);

/// A new conversation of this user.
async fn begun(app: &App, writer: &Actor, email: &str) -> ConversationId {
    let path = app.message(writer, patient(app, "Ada", email).await, true).await;
    ConversationId(path.rsplit('/').next().unwrap().parse().unwrap())
}

/// The patient asks, and is promised an answer within an hour.
async fn asks(app: &App, id: ConversationId) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        threads::give_word(tx, now, id, now.plus(Duration::HOUR))?;
        Ok(threads::message_came(tx, now, id, Author::Patient, None)?)
    });
    write.await.unwrap();
}

async fn answers(app: &App, id: ConversationId, user: i64) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        Ok(threads::message_came(tx, now, id, Author::User, Some(UserId(user)))?)
    });
    write.await.unwrap();
}

async fn closes(app: &App, id: ConversationId, user: i64) {
    let now = app.state.clock.now();
    let write = app
        .state
        .db
        .write(move |tx| -> Result<(), AppError> { Ok(threads::set_closed(tx, id, Some((now, UserId(user))))?) });
    write.await.unwrap();
}

/// The lines of both tables, for an owner who signs in now.
async fn lines(app: &App) -> Vec<String> {
    let owner = app.user(Role::Owner).await;
    owner.get("/settings/answer-times").await.ok().texts_of("tbody tr")
}

// the clock stands at Wednesday, 4 March 2026, 9:02 in Toronto

/// A clinic in which one promise of each kind was given.
async fn every_kind(app: &App) {
    let (owner, writer) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    app.user(Role::Staff).await;
    set_hours(&owner, "hours", "1").await;
    let mut all = Vec::new();
    for email in ["a@example.org", "b@example.org", "c@example.org", "d@example.org", "e@example.org"] {
        all.push(begun(app, &writer, email).await);
    }
    asks(app, all[0]).await;
    app.state.clock.advance(Duration::minutes(30));
    answers(app, all[0], 2).await;
    asks(app, all[1]).await;
    app.state.clock.advance(Duration::hours(2));
    answers(app, all[1], 3).await;
    asks(app, all[2]).await;
    app.state.clock.advance(Duration::hours(2));
    asks(app, all[3]).await;
    closes(app, all[3], 2).await;
    asks(app, all[4]).await;
}

async fn each_promise_is_counted_once(app: App) {
    every_kind(&app).await;
    let lines = lines(&app).await;
    assert_eq!(lines.len(), 12 + 2, "{lines:?}");
    // in time, closed in time; too late, over and not answered; open
    assert_eq!(lines[0], "From 2 March 2026 2 2 1 50% 30 min");
    assert_eq!(lines[1], "From 23 February 2026 0 0 0 – –");
    assert_eq!(lines[12], "User clinician 2 0 0 100% 15 min");
    assert_eq!(lines[13], "User staff 0 1 0 0% 2 h 0 min");
}

async fn twelve_weeks_are_counted(app: App) {
    every_kind(&app).await;
    app.state.clock.advance(Duration::weeks(11));
    let last = lines(&app).await;
    assert_eq!(last[11], "From 2 March 2026 2 3 0 40% 30 min", "what is over is late");
    app.state.clock.advance(Duration::WEEK);
    assert!(lines(&app).await.is_empty());
}

async fn nothing_is_counted_where_nothing_was_promised(app: App) {
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/answer-times").await.ok();
    assert!(page.has_text("No answer was promised in the last 12 weeks.") && !page.has("table"), "{}", page.text());
    assert!(page.has("nav a[href='/settings/answer-times'][aria-current=page]"));
    for role in [Role::Clinician, Role::Staff, Role::Viewer] {
        assert_eq!(app.user(role).await.get("/settings/answer-times").await.status, 403, "{role:?}");
    }
}

async fn it_is_looked_at(code: &'static str) {
    let app = App::start(On::Sqlite).await;
    every_kind(&app).await;
    let lang = Lang::or_english(code);
    let Some(browser) = browser_of(&app, 1, lang).await else { return };
    browser.goto("/settings/answer-times").await;
    browser.wait_text(lang.t("answer-times-by-user")).await;
    browser.inspect_at(&[320, 390, 1280], &format!("answer-times-{code}")).await;
    browser.dark().await;
    browser.inspect(&format!("answer-times-{code}-dark")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_looked_at_in_english() {
    it_is_looked_at("en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_looked_at_in_french() {
    it_is_looked_at("fr").await;
}
