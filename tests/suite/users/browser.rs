//! The pages of users in real Chromium: axe, narrow and wide, light and dark, both languages, with and without
//! JavaScript.

use super::{everybody, newest, speak};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use fantoccini::key::Key;
use postern::access::Role;
use postern::text::Lang;

const WIDTHS: [u32; 3] = [1280, 390, 320];

/// A screenshot of the page at each width, and axe.
pub async fn look(browser: &Browser, name: &str) {
    browser.inspect_at(&WIDTHS, &format!("users-{name}")).await;
}

async fn an_owner_manages(code: &'static str, scripts: bool, dark: bool) {
    let app = App::start(On::Sqlite).await;
    app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let leaver = newest(&app).await;
    app.user(Role::Viewer).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    speak(&app, code).await;
    let email = everybody(&app).await[0].email.to_string();
    let Some(browser) = Browser::start_in(code, &app.origin).await else { return };
    if !scripts {
        browser.without_javascript().await;
    }
    if dark {
        browser.dark().await;
    }
    let lang = Lang::or_english(code);
    let name =
        |page: &str| format!("{page}-{code}{}{}", if scripts { "" } else { "-plain" }, if dark { "-dark" } else { "" });
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.keys(&String::from(char::from(Key::Enter))).await;
    browser.wait_path("/inbox").await;

    browser.goto("/settings/users").await;
    look(&browser, &name("list")).await;
    browser.goto(&format!("/settings/users/{leaver}")).await;
    look(&browser, &name("one")).await;
    browser.fill(lang.t("email"), "nobody").await;
    browser.js("document.querySelector('input[type=email]').form.noValidate = true").await;
    browser.click_text(lang.t("save")).await;
    browser.wait(".error-summary").await;
    look(&browser, &name("refused")).await;
    browser.fill(lang.t("email"), "sam@clinic.example").await;
    browser.click_text(lang.t("save")).await;
    browser.wait_text(lang.t("notice-user-saved")).await;
    browser.click_text(lang.t("deactivate")).await;
    browser.wait_path(&format!("/settings/users/{leaver}/deactivation")).await;
    look(&browser, &name("deactivation")).await;
    browser.js("document.querySelector('#to').value = document.querySelector('#to').options[1].value").await;
    browser.click_text(lang.t("deactivate")).await;
    browser.wait_text(lang.t("notice-user-deactivated")).await;
    look(&browser, &name("list-after")).await;
    browser.goto(&format!("/settings/users/{leaver}")).await;
    browser.click_text(lang.t("reactivate")).await;
    browser.wait_text(lang.t("notice-user-reactivated")).await;

    browser.goto("/settings/users").await;
    browser.click_text(lang.t("user-invite")).await;
    browser.wait_path("/settings/users/new").await;
    look(&browser, &name("new")).await;
    browser.fill(lang.t("name"), "Noor Haddad").await;
    browser.fill(lang.t("email"), "noor@clinic.example").await;
    browser.js("document.querySelector('input[name=role][value=staff]').checked = true").await;
    browser.js("document.querySelector('input[name=how][value=shown]').checked = true").await;
    browser.click_text(lang.t("user-invite")).await;
    browser.wait("#link").await;
    look(&browser, &name("link")).await;
    let link = browser.js("return document.querySelector('#link').value").await;
    let path = link.as_str().unwrap().split_once("/password/").unwrap().1.to_owned();

    browser.goto("/account").await;
    look(&browser, &name("account")).await;
    browser.js("document.querySelector('#current').value = 'not the one'").await;
    browser.fill(lang.t("new-password"), "one").await;
    browser.fill(lang.t("new-password-again"), "one").await;
    browser.keys(&String::from(char::from(Key::Enter))).await;
    browser.wait(".error-summary").await;
    look(&browser, &name("account-refused")).await;

    browser.open_own_menu().await;
    browser.click_text(lang.t("sign-out")).await;
    browser.wait_path("/sign-in").await;
    browser.click_text(lang.t("forgotten-password")).await;
    browser.wait_path("/forgotten-password").await;
    look(&browser, &name("forgotten")).await;
    browser.fill(lang.t("email"), "noor@clinic.example").await;
    browser.keys(&String::from(char::from(Key::Enter))).await;
    browser.wait_text(lang.t("notice-password-forgotten")).await;
    browser.goto(&format!("/password/{path}")).await;
    look(&browser, &name("set")).await;
    browser.fill(lang.t("new-password"), "a green kettle sings at noon").await;
    browser.fill(lang.t("new-password-again"), "a green kettle sings at noon").await;
    browser.keys(&String::from(char::from(Key::Enter))).await;
    browser.wait_text(lang.t("notice-password-set")).await;
    browser.goto(&format!("/password/{path}")).await;
    browser.wait_text(lang.t("password-link-over")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_manages_users_in_english() {
    an_owner_manages("en", true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_manages_users_in_french_and_dark_without_javascript() {
    an_owner_manages("fr", false, true).await;
}
