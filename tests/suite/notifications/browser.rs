//! The editor of wordings in real Chromium: live preview, keyboard, a phone's width, dark, French, without JavaScript.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use postern::access::Role;
use postern::db::schema::users;

async fn browser_of_an_owner(app: &App, scripts: bool) -> Option<Browser> {
    use diesel::prelude::*;
    app.user(Role::Owner).await;
    let read = app.state.db.read(|conn| -> Result<String, postern::error::AppError> {
        Ok(users::table.select(users::email).order(users::id).first(conn)?)
    });
    let email = read.await.unwrap();
    let browser = Browser::start(&app.origin).await?;
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    browser.fill("Email", &email).await;
    browser.fill("Password", PASSWORD).await;
    browser.click_text("Sign in").await;
    browser.wait_path("/inbox").await;
    Some(browser)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preview_follows_what_is_typed() {
    let app = App::start(On::Sqlite).await;
    let Some(browser) = browser_of_an_owner(&app, true).await else { return };
    for width in [1200, 360] {
        browser.size(width).await;
        browser.goto("/settings/notification-templates").await;
        browser.wait_text("Portal access given").await;
        browser.inspect(&format!("wordings-{width}")).await;
        browser.goto("/settings/notification-templates/message_waiting/email/en").await;
        browser.wait("html[data-enhanced]").await;
        browser.fill("Text", "Good news **everyone**\n\n{link}").await;
        browser.wait_text("Good news everyone").await;
        browser.wait("#preview a.button").await;
        browser.inspect(&format!("wording-email-{width}")).await;
        browser.fill("Text", "Your {diagnosis}").await;
        browser.wait_text("{diagnosis} is no placeholder").await;
        browser.inspect(&format!("wording-wrong-{width}")).await;
        browser.goto("/settings/notification-templates/message_waiting/email/en/view?look=dark&size=phone").await;
        browser.wait(".phone-size iframe.dark").await;
        browser.inspect(&format!("wording-view-{width}")).await;
        browser.goto("/settings/notification-templates/passcode/sms/fr").await;
        browser.wait("html[data-enhanced]").await;
        // by the keyboard alone: text is typed at the end, then saved with Tab and Enter
        browser.js("document.querySelector('#body').focus(); document.querySelector('#body').setSelectionRange(9999, 9999)").await;
        browser.keys(" prêt").await;
        browser.wait_text("U+00EA").await;
        browser.inspect(&format!("wording-text-{width}")).await;
    }
    browser.dark().await;
    browser.inspect("wording-text-dark").await;
    browser.open_own_menu().await;
    browser.click_text("Français").await;
    browser.wait_text("Aperçu").await;
    browser.inspect("wording-text-french").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_a_button_shows_it() {
    let app = App::start(On::Sqlite).await;
    let Some(browser) = browser_of_an_owner(&app, false).await else { return };
    browser.goto("/settings/notification-templates/reminder/sms/en").await;
    browser.fill("Text", "Still there: {link}").await;
    browser.click_text("Preview").await;
    browser.wait_path("/settings/notification-templates/reminder/sms/en/preview").await;
    browser.wait_text("Still there: http").await;
    browser.inspect("wording-plain").await;
    browser.click_text("Save").await;
    browser.wait_text("The wording is saved").await;
    browser.wait_text("Version 1").await;
}
