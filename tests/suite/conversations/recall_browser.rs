//! Taking back and correcting in real Chromium: wide, on the smallest phone in French, without JavaScript, light and dark.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{patients, users};
use postern::error::AppError;
use postern::text::Lang;

async fn a_message_is_taken_back_and_another_corrected(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    let (patient, path) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    patient.get(&path).await.ok();
    let wrong = app.message(&owner, maria, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        diesel::update(patients::table).set(patients::language.eq(code)).execute(tx.conn())?;
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
    let name = |what: &str| format!("recall-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.goto(&wrong).await;
    browser.click_text(lang.t("recall-link")).await;
    browser.wait_text(lang.t("recall-ask")).await;
    browser.inspect(&name("ask")).await;
    browser.click_text(lang.t("recall-button")).await;
    browser.wait_text(lang.t_of("notice", "message-recalled-told")).await;
    browser.wait_text(lang.t("recalled-whole")).await;
    browser.inspect(&name("done")).await;
    browser.goto("/inbox?scope=all&filter=any").await;
    browser.wait_text(lang.t("inbox-recalled")).await;
    browser.inspect(&name("inbox")).await;
    browser.goto("/outbox").await;
    browser.wait_text(lang.t("recalled-tag")).await;
    browser.inspect(&name("outbox")).await;
    // what was opened
    browser.goto(&conversation).await;
    browser.click_text(lang.t("correct-link")).await;
    browser.wait("input[name=corrects]:checked").await;
    browser.inspect(&name("correct")).await;
    browser.fill(lang.t("reply-label"), "One tablet").await;
    browser.click_text(lang.t("send")).await;
    browser.wait_text(lang.t("corrected-below")).await;
    browser.inspect(&name("corrected")).await;
    if scripts {
        browser.dark().await;
        browser.inspect(&name("corrected-dark")).await;
        browser.light().await;
    }
    // the patient's page of the link that ended
    browser.goto(&link).await;
    browser.wait_text(lang.t("portal-recalled")).await;
    browser.inspect(&name("link")).await;
    let page = patient.get(&path).await.ok();
    assert!(page.has_text("One tablet") && page.has(".msg a[href^='#message-']"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_in_english() {
    a_message_is_taken_back_and_another_corrected(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_smallest_phone_in_french() {
    a_message_is_taken_back_and_another_corrected(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript() {
    a_message_is_taken_back_and_another_corrected(390, "en", false).await;
}
