//! The menu of the user who is signed in, in real Chromium: by keys and by presses, without JavaScript, on the smallest
//! phone in French, and dark.

use super::{everybody, speak};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use fantoccini::key::Key;
use postern::access::Role;
use postern::text::Lang;

async fn signed_in(app: &App, code: &'static str, (width, scripts): (u32, bool)) -> Option<(Browser, Lang)> {
    app.user(Role::Owner).await;
    let email = everybody(app).await[0].email.to_string();
    speak(app, code).await;
    let lang = Lang::or_english(code);
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
    Some((browser, lang))
}

fn key(key: Key) -> String {
    char::from(key).into()
}

/// What belongs to the user is behind the menu alone, and each part of it works.
async fn it_leads_everywhere(code: &'static str, (width, scripts): (u32, bool)) {
    let app = App::start(On::Sqlite).await;
    let Some((browser, lang)) = signed_in(&app, code, (width, scripts)).await else { return };
    let name = |what: &str| format!("own-menu-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    // on a page where the open menu leaves nothing of a small target in sight
    browser.goto("/account").await;
    assert!(!browser.text().await.contains(lang.t("sign-out")), "it is closed");
    browser.open_own_menu().await;
    browser.wait_text(&format!("User owner · {}", lang.t_of("role", "owner"))).await;
    browser.inspect(&name("light")).await;
    browser.dark().await;
    browser.inspect(&name("dark")).await;
    for (link, path) in [
        ("account-notifications", "/account/notifications"),
        ("away", "/account/away"),
        ("keys", "/keys"),
        ("account", "/account"),
    ] {
        browser.click_text(lang.t(link)).await;
        browser.wait_path(path).await;
        browser.open_own_menu().await;
    }
    let other = if code == "en" { "fr" } else { "en" };
    browser.click_text(Lang::or_english(other).t("language-name")).await;
    browser.wait_text(Lang::or_english(other).t("change-password")).await;
    assert_eq!(browser.path().await, "/account", "back where the language was chosen");
    browser.open_own_menu().await;
    browser.click_text(Lang::or_english(other).t("sign-out")).await;
    browser.wait_path("/sign-in").await;
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_leads_everywhere_wide_in_english() {
    it_leads_everywhere("en", (1280, true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_leads_everywhere_on_the_smallest_phone_in_french() {
    it_leads_everywhere("fr", (320, true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_leads_everywhere_without_javascript() {
    it_leads_everywhere("en", (390, false)).await;
}

/// Escape closes it and gives the focus back; so does a press elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_closes_by_a_key_and_by_a_press_elsewhere() {
    let app = App::start(On::Sqlite).await;
    let Some((browser, lang)) = signed_in(&app, "en", (1280, true)).await else { return };
    browser.wait("html[data-enhanced]").await;
    browser.js("document.querySelector('.me > summary').focus()").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait(".me[open]").await;
    // its script comes with the first opening
    let closed = async || {
        browser.keys(&key(Key::Escape)).await;
        !browser.is_visible(".me[open]").await
    };
    browser.until("Escape does not close it", closed).await;
    assert_eq!(browser.js("return document.activeElement.matches('.me > summary')").await, true);
    browser.keys(&key(Key::Down)).await;
    browser.wait(".me[open]").await;
    let at = format!("return document.activeElement.textContent === {:?}", lang.t("account"));
    browser.until("the focus is not on the first item", async || browser.js(&at).await == true).await;
    browser.wait("h1").await.click().await.unwrap();
    browser.wait_gone(".me[open]").await;
    browser.assert_clean().await;
}
