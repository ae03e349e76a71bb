//! The page of the EMRs in real Chromium: axe, narrow and wide, light and dark, both languages, with and without
//! JavaScript, with a real EMR.

use crate::patients::email_of_the_user;
use crate::support::app::On;
use crate::support::browser::Browser;
use crate::support::emr::{NAME, clinic};
use crate::support::world::PASSWORD;
use postern::access::Role;
use postern::text::Lang;

const WIDTHS: [u32; 3] = [320, 390, 1280];

async fn a_connection_is_tested(language: &'static str, scripts: bool, dark: bool) {
    let some = "system/Patient.rs system/Observation.rs";
    let Some((app, _emr)) = clinic(On::Sqlite, some, |source| source.scopes = some.to_owned()).await else { return };
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
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    browser.goto("/settings/emr").await;
    browser.wait_text(NAME).await;
    look("new").await;
    browser.click_text(&format!("{} {NAME}", lang.t("emr-test"))).await;
    browser.wait_text(lang.t("notice-emr-tested")).await;
    browser.wait_text(lang.t("emr-lacks-documents")).await;
    look("tested").await;
    browser.fill(lang.t("emr-sync"), "on").await;
    browser.click_text(&format!("{} {NAME}", lang.t("save"))).await;
    browser.wait_text(lang.t("notice-settings-saved")).await;
    browser.click_text(lang.t("emr-renew")).await;
    browser.wait_text(lang.t("notice-emr-key-renewed")).await;
    look("renewed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_tested_in_english() {
    a_connection_is_tested("en", true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_tested_in_french_and_the_dark_without_scripts() {
    a_connection_is_tested("fr", false, true).await;
}
