//! The clinic's day by keys alone, in real Chromium.

use super::{everybody, speak};
use crate::support::app::{Actor, App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::schema::messages;
use postern::error::AppError;
use postern::text::Lang;
use serde_json::json;

struct Desk {
    app: App,
    browser: Browser,
    user: Actor,
    /// conversations with something new, by their addresses
    conversations: Vec<String>,
    lang: Lang,
}

/// A user who is signed in over HTTP and in a browser, at the inbox.
async fn desk(code: &'static str) -> Option<Desk> {
    let app = App::start(On::Sqlite).await;
    let user = app.user(Role::Clinician).await;
    let email = everybody(&app).await[0].email.to_string();
    app.user(Role::Staff).await;
    let mut conversations = Vec::new();
    for number in 0..3 {
        let (email, phone) = (Some(format!("p{number}@example.org")), None);
        let patient = app.patient(Like { email, phone, ..Like::default() }).await;
        let conversation = app.message(&user, patient, true).await;
        user.post(&format!("{conversation}/unread"), &[]).await.redirect();
        conversations.push(conversation);
        app.state.clock.advance(time::Duration::minutes(1));
    }
    speak(&app, code).await;
    let lang = Lang::or_english(code);
    let browser = Browser::start_in(code, &app.origin).await?;
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.keys(&enter()).await;
    browser.wait_path("/inbox").await;
    browser.wait("html[data-enhanced]").await;
    Some(Desk { app, browser, user, conversations, lang })
}

fn enter() -> String {
    char::from(Key::Enter).into()
}

fn with_control(keys: &str) -> String {
    format!("{}{keys}{}", char::from(Key::Control), char::from(Key::Null))
}

impl Desk {
    async fn open(&self, path: &str) {
        self.browser.goto(path).await;
        self.browser.wait("html[data-enhanced]").await;
    }

    /// Waits until the focus is on an element of this selector, where it can be seen.
    async fn at(&self, css: &str) {
        let script = format!(
            "const one = document.activeElement; const shown = getComputedStyle(one.closest('.ed, .combo-box') ?? one).outlineStyle;
             return one.matches({css:?}) && shown === 'solid'"
        );
        self.browser
            .until(&format!("the focus is not at {css}"), async || self.browser.js(&script).await == true)
            .await;
    }

    /// The ids of the rows of the page.
    async fn rows(&self) -> Vec<String> {
        let ids = self.browser.js("return [...document.querySelectorAll('a.item')].map(one => one.id)").await;
        serde_json::from_value(ids).unwrap()
    }

    async fn messages(&self) -> i64 {
        let read = self.app.state.db.read(|conn| Ok::<i64, AppError>(messages::table.count().get_result(conn)?));
        read.await.unwrap()
    }
}

async fn the_day_is_worked(code: &'static str) {
    let Some(desk) = desk(code).await else { return };
    let (browser, lang) = (&desk.browser, desk.lang);
    let has_script = "return performance.getEntriesByType('resource').some(one => one.name.endsWith('/keys.js'))";
    assert_eq!(browser.js(has_script).await, false, "the page is light until a key is pressed");
    let rows = desk.rows().await;
    assert_eq!(rows.len(), 3);
    browser.keys("j").await;
    desk.at(&format!("#{}", rows[0])).await;
    browser.keys("kjjjj").await;
    desk.at(&format!("#{}", rows[2])).await;
    browser.keys("kk").await;
    desk.at(&format!("#{}", rows[0])).await;
    browser.keys(&enter()).await;
    let conversation = format!("/conversations/{}", &rows[0][1..]);
    browser.wait_path(&conversation).await;
    browser.wait("html[data-enhanced]").await;

    // a reply, which goes out once
    browser.keys("r").await;
    desk.at("#write .ed-text").await;
    browser.keys("jek?/cg i are letters here").await;
    let before = desk.messages().await;
    browser.keys(&with_control(&format!("{}{}", enter(), enter()))).await;
    browser.wait_text(lang.t_of("notice", "message-sent")).await;
    assert!(browser.text().await.contains("jek?/cg i are letters here"));
    assert_eq!((browser.path().await, desk.messages().await), (conversation.clone(), before + 1));
    browser.wait("html[data-enhanced]").await;

    // a note, and back, with what was typed kept
    browser.keys("r").await;
    desk.at("#write .ed-text").await;
    browser.keys("Half a reply").await;
    browser.js("document.activeElement.blur()").await;
    browser.keys("n").await;
    browser.wait("form.note").await;
    desk.at("form.note .ed-text").await;
    browser.keys("Among us").await;
    browser.keys(&with_control(&enter())).await;
    browser.wait_text(lang.t_of("notice", "note-added")).await;
    browser.wait("html[data-enhanced]").await;
    browser.keys("r").await;
    browser.wait("form.reply:not(.note)").await;
    desk.at("#write .ed-text").await;
    assert!(browser.text().await.contains("Half a reply"));

    // who sees to it; done, and on with the next one
    browser.js("document.activeElement.blur()").await;
    browser.keys("a").await;
    browser.wait_path(&format!("{conversation}/assignment")).await;
    desk.open(&conversation).await;
    browser.keys("e").await;
    browser.wait_path(&format!("{conversation}/closure")).await;
    browser.wait("html[data-enhanced]").await;
    browser.keys("gi").await;
    browser.wait_path("/inbox").await;
    browser.wait("html[data-enhanced]").await;
    let rows = desk.rows().await;
    assert_eq!(rows.len(), 2);
    browser.keys("j").await;
    desk.at(&format!("#{}", rows[0])).await;
    browser.keys("e").await;
    browser.wait_text(&lang.t1("inbox-marked-done", "count", 1_i64)).await;
    browser.wait("html[data-enhanced]").await;
    desk.at(&format!("#{}", rows[1])).await;

    // a new message: the patient is chosen
    browser.keys("c").await;
    browser.wait_path("/patients?for=message").await;
    browser.wait_text(lang.t("choose-patient")).await;
    desk.at("#q").await;
    browser.keys(&format!("Mej{}", enter())).await;
    browser.until("nobody was sought", async || browser.path().await.contains("sought=")).await;
    browser.wait("html[data-enhanced]").await;
    let first = desk.rows().await[0].clone();
    browser.keys("j").await;
    desk.at(&format!("#{first}")).await;
    browser.keys(&enter()).await;
    browser.wait_path(&format!("/patients/{}/messages/new", &first[1..])).await;
    browser.wait("#body-rich").await;
    browser.fill(lang.t("title"), "Iron").await;
    browser.wait("#body-rich").await.send_keys("All is well").await.unwrap();
    let before = desk.messages().await;
    browser.keys(&with_control(&enter())).await;
    browser.until("it was not sent", async || browser.path().await.starts_with("/conversations/")).await;
    assert_eq!(desk.messages().await, before + 1);
    browser.wait("html[data-enhanced]").await;

    // the other places
    browser.keys("gp").await;
    browser.wait_path("/patients").await;
    browser.wait("html[data-enhanced]").await;
    browser.keys("go").await;
    browser.wait_path("/outbox").await;
    browser.wait("html[data-enhanced]").await;
    browser.keys("/").await;
    desk.at("#q").await;
    browser.js("document.activeElement.blur()").await;
    browser.keys("j").await;
    browser.assert_clean().await;
    desk.app.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_day_is_worked_by_keys_alone() {
    the_day_is_worked("en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_day_is_worked_by_keys_alone_in_french() {
    the_day_is_worked("fr").await;
}

/// The page that follows has the focus on the next line: nothing there is done unread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_doubled_or_held_marks_one_line_done() {
    let Some(desk) = desk("en").await else { return };
    let browser = &desk.browser;
    let rows = desk.rows().await;
    browser.keys("j").await;
    desk.at(&format!("#{}", rows[0])).await;
    browser.keys("ee").await;
    browser.wait_text(&desk.lang.t1("inbox-marked-done", "count", 1_i64)).await;
    browser.wait("html[data-enhanced]").await;
    desk.at(&format!("#{}", rows[1])).await;
    let held =
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'e', repeat: true, bubbles: true}))";
    browser.js(held).await;
    browser.keys("j").await;
    desk.at(&format!("#{}", rows[2])).await;
    assert_eq!(desk.rows().await, rows[1..]);
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_are_shown_in_a_dialog_and_as_a_page() {
    for code in ["en", "fr"] {
        let Some(desk) = desk(code).await else { return };
        let (browser, lang) = (&desk.browser, desk.lang);
        for width in [1280, 320] {
            browser.size(width).await;
            desk.open("/inbox").await;
            let row = format!("#{}", desk.rows().await[0]);
            browser.keys("j").await;
            desk.at(&row).await;
            browser.keys("?").await;
            browser.wait("dialog.window:modal kbd").await;
            let name = "return document.getElementById(document.querySelector('dialog[open]').getAttribute('aria-labelledby')).textContent";
            assert_eq!(browser.js(name).await, lang.t("keys"));
            browser.inspect(&format!("keys-dialog-{width}-{code}")).await;
            // nothing happens behind it
            browser.keys("gije?").await;
            browser.until_count("dialog.window", 1).await;
            assert_eq!(browser.path().await, "/inbox");
            browser.keys(&String::from(char::from(Key::Escape))).await;
            browser.until_count("dialog.window", 0).await;
            desk.at(&row).await;
            desk.open("/account").await;
            browser.click_text(lang.t("keys-all")).await;
            browser.wait_path("/keys").await;
            browser.wait("html[data-enhanced]").await;
            browser.inspect(&format!("keys-page-{width}-{code}")).await;
        }
        // it is a page, and can be switched off, where no script runs
        browser.without_javascript().await;
        browser.goto("/keys").await;
        browser.wait_text(lang.t("key-does-next")).await;
        browser.click_text(lang.t("keys-where")).await;
        browser.click_text(lang.t("keys-switch-off")).await;
        browser.wait_text(lang.t_of("notice", "keys-off")).await;
        browser.assert_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_means_off() {
    let Some(desk) = desk("en").await else { return };
    let browser = &desk.browser;
    desk.open("/account").await;
    browser.click_text(desk.lang.t("keys-switch-off")).await;
    browser.wait_text(desk.lang.t_of("notice", "keys-off")).await;
    desk.open("/inbox").await;
    let nothing = "return [document.activeElement === document.body, location.pathname, document.querySelectorAll('dialog[open]').length,
        performance.getEntriesByType('resource').filter(one => /keys|window/.test(one.name)).length]";
    for keys in ["j", "?", "e", "c", "gp"] {
        browser.keys(keys).await;
    }
    assert_eq!(browser.js(nothing).await, json!([true, "/inbox", 0, 0]));
    desk.open(&desk.conversations[0]).await;
    browser.js("document.querySelector('#write textarea').focus()").await;
    desk.at("#write .ed-text").await;
    browser.keys("Words").await;
    let before = desk.messages().await;
    browser.keys(&with_control(&enter())).await;
    browser.wait_text("Draft saved").await;
    assert_eq!((desk.messages().await, browser.path().await), (before, desk.conversations[0].clone()));
    browser.assert_clean().await;
}

/// Keys that somebody types, or holds with another, do what they always do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_typed_is_a_letter() {
    let Some(desk) = desk("en").await else { return };
    let browser = &desk.browser;
    desk.open("/patients").await;
    browser.wait("#q").await.send_keys("jk?/e g p").await.unwrap();
    assert_eq!(
        browser.js("return [location.pathname, document.activeElement.value]").await,
        json!(["/patients", "jk?/e g p"])
    );
    // a tick box is no text
    desk.open("/inbox").await;
    let rows = desk.rows().await;
    browser.js("document.querySelector('.pick input').focus()").await;
    browser.keys("j").await;
    desk.at(&format!("#{}", rows[1])).await;
    // with Control held it is another key; the next one is as ever
    browser.keys(&with_control("k")).await;
    browser.keys("j").await;
    desk.at(&format!("#{}", rows[2])).await;
    // a list of choices
    desk.open("/outbox").await;
    browser.js("document.querySelector('#kind').focus()").await;
    browser.keys("jc").await;
    assert_eq!(browser.js("return [location.pathname, document.activeElement.id]").await, json!(["/outbox", "kind"]));
    // a form that is being written, and a message that goes out later: Ctrl+Enter keeps its moment
    desk.open(&desk.conversations[0]).await;
    browser.js("document.querySelector('#write textarea').focus()").await;
    desk.at("#write .ed-text").await;
    browser.keys("Words").await;
    browser.js("document.querySelector('#write [data-does=send]').focus()").await;
    browser.keys("ecj").await;
    assert_eq!(browser.path().await, desk.conversations[0]);
    let before = desk.messages().await;
    browser.js("document.querySelector('#write .later').open = true; document.querySelector('#later_date').value = '2026-03-09';
        document.querySelector('#later_time').value = '09:00'; document.querySelector('#write .later summary').focus()").await;
    browser.keys(&with_control(&enter())).await;
    browser.wait_path("/inbox/scheduled").await;
    assert_eq!(desk.messages().await, before);
    desk.open(&format!("{}?scheduled=1", desk.conversations[0])).await;
    browser.js("document.querySelector('#write textarea').focus()").await;
    desk.at("#write .ed-text").await;
    browser.keys("Moreover ").await;
    browser.keys(&with_control(&enter())).await;
    browser.wait_path("/inbox/scheduled").await;
    assert_eq!(desk.messages().await, before);
    assert!(desk.user.get(&format!("{}?scheduled=1", desk.conversations[0])).await.body.contains("Moreover"));
    browser.assert_clean().await;
}
