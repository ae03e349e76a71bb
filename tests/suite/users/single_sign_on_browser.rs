//! Single sign-on in real Chromium, through the pages of a real identity provider: axe, narrow and wide, light and
//! dark, both languages, with and without JavaScript.

use super::browser::look;
use super::{everybody, speak};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::oidc::{NAME, RealProvider, by_groups, real_issuer, settings};
use crate::support::world::PASSWORD;
use fantoccini::key::Key;
use postern::access::Role;
use postern::config::Oidc;
use postern::delivery::Delivery;
use postern::text::Lang;
use time::Duration;

/// A clinic with its real provider; `None` where that is left out.
async fn clinic(on: On, change: impl FnOnce(&mut Oidc)) -> Option<(App, RealProvider)> {
    let (port, issuer) = real_issuer();
    let mut oidc = settings(&issuer);
    change(&mut oidc);
    let app = App::start_with_config(on, |config| config.oidc = Some(oidc), Delivery::mailbox).await;
    // the provider's tokens have its own, real time
    app.at_present();
    let provider = RealProvider::start(port, &[&app.origin])?;
    Some((app, provider))
}

/// Signs in at the provider's pages as this person, and consents.
async fn be(browser: &Browser, name: &str) {
    browser.wait("input[name=login]").await;
    browser.js(&format!("document.querySelector('input[name=login]').value = '{name}'")).await;
    browser.js("document.querySelector('input[name=password]').value = 'x'").await;
    browser.js("document.querySelector('form button[type=submit], form [type=submit]').click()").await;
    browser.wait_gone("input[name=login]").await;
    browser.js("document.querySelector('form button[type=submit], form [type=submit]')?.click()").await;
}

/// Without scripts, presses the button that sends the answer on.
async fn go_on(browser: &Browser, lang: Lang, scripts: bool, name: &str) {
    if !scripts {
        browser.wait_text(lang.t("provider-go-on")).await;
        look(browser, name).await;
        browser.click_text(lang.t("provider-go-on")).await;
    }
}

async fn a_user_signs_in_at_the_provider(on: On, language: &'static str, scripts: bool, dark: bool) {
    let Some((app, _provider)) = clinic(on, |_| ()).await else { return };
    app.user(Role::Owner).await;
    speak(&app, language).await;
    let email = everybody(&app).await[0].email.to_string();
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    if !scripts {
        browser.without_javascript().await;
    }
    if dark {
        browser.dark().await;
    }
    let lang = Lang::or_english(language);
    let name = |page: &str| format!("sso-{page}-{language}");
    let at_provider = |key: &str| lang.t1(key, "provider", NAME);
    let enter = String::from(char::from(Key::Enter));
    browser.goto("/sign-in").await;
    look(&browser, &name("sign-in")).await;
    // no user is linked yet
    browser.click_text(&at_provider("provider-sign-in")).await;
    be(&browser, "owen").await;
    go_on(&browser, lang, scripts, &name("answer")).await;
    browser.wait(".error-summary").await;
    browser.wait_text(&at_provider("provider-refused-not_linked")).await;
    look(&browser, &name("not-linked")).await;
    // Enter in a field signs in by password
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.keys(&enter).await;
    browser.wait_path("/inbox").await;
    browser.goto("/account").await;
    look(&browser, &name("account")).await;
    browser.click_text(&at_provider("provider-link-make")).await;
    go_on(&browser, lang, scripts, &name("answer-link")).await;
    browser.wait_text(lang.t("notice-provider-linked")).await;
    look(&browser, &name("linked")).await;
    browser.goto(&format!("/settings/users/{}", everybody(&app).await[0].id)).await;
    look(&browser, &name("user")).await;

    browser.open_own_menu().await;
    browser.click_text(lang.t("sign-out")).await;
    browser.wait_text(&at_provider("provider-way-out")).await;
    look(&browser, &name("signed-out")).await;
    // the session at the provider goes on
    browser.click_text(&at_provider("provider-sign-in")).await;
    go_on(&browser, lang, scripts, &name("answer-again")).await;
    browser.wait_path("/inbox").await;

    app.state.clock.advance(Duration::minutes(11));
    browser.goto("/settings/users/new").await;
    browser.wait_text(lang.t("confirmation-why")).await;
    look(&browser, &name("confirmation")).await;
    app.state.clock.advance(-Duration::minutes(11));
    browser.click_text(&at_provider("provider-confirm")).await;
    be(&browser, "owen").await;
    go_on(&browser, lang, scripts, &name("answer-confirm")).await;
    browser.wait_path("/settings/users/new").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_at_the_provider_in_english() {
    a_user_signs_in_at_the_provider(On::Sqlite, "en", true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_at_the_provider_in_french_and_dark_without_javascript() {
    a_user_signs_in_at_the_provider(On::Sqlite, "fr", false, true).await;
}

async fn an_account_is_made_and_nothing_else_opens(on: On) {
    let only = |oidc: &mut Oidc| {
        by_groups(oidc);
        oidc.scopes.push("groups".to_owned());
        (oidc.creates_users, oidc.only) = (true, true);
    };
    let Some((app, _provider)) = clinic(on, only).await else { return };
    let Some(browser) = Browser::start_in("en", &app.origin).await else { return };
    browser.goto("/sign-in").await;
    look(&browser, "sso-only").await;
    browser.goto("/forgotten-password").await;
    look(&browser, "sso-only-forgotten").await;
    browser.goto("/patients").await;
    browser.click_text("Sign in with Harbour ID").await;
    be(&browser, "sam").await;
    browser.wait_path("/patients").await;
    let sam = everybody(&app).await.pop().unwrap();
    // from `userinfo`: the real provider does not put these claims into the ID token
    assert_eq!((sam.name.as_str(), sam.email.as_str(), sam.role), ("Name of sam", "sam@clinic.example", Role::Staff));
    browser.goto("/account").await;
    look(&browser, "sso-only-account").await;
    app.state.clock.advance(Duration::minutes(11));
    browser.goto("/account/confirmation").await;
    look(&browser, "sso-only-confirmation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_in_the_browser() {
    an_account_is_made_and_nothing_else_opens(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_in_the_browser_on_postgresql() {
    if crate::support::peers::postgres_url().is_some() {
        an_account_is_made_and_nothing_else_opens(On::Postgres).await;
    }
}
