//! Mentioning a colleague in real Chromium: by the keyboard from the text, on the smallest phone in French, and without JavaScript.

use super::work_list::patient;
use crate::live::browser::{browser_of, listening};
use crate::support::app::{App, On};
use crate::support::browser::{Browser, Key};
use crate::support::world::PASSWORD;
use postern::access::Role;
use postern::text::Lang;

const WIDTHS: [u32; 3] = [320, 390, 1280];

/// A clinic in which the second user finds what the first mentions them in.
async fn clinic() -> (App, String) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let conversation = app.message(&owner, patient(&app, "Ada", "ada@example.org").await, true).await;
    app.drain().await;
    (app, conversation)
}

/// The inbox of the user who was mentioned.
async fn found(app: &App, lang: Lang) {
    let Some(browser) = browser_of(app, 2, lang).await else { return };
    browser.goto("/inbox?filter=mentions").await;
    browser.wait_text(lang.t("mentioned-tag")).await;
    browser.inspect_at(&WIDTHS, &format!("mentions-inbox-{}", lang.code())).await;
}

async fn by_the_keyboard(code: &'static str) {
    let (app, conversation) = clinic().await;
    let lang = Lang::or_english(code);
    let Some(browser) = browser_of(&app, 1, lang).await else { return };
    browser.goto(&format!("{conversation}/notes#write")).await;
    browser.wait("#write .ed-text:focus").await;
    browser.keys("Please ask ").await;
    browser.keys("@").await;
    browser.wait("#tell-input:focus").await;
    browser.keys("staff").await;
    browser.keys(&String::from(char::from(Key::Enter))).await;
    browser.until_count(".combo-chips .chip", 1).await;
    browser.keys("today").await;
    browser.wait_text("Please ask @User staff today").await;
    browser.inspect_at(&WIDTHS, &format!("mentions-note-{code}")).await;
    browser.click_text(lang.t("note-add")).await;
    browser.wait("li.msg.note").await;
    browser.wait_text("Please ask @User staff today").await;
    browser.assert_clean().await;
    found(&app, lang).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_is_mentioned_by_the_keyboard() {
    by_the_keyboard("en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_is_mentioned_by_the_keyboard_in_french() {
    by_the_keyboard("fr").await;
}

/// Escape leads back to the text, where the "@" is; within an address it is a letter like any other. What is typed after it and names
/// nobody is the text's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_is_only_a_sign() {
    let (app, conversation) = clinic().await;
    let lang = Lang::or_english("en");
    let Some(browser) = browser_of(&app, 1, lang).await else { return };
    browser.goto(&format!("{conversation}/notes#write")).await;
    browser.wait("#write .ed-text:focus").await;
    browser.keys("ada@example.org ").await;
    assert!(!browser.is_visible("#tell-list").await, "an address mentions nobody");
    browser.keys("@").await;
    browser.wait("#tell-input:focus").await;
    browser.keys(&String::from(char::from(Key::Escape))).await;
    browser.keys(" noon").await;
    browser.wait_text("ada@example.org @ noon").await;
    for (before, typed) in [(" 2 tabs ", " "), ("8 h ", "#")] {
        browser.keys(before).await;
        browser.keys("@").await;
        browser.wait("#tell-input:focus").await;
        browser.keys(typed).await;
        browser.wait("#write .ed-text:focus").await;
    }
    browser.keys(" ").await;
    browser.keys("@").await;
    browser.wait("#tell-input:focus").await;
    browser.keys("st").await;
    browser.keys(&String::from(char::from(Key::Tab))).await;
    browser.wait_text("@ noon 2 tabs @ 8 h @# @st").await;
    let left = "return [document.querySelector('#tell-input').value, document.activeElement.matches('.ed-text')]";
    assert_eq!(browser.js(left).await, serde_json::json!(["", false]));
    browser.assert_clean().await;
}

/// The view is there as soon as it holds something, on a page that is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mention_brings_its_view() {
    let (app, conversation) = clinic().await;
    let writer = app.user(Role::Clinician).await;
    let Some(browser) = browser_of(&app, 2, Lang::or_english("en")).await else { return };
    let view = ".counts a[href*='filter=mentions']";
    assert!(!browser.is_visible(view).await);
    listening(&app, 1).await;
    let page = writer.get(&format!("{conversation}/notes")).await.ok();
    writer.submit(&page, "Add note", &[("body", "Please look"), ("tell", "2")]).await.redirect();
    browser.wait(view).await;
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_is_mentioned_without_javascript() {
    let (app, conversation) = clinic().await;
    let lang = Lang::or_english("en");
    let email = crate::users::away::email_of(&app, 1).await;
    let Some(browser) = Browser::start(&app.origin).await else { return };
    browser.without_javascript().await;
    browser.goto("/sign-in").await;
    browser.fill("Email", &email).await;
    browser.fill("Password", PASSWORD).await;
    browser.click_text("Sign in").await;
    browser.wait_path("/inbox").await;
    browser.goto(&format!("{conversation}/notes")).await;
    browser.fill(lang.t("note-label"), "Please look").await;
    browser.fill(lang.t("tell"), "User staff (will be added)").await;
    browser.inspect_at(&WIDTHS, "mentions-note-plain").await;
    browser.click_text(lang.t("note-add")).await;
    browser.wait_text("@User staff").await;
    browser.inspect_at(&WIDTHS, "mentions-noted-plain").await;
    found(&app, lang).await;
}
