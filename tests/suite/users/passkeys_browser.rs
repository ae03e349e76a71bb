//! Passkeys in real Chromium, with its virtual authenticator, which verifies its person.

use super::passkeys::clinic;
use super::{everybody, speak};
use crate::support::app::On;
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use fantoccini::key::Key;
use postern::access::Role;
use postern::text::Lang;
use serde_json::json;
use time::Duration;

async fn a_passkey_is_made_and_used(language: &'static str, dark: bool) {
    let app = clinic(On::Sqlite).await;
    app.user(Role::Owner).await;
    speak(&app, language).await;
    let email = everybody(&app).await[0].email.to_string();
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    if dark {
        browser.dark().await;
    }
    browser.cdp("WebAuthn.enable", json!({})).await;
    let device = json!({
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
        "isUserVerified": true, "automaticPresenceSimulation": true,
    });
    let device = browser.cdp("WebAuthn.addVirtualAuthenticator", json!({"options": device})).await;
    let device = device["authenticatorId"].clone();
    let lang = Lang::or_english(language);
    let name = |page: &str| format!("passkey-{page}-{language}");
    let enter = String::from(char::from(Key::Enter));
    browser.goto("/sign-in").await;
    browser.inspect(&name("sign-in")).await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.keys(&enter).await;
    browser.wait_path("/inbox").await;
    browser.goto("/account/second-factor").await;
    browser.inspect(&name("none")).await;
    browser.fill(lang.t("passkey-name"), "Work laptop").await;
    browser.keys(&enter).await;
    browser.wait(".secrets").await;
    browser.click_text(lang.t("recovery-codes-kept")).await;
    browser.wait_text("Work laptop").await;
    browser.inspect(&name("there")).await;
    // the same device cannot be added again
    browser.fill(lang.t("passkey-name"), "Twice").await;
    browser.keys(&enter).await;
    browser.wait_text(lang.t("passkey-problem")).await;
    browser.inspect(&name("problem")).await;

    // signing in without a password
    browser.open_own_menu().await;
    browser.click_text(lang.t("sign-out")).await;
    browser.wait_path("/sign-in").await;
    browser.click_text(lang.t("passkey-sign-in")).await;
    browser.wait_path("/inbox").await;
    app.state.clock.advance(Duration::minutes(11));
    browser.goto("/settings/users/new").await;
    browser.wait_text(lang.t("confirmation-why")).await;
    browser.inspect(&name("confirmation")).await;
    browser.click_text(lang.t("passkey-confirm")).await;
    browser.wait_path("/settings/users/new").await;

    // as the second step after the password
    browser.open_own_menu().await;
    browser.click_text(lang.t("sign-out")).await;
    browser.wait_path("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.keys(&enter).await;
    browser.wait_path("/sign-in/second-step?next=%2Finbox").await;
    browser.inspect(&name("step")).await;
    // the device does not verify the person who holds it
    let verified = |is: bool| json!({"authenticatorId": device, "isUserVerified": is});
    browser.cdp("WebAuthn.setUserVerified", verified(false)).await;
    browser.click_text(lang.t("passkey-use")).await;
    browser.wait_text(lang.t("passkey-problem")).await;
    browser.cdp("WebAuthn.setUserVerified", verified(true)).await;
    browser.click_text(lang.t("passkey-use")).await;
    browser.wait_path("/inbox").await;
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_in_english() {
    a_passkey_is_made_and_used("en", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_in_french_and_dark() {
    a_passkey_is_made_and_used("fr", true).await;
}
