//! A letter to a patient in real Chromium: wide, on the smallest phone in French, without JavaScript, light and dark.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;
use time::Duration;

async fn a_letter_is_made(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("letter_days", "5")]).await.redirect();
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    app.state.clock.advance(Duration::days(5));
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
    let name = |what: &str| format!("letter-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.wait_text(lang.t("letter-tag")).await;
    browser.goto(&conversation).await;
    browser.click_text(lang.t("letter-link")).await;
    browser.wait_text(lang.t("letter-no-address")).await;
    browser.inspect(&name("no-address")).await;
    browser.click_text(lang.t("postal-address-enter")).await;
    browser.fill(lang.t("postal-street"), "12, rue des Érables").await;
    browser.click_text(lang.t("save")).await;
    browser.wait_text(lang.t("error-postal-city")).await;
    browser.inspect(&name("refused")).await;
    browser.fill(lang.t("postal-city"), "Montréal").await;
    browser.fill(lang.t("postal-region"), "QC").await;
    browser.fill(lang.t("postal-code"), "h2x1y4").await;
    browser.click_text(lang.t("save")).await;
    browser.wait_path(&format!("{conversation}/letter")).await;
    browser.wait_text("H2X 1Y4").await;
    browser.inspect(&name("address")).await;
    if scripts {
        browser.dark().await;
        browser.inspect(&name("address-dark")).await;
        browser.light().await;
    }
    browser.click_text(lang.t("letter-print")).await;
    browser.wait_text(lang.t_of("notice", "letter-printed")).await;
    browser.wait_text(lang.t("letter-get")).await;
    browser.inspect(&name("printed")).await;
    browser.goto(&conversation).await;
    browser.wait(".msg-foot .history summary").await.click().await.unwrap();
    browser.wait_text(lang.t("letter-printed")).await;
    browser.inspect(&name("timeline")).await;
    browser.goto("/settings/reach").await;
    browser.inspect(&name("settings")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_wide_in_english() {
    a_letter_is_made(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_on_the_smallest_phone_in_french() {
    a_letter_is_made(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_without_javascript() {
    a_letter_is_made(360, "en", false).await;
}
