//! A conversation in real Chromium: it opens at what is new, tells in one line what became of each message, links to one message,
//! and takes replies from templates. Wide, on phones, in French, by the keyboard, without JavaScript, light and dark.

use crate::chart::items::{add, days_ago};
use crate::live::{patient_opens, patient_writes};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::chart::ItemKind;
use postern::db::schema::{notifications, users};
use postern::delivery::{Channel, Reason};
use postern::error::AppError;
use postern::notifications::State;
use postern::patients::Method;
use postern::text::Lang;
use serde_json::json;

fn key(key: Key) -> String {
    String::from(char::from(key))
}

/// Words of the templates that a clinic starts with: what finds one alone, and what stands in it.
fn sought(code: &str) -> &'static str {
    if code == "en" { "prescription ready" } else { "ordonnance prete" }
}

async fn a_conversation_is_talked(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    add(&app, maria, "1", ItemKind::LabResult, days_ago(10), "Lipid panel", "words").await;
    let conversation = app.message(&owner, maria, true).await;
    let (patient, message) = patient_opens(&app).await;
    // long enough that nobody sees both ends at once
    for number in 0..6 {
        let key = format!("0123456789abcdef{number}");
        let words = format!("{number}\n\n{}", "A long note for colleagues. ".repeat(12));
        owner.post(&format!("{conversation}/notes"), &[("key", &key), ("body", &words)]).await.redirect();
    }
    for words in ["I feel worse", "What shall I do?"] {
        patient_writes(&patient, &message, words).await;
    }
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        // the first message's email came back, after it had been read
        let email = notifications::table.filter(notifications::channel.eq(Channel::Email));
        let to = (notifications::state.eq(State::Bounced), notifications::reason.eq(Some(Reason::MailboxFull)));
        diesel::update(email.filter(notifications::message_id.is_not_null())).set(to).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    let (email, lang) = (write.await.unwrap(), Lang::or_english(code));
    let Some(browser) = Browser::start_in(code, &app.origin).await else { return };
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    let name = |what: &str| format!("talk-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    let ready = async || {
        if scripts {
            browser.wait("html[data-enhanced]").await;
        }
    };
    // in sight, below a line that says so, and with the focus
    browser.goto(&conversation).await;
    ready().await;
    browser.wait_text(lang.t("new-messages")).await;
    let place = "const one = document.activeElement, box = one.getBoundingClientRect();
        const line = document.querySelector('.thread .new').getBoundingClientRect();
        return [one.querySelector('.prose')?.textContent.trim(), box.top >= 0 && box.top < innerHeight, line.bottom > 0 && line.bottom <= box.top]";
    let opened = async || browser.js(place).await == json!(["I feel worse", true, true]);
    browser.until("it does not open at what is new", opened).await;
    browser.inspect(&name("new")).await;
    // the line, and all of it by the keyboard
    let line = "return document.querySelector('.msg-foot .line p').textContent";
    let said = browser.js(line).await;
    let said = said.as_str().unwrap();
    assert!(said.contains(lang.t_of("reason", "mailbox_full")), "{said}");
    assert!(!browser.is_visible(".history .road").await);
    browser.js("document.querySelector('.msg-foot .history summary').focus()").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait(".history .road").await;
    browser.inspect(&name("history")).await;
    if scripts {
        browser.dark().await;
        browser.inspect(&name("history-dark")).await;
        browser.light().await;
    }
    // nothing is new any more: the newest is in sight
    browser.goto(&conversation).await;
    ready().await;
    let newest = "const one = document.activeElement, box = one.getBoundingClientRect();
        return [one.querySelector('.prose')?.textContent.trim(), box.top >= 0 && box.top < innerHeight]";
    let opened = async || browser.js(newest).await == json!(["What shall I do?", true]);
    browser.until("it does not open at the newest", opened).await;
    assert!(!browser.is_visible(".thread .new").await);
    browser.inspect(&name("newest")).await;
    // the link of one message: copied, or followed
    let link = browser.js("return document.querySelector('.msg.note a[data-copy-link]').href").await;
    let link = link.as_str().unwrap().to_owned();
    let press = "const link = document.querySelector('.msg.note a[data-copy-link]'); link.focus(); return document.activeElement === link";
    assert_eq!(browser.js(press).await, json!(true));
    if scripts {
        let rights = json!({"origin": app.origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
        browser.cdp("Browser.grantPermissions", rights).await;
        browser.keys(&key(Key::Enter)).await;
        browser.wait_text(lang.t("js-link_copied")).await;
        assert_eq!(browser.js("return navigator.clipboard.readText()").await, json!(link));
        assert_eq!(browser.path().await, conversation);
        browser.inspect(&name("copied")).await;
        browser.goto(link.strip_prefix(&app.origin).unwrap()).await;
    } else {
        browser.keys(&key(Key::Enter)).await;
    }
    browser.wait(".msg[data-asked]").await;
    ready().await;
    let there = "const one = document.activeElement, box = one.getBoundingClientRect();
        return [one.matches('.msg.note[data-asked]'), box.top >= 0 && box.top < innerHeight, location.href]";
    let opened = async || browser.js(there).await == json!([true, true, link]);
    browser.until("it does not open at the message of the link", opened).await;
    browser.inspect(&name("asked")).await;
    // a reply from a template
    browser.goto(&conversation).await;
    ready().await;
    if scripts {
        pick_by_keyboard(&browser, lang, &name).await;
    } else {
        browser.fill(lang.t("template"), "Result to discuss").await;
        browser.click_text(lang.t("template-use")).await;
        let filled = "return document.querySelector('textarea[name=body]').value.includes('María')";
        browser.until("it is not filled in", async || browser.js(filled).await == true).await;
        let seen = "const box = document.querySelector('#write').getBoundingClientRect(); return box.top < innerHeight && box.bottom > 0";
        assert_eq!(browser.js(seen).await, json!(true), "the form is in sight");
        browser.inspect(&name("filled")).await;
    }
    // with a copy of a chart item, which is chosen as in a new message
    browser.wait(".attach .add > summary").await.click().await.unwrap();
    browser.click_text(&lang.t1("browse-title", "patient", "María Mejía")).await;
    if scripts {
        browser.wait("dialog.chart-window .picks input").await;
        browser.inspect(&name("chart")).await;
        browser.js("document.querySelector('dialog.chart-window .picks input').focus()").await;
        browser.keys(&key(Key::Space)).await;
        browser.js("document.querySelector('dialog.chart-window button[name=select]').focus()").await;
        browser.keys(&key(Key::Enter)).await;
        browser.wait_gone("dialog.chart-window").await;
        browser.until_count("[data-chart-items] input:checked", 1).await;
        browser.js("document.querySelector('form[data-compose]').richText.replace('<p>All is well</p>')").await;
    } else {
        browser.wait("#picker input[name=chart_item]").await.click().await.unwrap();
        browser.inspect(&name("chart")).await;
        browser.js("document.querySelector('textarea[name=body]').value = 'All is well'").await;
    }
    browser.click_text(lang.t("send")).await;
    browser.wait_text(lang.t_of("notice", "message-sent")).await;
    browser.wait(".thread .msg:target .files").await;
    browser.inspect(&name("sent")).await;
}

/// The picker of New Message, by the keyboard: searched, filled in, asked before it replaces what is written.
async fn pick_by_keyboard(browser: &Browser, lang: Lang, name: &impl Fn(&str) -> String) {
    assert!(!browser.is_visible("#template").await, "what stands for the picker without script is gone");
    let open = async || {
        let press = "const one = document.querySelector('.write [data-open-templates]'); one.focus(); return document.activeElement === one";
        assert_eq!(browser.js(press).await, json!(true));
        browser.keys(&key(Key::Enter)).await;
        browser.wait("[data-template-picker] [role=option]").await;
    };
    // words that were typed before the editor was there, as on a slow line
    open().await;
    browser.fill(lang.t("template-search"), sought(lang.code())).await;
    browser.until_count("[data-template-picker] [role=option]", 1).await;
    browser.inspect(&name("picker")).await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait("#write .ed-text .unfilled").await;
    let focused = async || browser.js("return document.activeElement.matches('#write .ed-text')").await == true;
    browser.until("the editor has no focus", focused).await;
    let words = browser.js("return document.querySelector('#write .ed-text').textContent").await;
    assert!(words.as_str().unwrap().contains("María"), "{words}");
    // another one asks first; "no" leaves what is there
    for (answer, replaced) in [("js-replace_no", false), ("js-replace_yes", true)] {
        open().await;
        browser.fill(lang.t("template-search"), "").await;
        browser.keys(&key(Key::Down)).await;
        browser.keys(&key(Key::Enter)).await;
        browser.wait_text(lang.t("js-replace_title")).await;
        browser.click_text(lang.t(answer)).await;
        if !replaced {
            browser.keys(&key(Key::Escape)).await;
        }
        browser.wait_gone("[data-template-picker]").await;
        let now = "return document.querySelector('#write .ed-text').textContent";
        let is_other = async || (browser.js(now).await != words) == replaced;
        browser.until("the words are not as answered", is_other).await;
    }
    browser.inspect(&name("filled")).await;
    browser.dark().await;
    browser.inspect(&name("filled-dark")).await;
    browser.light().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talked_wide_in_english() {
    a_conversation_is_talked(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talked_on_a_phone_in_english() {
    a_conversation_is_talked(390, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talked_on_the_smallest_phone_in_french() {
    a_conversation_is_talked(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talked_without_javascript() {
    a_conversation_is_talked(390, "en", false).await;
}
