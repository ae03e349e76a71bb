//! Phoning a patient in real Chromium: wide, on the smallest phone in French, without JavaScript, light and dark.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;
use time::Duration;

async fn a_call_is_asked_for_and_noted(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("phone_days", "3")]).await.redirect();
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    app.state.clock.advance(Duration::days(3));
    app.drain().await;
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
    let name = |what: &str| format!("call-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.wait_text(lang.t("phone-tag")).await;
    browser.inspect(&name("inbox")).await;
    browser.goto(&conversation).await;
    browser.wait_text("613 555-0121").await;
    browser.inspect(&name("conversation")).await;
    browser.click_text(lang.t("call-link")).await;
    browser.wait_path(&format!("{conversation}/call")).await;
    // nothing is chosen: the page comes back with the words, and opens at what is to be mended
    browser.fill(lang.t("call-note"), "Tante Lucie").await;
    browser.click_text(lang.t("call-save")).await;
    browser.wait_text(lang.t("error-call-outcome")).await;
    browser.inspect(&name("refused")).await;
    assert_eq!(browser.value(lang.t("call-note")).await, "Tante Lucie");
    browser.fill(lang.t("call-outcome-voicemail"), "on").await;
    // Enter on a choice saves nothing
    browser.js("document.querySelector('[name=outcome][value=voicemail]').focus()").await;
    browser.keys(&String::from(char::from(crate::support::browser::Key::Enter))).await;
    assert_eq!(browser.path().await, format!("{conversation}/call"));
    browser.inspect(&name("form")).await;
    if scripts {
        browser.dark().await;
        browser.inspect(&name("form-dark")).await;
        browser.light().await;
    }
    browser.click_text(lang.t("call-save")).await;
    browser.wait_text(lang.t_of("notice", "call-noted-again")).await;
    browser.wait(".msg-foot .history summary").await.click().await.unwrap();
    browser.wait_text("Tante Lucie").await;
    browser.inspect(&name("noted")).await;
    browser.goto("/settings/reach").await;
    browser.inspect(&name("settings")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_wide_in_english() {
    a_call_is_asked_for_and_noted(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_the_smallest_phone_in_french() {
    a_call_is_asked_for_and_noted(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_javascript() {
    a_call_is_asked_for_and_noted(360, "en", false).await;
}
