//! Searching in real Chromium: from the box in the head of any page, wide, on the smallest phone in French, without JavaScript.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;

async fn words_are_typed_in_the_head_of_a_page(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.index().await;
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
    let name = |what: &str| format!("search-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.inspect(&name("inbox")).await;
    browser.js("document.querySelector('.bar [role=search] input[type=search]').focus()").await;
    browser.keys("mejia").await;
    browser.keys(&String::from(char::from(Key::Enter))).await;
    browser.wait_text("María Mejía").await;
    browser.inspect(&name("patients")).await;
    browser.fill(lang.t("search-words"), "results wel").await;
    browser.click_text(lang.t("search")).await;
    browser.wait(".hits mark").await;
    browser.inspect(&name("found")).await;
    if scripts {
        browser.dark().await;
        browser.inspect(&name("found-dark")).await;
        browser.light().await;
    }
    browser.js("document.querySelector('.hits a.item').click()").await;
    browser.wait("#message-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_in_english() {
    words_are_typed_in_the_head_of_a_page(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_smallest_phone_in_french() {
    words_are_typed_in_the_head_of_a_page(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript() {
    words_are_typed_in_the_head_of_a_page(390, "en", false).await;
}
