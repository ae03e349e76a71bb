//! Assigning a conversation in real Chromium: by the keyboard, on the smallest phone in French, without JavaScript; and two
//! users before one conversation.

use super::work_list::patient;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;

/// The browser of the user with this number, signed in.
async fn signed_in(app: &App, at: i64, lang: Lang, (width, scripts): (u32, bool)) -> Option<Browser> {
    let code = lang.code();
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.order(users::id).offset(at - 1).select(users::email).first(tx.conn())?)
    });
    let email = write.await.unwrap();
    let browser = Browser::start_in(code, &app.origin).await?;
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    Some(browser)
}

async fn it_is_assigned(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let conversation = app.message(&owner, patient(&app, "Ada", "ada@example.org").await, true).await;
    app.drain().await;
    let lang = Lang::or_english(code);
    let Some(browser) = signed_in(&app, 1, lang, (width, scripts)).await else { return };
    let name = |what: &str| format!("assign-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.goto(&conversation).await;
    browser.click_text(lang.t("assign-to-me")).await;
    browser.wait_text(lang.t_of("notice", "assigned")).await;
    browser.wait_text(&lang.t1("happened-took", "name", "User owner")).await;
    browser.inspect(&name("mine")).await;
    browser.click_text(lang.t("assign-change")).await;
    browser.wait_text(lang.t("assign-explained")).await;
    browser.inspect(&name("form")).await;
    // refused in place, with what is to be done
    owner.post(&format!("{conversation}/assignment"), &[("user", "2")]).await.redirect();
    browser.click_text(lang.t("save")).await;
    browser.wait_text(lang.t("newer-title")).await;
    browser.inspect(&name("asked")).await;
    browser.click_text(lang.t("save")).await;
    browser.wait_text(lang.t_of("notice", "assigned")).await;
    browser.goto("/inbox?filter=assigned").await;
    browser.wait_text("Ada").await;
    browser.inspect(&name("list")).await;
    browser.goto(&conversation).await;
    browser.click_text(lang.t("participant-leave")).await;
    browser.wait_text(lang.t_of("notice", "participant-left")).await;
    browser.wait_text(&lang.t1("happened-unassigned", "name", "User owner")).await;
    browser.inspect(&name("left")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_assigned_wide_in_english() {
    it_is_assigned(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_assigned_on_the_smallest_phone_in_french() {
    it_is_assigned(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_assigned_without_javascript() {
    it_is_assigned(390, "en", false).await;
}

/// A page that is open is told that somebody has assigned the conversation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_is_told() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let conversation = app.message(&owner, patient(&app, "Ada", "ada@example.org").await, true).await;
    let lang = Lang::or_english("en");
    let Some(browser) = signed_in(&app, 2, lang, (1280, true)).await else { return };
    browser.goto(&conversation).await;
    browser.wait("html[data-enhanced]").await;
    owner.post(&format!("{conversation}/assignment"), &[("user", "2")]).await.redirect();
    browser.wait_text(lang.t("live-changed")).await;
    browser.assert_clean().await;
}
