//! What heads a list stays in sight while the list is scrolled, in real Chromium: never over what has the focus, and not
//! where the window is low or the page enlarged.

use super::work_list::patient;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;
use serde_json::json;

/// More lines than a window shows.
const LINES: usize = 24;

/// An owner's browser, before long lists.
async fn long_lists(code: &'static str) -> Option<(App, Browser)> {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let ada = patient(&app, "Ada", "a@example.org").await;
    for _ in 0..LINES {
        app.message(&owner, ada, true).await;
    }
    app.drain().await;
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).first(tx.conn())?)
    });
    let (email, lang) = (write.await.unwrap(), Lang::or_english(code));
    let browser = Browser::start_in(code, &app.origin).await?;
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    Some((app, browser))
}

/// Scrolls to the end, gives the focus to what `focus` names near the top, and says: whether `head` is at the top of the
/// window before, and whether what has the focus is below its lower edge.
async fn scrolled(browser: &Browser, head: &str, focus: &str) -> serde_json::Value {
    let script = format!(
        "const head = document.querySelector({head:?})
         scrollTo(0, document.documentElement.scrollHeight)
         const sticks = Math.abs(head.getBoundingClientRect().top) < 1
         const one = document.querySelectorAll({focus:?})[4]
         one.focus()
         return [scrollY > 0, sticks, one.getBoundingClientRect().top >= head.getBoundingClientRect().bottom]"
    );
    browser.js(&script).await
}

async fn heads_stay_in_sight(code: &'static str) {
    let Some((_app, browser)) = long_lists(code).await else { return };
    let lists = [
        ("/inbox?filter=any", ".bulk", ".pick input"),
        ("/outbox", ".grid thead th", "td.patient a"),
        ("/settings/audit-log", ".grid thead th", "td.kind a, td.patient a"),
    ];
    for (at, (path, head, focus)) in lists.into_iter().enumerate() {
        browser.size(1280).await;
        browser.goto(path).await;
        browser.wait(head).await;
        assert_eq!(scrolled(&browser, head, focus).await, json!([true, true, true]), "{path}");
        browser.js("scrollTo(0, 0)").await;
        browser.inspect(&format!("heads-{at}-{code}")).await;
        // a page enlarged to 400 % is as wide as this
        browser.size(320).await;
        assert_eq!(scrolled(&browser, head, focus).await[1], false, "{path} on a small window");
        let low = json!({"width": 1280, "height": 400, "deviceScaleFactor": 1, "mobile": false});
        browser.cdp("Emulation.setDeviceMetricsOverride", low).await;
        assert_eq!(scrolled(&browser, head, focus).await[1], false, "{path} on a low window");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_stay_in_sight_in_english() {
    heads_stay_in_sight("en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_stay_in_sight_in_french() {
    heads_stay_in_sight("fr").await;
}
