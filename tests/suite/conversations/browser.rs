//! The inbox in real Chromium: wide by the keyboard, on the smallest phone in French, without JavaScript, light and
//! dark.

use super::work_list::{patient, patient_writes};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;
use serde_json::json;
use time::Duration;

async fn the_list_is_worked(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let mut all = Vec::new();
    for (given, email) in [("María", "a@example.org"), ("Jean-Christophe", "b@example.org"), ("Ada", "c@example.org")]
    {
        let patient = patient(&app, given, email).await;
        all.push(app.message(&owner, patient, true).await);
        app.state.clock.advance(Duration::minutes(3));
    }
    app.drain().await;
    patient_writes(&app, &all[0]).await;
    app.state.clock.advance(Duration::minutes(12));
    patient_writes(&app, &all[1]).await;
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    let (email, lang) = (write.await.unwrap(), Lang::or_english(code));
    let Some(browser) = Browser::start_in(code, &app.origin).await else { return };
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    let name = |what: &str| format!("inbox-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    let lines = async || browser.text().await;
    assert!(lines().await.contains("Jean-Christophe"));
    browser.inspect(&name("to-do")).await;
    if scripts && width >= 1280 {
        let tall = "return Math.max(...[...document.querySelectorAll('.work > li')].map(li => li.offsetHeight))";
        assert!(browser.js(tall).await.as_f64().unwrap() <= 50.0, "a line of work is 48 px high");
    }
    // with scripts, ticked by the keyboard
    let first = ".work li:first-child input[type=checkbox]";
    if scripts {
        let focus =
            format!("const e = document.querySelector({first:?}); e.focus(); return document.activeElement === e");
        assert_eq!(browser.js(&focus).await, json!(true));
        browser.keys(" ").await;
        browser.keys(&String::from(char::from(Key::Enter))).await;
    } else {
        browser.wait(first).await.click().await.unwrap();
        browser.click_text(lang.t("mark-done")).await;
    }
    browser.wait_text(&lang.t1("inbox-marked-done", "count", 1_i64)).await;
    browser.inspect(&name("undo")).await;
    assert!(!browser.text().await.contains("María"));
    browser.click_text(lang.t("inbox-undo")).await;
    browser.wait_text("María").await;
    browser.goto("/inbox?scope=all&filter=any").await;
    browser.wait_text(lang.t_of("turn", "waiting_for_patient")).await;
    browser.inspect(&name("any")).await;
    if scripts {
        browser.dark().await;
        browser.inspect(&name("any-dark")).await;
        browser.light().await;
    }
    browser.wait(".counts a[href*=waiting_for_us]").await.click().await.unwrap();
    browser.wait_text(lang.t_of("inbox-order", "newest")).await;
    browser.click_text(lang.t_of("inbox-order", "newest")).await;
    browser.wait(".orders a[href*=longest][aria-current=false], .orders a[aria-current=true][href*=newest]").await;
    // marked unread on its own page, it is back in the list
    browser.goto(&all[2]).await;
    browser.click_text(lang.t("mark-unread")).await;
    browser.wait_text(lang.t_of("notice", "marked-unread")).await;
    browser.wait_text("Ada").await;
    browser.goto("/inbox?filter=closed").await;
    browser.wait_text(lang.t("inbox-empty")).await;
    browser.inspect(&name("empty")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_wide_in_english() {
    the_list_is_worked(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_on_a_phone_in_english() {
    the_list_is_worked(390, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_on_the_smallest_phone_in_french() {
    the_list_is_worked(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_without_javascript() {
    the_list_is_worked(390, "en", false).await;
}
