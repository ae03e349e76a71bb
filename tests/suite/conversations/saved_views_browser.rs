//! Views under names of one's own in real Chromium: with the longest name, on the smallest phone, in French, without JavaScript.

use super::work_list::{patient, patient_writes};
use crate::live::browser::{browser_of, listening};
use crate::patients::email_of_the_user;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use postern::access::Role;
use postern::text::Lang;

const WIDTHS: [u32; 3] = [320, 390, 1280];

async fn a_view_is_kept_and_opened(code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let conversation = app.message(&owner, patient(&app, "Ada", "ada@example.org").await, true).await;
    app.drain().await;
    patient_writes(&app, &conversation).await;
    let (email, lang) = (email_of_the_user(&app, code).await, Lang::or_english(code));
    let Some(browser) = Browser::start_in(code, &app.origin).await else { return };
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    let name = |what: &str| format!("views-{what}-{code}{}", if scripts { "" } else { "-plain" });
    browser.goto("/inbox?scope=all&filter=waiting_for_us").await;
    browser.click_text(lang.t("view-save-this")).await;
    browser.wait_text(lang.t("my-views-explained")).await;
    browser.inspect_at(&WIDTHS, &name("new")).await;
    // the browser itself refuses an empty name: one that is too long goes to the server
    browser.fill(lang.t("view-name"), &"W".repeat(41)).await;
    browser.click_text(lang.t("save")).await;
    browser.wait_text(lang.t("error-view-name")).await;
    browser.inspect_at(&WIDTHS, &name("refused")).await;
    browser.fill(lang.t("view-name"), &"W".repeat(40)).await;
    browser.fill(lang.t("view-opens-first"), "on").await;
    browser.click_text(lang.t("save")).await;
    browser.wait_text(lang.t_of("notice", "view-saved")).await;
    browser.inspect_at(&WIDTHS, &name("inbox")).await;
    browser.goto("/inbox").await;
    browser.wait("nav.own a[aria-current=page]").await;
    browser.wait_text("Ada").await;
    browser.goto("/account/views").await;
    browser.wait_text(lang.t("view-opens-first-tag")).await;
    browser.inspect_at(&WIDTHS, &name("list")).await;
    browser.goto("/account/views/1").await;
    browser.wait_text(lang.t("view-remove")).await;
    browser.inspect_at(&WIDTHS, &name("one")).await;
    browser.click_text(lang.t("view-remove")).await;
    browser.wait_text(lang.t_of("notice", "view-removed")).await;
    browser.goto("/inbox").await;
    browser.wait_text(lang.t("view-save-this")).await;
    assert!(!browser.text().await.contains("WWWW"));
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_is_kept_in_english() {
    a_view_is_kept_and_opened("en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_is_kept_in_french_without_javascript() {
    a_view_is_kept_and_opened("fr", false).await;
}

/// A change that comes by itself leaves the names where they are: a view may have the address of a heading with a count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_stay_when_the_list_changes() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let all = [("Ada", "ada@example.org"), ("Bea", "bea@example.org")];
    let mut conversations = Vec::new();
    for (given, email) in all {
        conversations.push(app.message(&owner, patient(&app, given, email).await, true).await);
    }
    app.drain().await;
    patient_writes(&app, &conversations[0]).await;
    owner.post("/account/views", &super::saved_views::form("Clinic waits")).await.redirect();
    let theirs = [("name", "Whatever waits"), ("scope", "mine"), ("filter", "waiting_for_us"), ("order", "longest")];
    owner.post("/account/views", &theirs).await.redirect();
    let Some(browser) = browser_of(&app, 1, Lang::or_english("en")).await else { return };
    browser.goto("/inbox?scope=mine&filter=waiting_for_us").await;
    browser.wait("html[data-enhanced]").await;
    listening(&app, 1).await;
    // without the portal nothing is told; what the user does next is
    patient_writes(&app, &conversations[1]).await;
    owner.post(&format!("{}/done", conversations[0]), &[]).await.redirect();
    browser.wait_text("Bea").await;
    let names = "return [...document.querySelectorAll('nav.own a')].map(one => one.textContent.trim()).join(', ')";
    assert_eq!(browser.js(names).await, "Clinic waits, Whatever waits, My views");
    let tab =
        "return document.querySelector('.counts a[href*=waiting_for_us]').textContent.replace(/\\s+/g, ' ').trim()";
    assert_eq!(browser.js(tab).await, "Waiting for us 2");
    browser.assert_clean().await;
}
