//! "Send later" in real Chromium: in the dialog, on the smallest phone in French, without JavaScript, light and dark.

use super::scheduled::schedule;
use crate::live::browser::{browser_of, listening};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;

async fn a_message_is_put_off(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
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
    let name = |what: &str| format!("later-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.goto(&format!("/patients/{maria}/messages/new")).await;
    if scripts {
        browser.wait("[contenteditable=true]").await;
    }
    browser.fill(lang.t("title"), "Your results").await;
    browser.fill(lang.t("message"), "All is well").await;
    browser.click_text(lang.t("later")).await;
    browser.wait("#later_date").await;
    browser.inspect(&name("form")).await;
    // without date and time it is refused, and the words stay
    browser.click_text(lang.t("later-at")).await;
    browser.wait_text(lang.t("error-later-date")).await;
    browser.inspect(&name("refused")).await;
    assert_eq!(browser.value(lang.t("title")).await, "Your results");
    browser.wait("button[name=later][value=tomorrow]").await.click().await.unwrap();
    browser.wait_path("/inbox/scheduled").await;
    browser.wait_text(lang.t_of("notice", "message-scheduled")).await;
    browser.inspect(&name("list")).await;
    browser.click_text(lang.t("scheduled-edit")).await;
    browser.wait(".later[open] #later_date").await;
    browser.inspect(&name("change")).await;
    if scripts {
        browser.wait("[contenteditable=true]").await;
        // nothing keeps the words but the buttons: who leaves with changed ones is asked
        let asks = "const leave = new Event('beforeunload', {cancelable: true}); dispatchEvent(leave); return leave.defaultPrevented";
        assert_eq!(browser.js(asks).await, false);
        browser.fill(lang.t("title"), "Other results").await;
        assert_eq!(browser.js(asks).await, true);
    }
    browser.wait("button[name=later][value=monday]").await.click().await.unwrap();
    browser.wait_path("/inbox/scheduled").await;
    browser.goto(&conversation).await;
    if scripts {
        // the editor comes when somebody begins to write, in the place of the text field
        browser.wait("html[data-enhanced]").await;
        browser.js("document.querySelector('#write textarea').focus()").await;
        browser.wait("#write [contenteditable=true]").await;
    }
    browser.fill(lang.t("reply-label"), "A reply").await;
    browser.click_text(lang.t("later")).await;
    browser.inspect(&name("reply")).await;
    browser.wait("button[name=later][value=tomorrow]").await.click().await.unwrap();
    browser.wait_path("/inbox/scheduled").await;
    browser.wait("form[action$=cancellation] button").await.click().await.unwrap();
    browser.wait_text(lang.t_of("notice", "scheduled-cancelled")).await;
    browser.inspect(&name("cancelled")).await;
    if scripts {
        browser.dark().await;
        browser.inspect(&name("cancelled-dark")).await;
        browser.light().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_in_english() {
    a_message_is_put_off(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_smallest_phone_in_french() {
    a_message_is_put_off(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript() {
    a_message_is_put_off(390, "en", false).await;
}

/// The number beside "Scheduled" changes while the inbox is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_number_changes_in_an_open_inbox() {
    let app = App::start(On::Sqlite).await;
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let Some(browser) = browser_of(&app, 1, Lang::or_english("en")).await else { return };
    listening(&app, 1).await;
    let shows = async |number: &str| {
        let script = "return document.querySelector('.tabs a[href=\"/inbox/scheduled\"] .badge')?.textContent ?? ''";
        browser.until(&format!("it does not say {number:?}"), async || browser.js(script).await == number).await;
    };
    shows("").await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    shows("1").await;
    schedule(&staff, maria, &[("later", "monday")]).await.redirect();
    shows("2").await;
    staff.post("/scheduled/1/cancellation", &[("version", "1")]).await.redirect();
    shows("1").await;
    staff.post("/scheduled/2/sending", &[("version", "1")]).await.redirect();
    app.drain().await;
    shows("").await;
    browser.assert_clean().await;
}
