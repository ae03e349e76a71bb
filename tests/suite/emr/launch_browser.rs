//! Opened from the EMR in real Chromium, through the EMR's own pages: axe, narrow and wide, light and dark, both
//! languages, with and without JavaScript.

use super::launch::{known_as, opened_clinic};
use crate::patients::email_of_the_user;
use crate::support::app::On;
use crate::support::browser::Browser;
use crate::support::emr::NAME;
use crate::support::world::{Like, PASSWORD};
use postern::access::Role;
use postern::text::Lang;

const WIDTHS: [u32; 3] = [320, 390, 1280];

async fn the_emr_opens_the_chart(language: &'static str, scripts: bool, dark: bool) {
    let Some((app, emr)) = opened_clinic(On::Sqlite).await else { return };
    let patient = app.patient(Like::default()).await;
    known_as(&app, patient, NAME, "p1").await;
    app.user(Role::Owner).await;
    let email = email_of_the_user(&app, language).await;
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    if !scripts {
        browser.without_javascript().await;
    }
    if dark {
        browser.dark().await;
    }
    let lang = Lang::or_english(language);
    let look = async |name: &str| browser.inspect_at(&WIDTHS, &format!("emr-{name}-{language}")).await;
    // without scripts each page that sends itself on has a button
    let go_on = async |name: &str| {
        if !scripts {
            browser.wait_text(lang.t("provider-go-on")).await;
            look(name).await;
            browser.click_text(lang.t("provider-go-on")).await;
        }
    };
    // the EMR's page that asks for consent has a button and no field
    let consent = async || {
        browser.wait_gone("input[name=login]").await;
        browser.wait("button.login-submit").await;
        browser.js("document.querySelector('form [type=submit]').click()").await;
    };

    // the EMR's tokens have its own, real time
    app.at_present();
    browser.goto(&emr.opens("chart:p1")).await;
    go_on("launch").await;
    browser.wait("input[name=login]").await;
    browser.js("document.querySelector('input[name=login]').value = 'anna'").await;
    browser.js("document.querySelector('input[name=password]').value = 'x'").await;
    browser.js("document.querySelector('form [type=submit]').click()").await;
    consent().await;
    go_on("answer").await;
    // nobody is linked: the user signs in as before, and is asked
    browser.wait("form[action='/sign-in'] input[name=password]").await;
    look("sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_text(lang.t("emr-link-make")).await;
    look("link").await;
    browser.click_text(lang.t("emr-link-make")).await;
    browser.wait_path(&format!("/patients/{patient}")).await;
    browser.wait_text(lang.t("notice-provider-linked")).await;
    browser.goto("/settings/users/1").await;
    browser.wait_text(lang.t("emr-unlink")).await;
    look("user").await;

    app.at_present();
    browser.goto(&emr.opens("message:p1")).await;
    go_on("launch-again").await;
    consent().await;
    go_on("answer-again").await;
    browser.wait_path(&format!("/patients/{patient}/messages/new")).await;

    app.at_present();
    browser.goto(&emr.opens("chart:nobody")).await;
    go_on("launch-unknown").await;
    consent().await;
    go_on("answer-unknown").await;
    browser.wait_path("/emr/unknown-patient").await;
    look("unknown-patient").await;
    browser.goto("/emr/launch?iss=https://elsewhere.example/fhir&launch=x").await;
    browser.wait_text(lang.t("emr-not-opened")).await;
    look("elsewhere").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emr_opens_the_chart_in_english() {
    the_emr_opens_the_chart("en", true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emr_opens_the_chart_in_french_and_the_dark_without_scripts() {
    the_emr_opens_the_chart("fr", false, true).await;
}
