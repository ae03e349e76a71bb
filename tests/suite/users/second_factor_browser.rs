//! The second step in real Chromium: axe, narrow and wide, light and dark, both languages, with and without JavaScript.

use super::browser::look;
use super::second_factor::code;
use super::{everybody, speak};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use fantoccini::key::Key;
use postern::access::Role;
use postern::text::Lang;
use time::Duration;

async fn a_second_step_is_set_up_and_taken(language: &'static str, scripts: bool, dark: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    speak(&app, language).await;
    owner.post("/settings/sign-in", &[("second_factor", "owner")]).await.redirect();
    let email = everybody(&app).await[0].email.to_string();
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    if !scripts {
        browser.without_javascript().await;
    }
    if dark {
        browser.dark().await;
    }
    let lang = Lang::or_english(language);
    let name = |page: &str| format!("factor-{page}-{language}");
    let enter = String::from(char::from(Key::Enter));
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.keys(&enter).await;
    // the role needs a second factor, so no other page is open
    browser.wait_text(lang.t("second-factor-first")).await;
    look(&browser, &name("first")).await;
    browser.click_text(lang.t("factor-app-set-up")).await;
    browser.wait("svg.qr").await;
    look(&browser, &name("app")).await;
    browser.fill(lang.t("app-code"), "000000").await;
    browser.keys(&enter).await;
    browser.wait(".error-summary").await;
    look(&browser, &name("app-refused")).await;
    let key = browser.js("return document.querySelector('.secret').textContent").await;
    let key = key.as_str().unwrap().to_owned();
    browser.fill(lang.t("app-code"), &code(&app, &key)).await;
    browser.keys(&enter).await;
    browser.wait(".secrets").await;
    look(&browser, &name("codes")).await;
    let recovery = browser.js("return document.querySelector('.secrets li').textContent").await;
    browser.click_text(lang.t("recovery-codes-kept")).await;
    browser.wait_path("/inbox").await;
    browser.goto("/account/second-factor").await;
    look(&browser, &name("there")).await;
    browser.goto("/settings/sign-in").await;
    look(&browser, &name("settings")).await;
    browser.goto("/account").await;
    look(&browser, &name("account")).await;
    app.state.clock.advance(Duration::minutes(11));
    browser.goto("/settings/users/new").await;
    browser.wait_text(lang.t("confirmation-why")).await;
    look(&browser, &name("confirmation")).await;
    browser.fill(lang.t("confirmation-code"), &code(&app, &key)).await;
    browser.keys(&enter).await;
    browser.wait_path("/settings/users/new").await;

    browser.open_own_menu().await;
    browser.click_text(lang.t("sign-out")).await;
    browser.wait_path("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.keys(&enter).await;
    browser.wait_path("/sign-in/second-step?next=%2Finbox").await;
    look(&browser, &name("step")).await;
    browser.fill(lang.t("app-code"), "123456").await;
    browser.keys(&enter).await;
    browser.wait(".error-summary").await;
    browser.click_text(lang.t("second-step-without")).await;
    look(&browser, &name("step-refused")).await;
    browser.fill(lang.t("recovery-code"), recovery.as_str().unwrap()).await;
    browser.keys(&enter).await;
    browser.wait_path("/inbox").await;
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_step_in_english() {
    a_second_step_is_set_up_and_taken("en", true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_step_in_french_and_dark_without_javascript() {
    a_second_step_is_set_up_and_taken("fr", false, true).await;
}
