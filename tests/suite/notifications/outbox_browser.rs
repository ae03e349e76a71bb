//! Notifications in real Chromium by the keyboard: the plan of a message and its timeline, the Outbox, the emails to
//! staff, the parts of a text. Wide and on the smallest phone, in both languages, light and dark.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::users;
use postern::error::AppError;
use postern::patients::Method;
use postern::text::Lang;
use serde_json::json;

struct Desk {
    app: App,
    browser: Browser,
    patient: PatientId,
    lang: Lang,
    email: String,
    /// the beginning of the names of screenshots
    name: String,
}

fn key(key: Key) -> String {
    String::from(char::from(key))
}

/// An owner in the inbox, and a patient who is notified by both channels.
async fn desk(width: u32, code: &'static str) -> Option<Desk> {
    let app = App::start(On::Sqlite).await;
    app.user(Role::Owner).await;
    let patient = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    let email = write.await.unwrap();
    let browser = Browser::start_in(code, &app.origin).await?;
    browser.size(width).await;
    let lang = Lang::or_english(code);
    let desk = Desk { app, browser, patient, lang, email, name: format!("{width}-{code}") };
    desk.sign_in().await;
    Some(desk)
}

impl Desk {
    async fn sign_in(&self) {
        self.browser.goto("/sign-in").await;
        self.browser.fill(self.lang.t("email"), &self.email).await;
        self.browser.fill(self.lang.t("password"), PASSWORD).await;
        self.browser.keys(&key(Key::Enter)).await;
        self.browser.wait_path("/inbox").await;
    }

    async fn look(&self, what: &str) {
        self.browser.inspect(&format!("{what}-{}", self.name)).await;
    }

    /// Puts the focus on the one element of this selector that the keyboard can reach, and types.
    async fn at(&self, css: &str, keys: &str) {
        let script =
            format!("const e = document.querySelector({css:?}); e.focus(); return document.activeElement === e");
        assert_eq!(self.browser.js(&script).await, json!(true), "{css} takes no focus");
        self.browser.keys(keys).await;
    }

    async fn count(&self, css: &str) -> u64 {
        self.browser.js(&format!("return document.querySelectorAll({css:?}).length")).await.as_u64().unwrap()
    }
}

async fn a_plan_is_chosen_and_seen(width: u32, code: &'static str) {
    let Some(desk) = desk(width, code).await else { return };
    let (browser, lang) = (&desk.browser, desk.lang);
    browser.goto(&format!("/patients/{}/messages/new", desk.patient)).await;
    browser.wait("html[data-enhanced]").await;
    desk.at(".options-fold > summary", &key(Key::Enter)).await;
    browser.wait_text(lang.t("plan-legend")).await;
    // typing in a list picks the option that begins with the text
    let four = lang.t1("plan-text-after", "hours", 4_i64);
    desk.at("#plan_text_hours", &four).await;
    assert_eq!(browser.value(lang.t("plan-text")).await, four);
    desk.look("plan").await;
    browser.fill(lang.t("title"), "A").await;
    browser.wait(".ed-text").await;
    desk.at(".ed-text", "B").await;
    browser.click_text(lang.t("submit")).await;
    // the message says what comes next, and its history the rest
    browser.wait(".msg-foot .line").await;
    browser.wait("html[data-enhanced]").await;
    browser.wait_text(lang.t_of("plan-step", "text")).await;
    desk.at(".msg-foot details summary", &key(Key::Enter)).await;
    browser.wait(".timeline li").await;
    assert_eq!(desk.count(".timeline li.waiting").await, 3);
    browser.wait_text(lang.t_of("plan-step", "text")).await;
    desk.app.drain().await;
    desk.app.state.clock.advance(time::Duration::hours(5));
    desk.app.drain().await;
    // the session has ended by now
    desk.sign_in().await;
    browser.goto("/conversations/1").await;
    browser.wait("html[data-enhanced]").await;
    // every state of each channel, by the keyboard
    desk.at(".msg-foot details summary", &key(Key::Enter)).await;
    browser.wait(".msg-foot details[open]").await;
    browser.wait(".timeline li.done").await;
    assert_eq!(desk.count(".timeline li.waiting").await, 2);
    desk.look("timeline").await;
    browser.dark().await;
    desk.look("timeline-dark").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_wide_in_english() {
    a_plan_is_chosen_and_seen(1280, "en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_on_a_phone_in_french() {
    a_plan_is_chosen_and_seen(320, "fr").await;
}

async fn the_outbox_is_worked(width: u32, code: &'static str) {
    let Some(desk) = desk(width, code).await else { return };
    let (app, browser, lang) = (&desk.app, &desk.browser, desk.lang);
    // a notification that failed, one sent by each channel, a passcode, and one that waits
    let staff = app.user(Role::Staff).await;
    app.message(&staff, desk.patient, true).await;
    app.drain().await;
    app.anyone().post(&format!("{}/passcode", app.link_to("maria@example.org")), &[]).await.redirect();
    app.drain().await;
    let write = app.state.db.write(|tx| -> Result<(), AppError> {
        let row = postern::notifications::Ending {
            state: postern::notifications::State::Bounced,
            reason: Some(postern::delivery::Reason::MailboxFull),
        };
        postern::notifications::report(tx, postern::clock::Clock::system().now(), postern::db::NotificationId(1), row)?;
        Ok(())
    });
    write.await.unwrap();
    let ada = Like { name: ("Ada", "Ng"), email: Some("ada@example.org".into()), ..Like::default() };
    let ada = app.patient(ada).await;
    app.message(&staff, ada, true).await;

    browser.goto("/inbox?scope=all").await;
    browser.wait_text(lang.t("attention-tag")).await;
    desk.look("inbox").await;
    browser.goto("/outbox").await;
    browser.wait("table").await;
    assert_eq!(desk.count("tbody tr").await, 4);
    desk.look("outbox").await;
    // filtered by the keyboard: a list, then Enter in the search
    desk.at("#kind", lang.t_of("wording-kind", "passcode")).await;
    desk.at("#q", &format!("mej{}", char::from(Key::Enter))).await;
    browser.wait("tbody tr:only-child").await;
    assert_eq!(browser.value(lang.t("wording-kind")).await, lang.t_of("wording-kind", "passcode"));
    assert_eq!(desk.count("tbody form").await, 0);
    desk.look("outbox-passcode").await;
    // cancelled
    browser.goto("/outbox?state=queued").await;
    desk.at("tbody form button", &key(Key::Enter)).await;
    browser.wait_text(lang.t("notice-notification-cancelled")).await;
    // sent again
    browser.goto("/outbox?state=bounced").await;
    desk.at("tbody form button", &key(Key::Enter)).await;
    browser.wait_text(lang.t("notice-sent-again")).await;
    app.drain().await;
    // the table, as a file
    let folder = tempfile::tempdir().unwrap();
    let to = json!({"behavior": "allow", "downloadPath": folder.path()});
    browser.cdp("Page.setDownloadBehavior", to).await;
    browser.goto("/outbox?channel=sms").await;
    desk.at("a[href^='/outbox.csv']", &key(Key::Enter)).await;
    let file = folder.path().join("outbox.csv");
    let mut table = String::new();
    for _ in 0..100 {
        table = std::fs::read_to_string(&file).unwrap_or_default();
        if !table.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let shown = desk.count("tbody tr").await;
    assert_eq!(table.lines().count() as u64, 1 + shown, "{table}");
    // with the byte order mark, by which spreadsheets recognise UTF-8
    assert!(
        table.starts_with(&format!("\u{feff}{}", lang.t("when")))
            && table.contains(lang.t_of("wording-kind", "passcode")),
        "{table}"
    );
    browser.dark().await;
    browser.goto("/outbox").await;
    desk.look("outbox-dark").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outbox_wide_in_english() {
    the_outbox_is_worked(1280, "en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outbox_on_a_phone_in_french() {
    the_outbox_is_worked(320, "fr").await;
}

async fn staff_choose_and_count(width: u32, code: &'static str) {
    let Some(desk) = desk(width, code).await else { return };
    let (browser, lang) = (&desk.browser, desk.lang);
    browser.goto("/account/notifications").await;
    desk.at("input[name=told]:checked", "").await;
    let before = browser.js("return document.querySelector('input[name=told]:checked').value").await;
    browser.keys(&key(Key::Down)).await;
    let chosen = browser.js("return document.querySelector('input[name=told]:checked').value").await;
    assert_ne!(before, chosen);
    desk.look("account").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait(".notice, [role=status]").await;
    browser.goto("/account/notifications").await;
    let kept = browser.js("return document.querySelector('input[name=told]:checked').value").await;
    assert_eq!(kept, chosen);

    // the count of parts while a user types: one character more than a part holds makes two
    browser.goto(&format!("/settings/notification-templates/message_waiting/sms/{code}")).await;
    browser.wait("html[data-enhanced]").await;
    let body = lang.t("wording-body");
    browser.fill(body, "{link}").await;
    browser.wait_gone("#preview .alert").await;
    browser.fill(body, &format!("{} {{link}}", "a".repeat(160))).await;
    browser.wait_text(&lang.t1("parts-many", "parts", 2_i64)).await;
    desk.look("parts").await;
    browser.fill(body, &format!("{} {{link}}", "ж".repeat(70))).await;
    browser.wait_text("U+0436").await;
    desk.look("parts-forced").await;
    browser.goto("/settings/gateways").await;
    desk.look("gateways").await;
    browser.dark().await;
    desk.look("gateways-dark").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_wide_in_english() {
    staff_choose_and_count(1280, "en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_on_a_phone_in_french() {
    staff_choose_and_count(320, "fr").await;
}

/// A list is narrowed as something is chosen: the page stays, and with it the focus and what is being typed. Where that
/// fails, the form goes as without a script.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_narrowed_at_once() {
    let Some(desk) = desk(1280, "en").await else { return };
    let (app, browser, lang) = (&desk.app, &desk.browser, desk.lang);
    let staff = app.user(Role::Staff).await;
    app.message(&staff, desk.patient, true).await;
    let rows = async |path: &str| staff.get(path).await.ok().count("tbody tr") as u64;
    let (all, texts) = (rows("/outbox").await, rows("/outbox?channel=sms").await);
    assert!(0 < texts && texts < all, "{texts} of {all}");
    let open = async |path: &str| {
        browser.goto(path).await;
        browser.wait("html[data-enhanced]").await;
        browser.js("window.stayed = true").await;
    };
    let says = async |part: &str| {
        browser.until(&format!("{part} is not asked for"), async || browser.path().await.contains(part)).await;
    };
    open("/outbox").await;
    browser.wait("#q").await.send_keys("mej").await.unwrap();
    browser.fill(lang.t("channel"), lang.t_of("channel", "sms")).await;
    browser.until_count("tbody tr", texts).await;
    says("channel=sms").await;
    let there = "return [window.stayed, document.activeElement.id, document.querySelector('#q').value,
        document.querySelector('.counts a').href.includes('channel=sms'), document.querySelector('a[href*=csv]').href.includes('channel=sms')]";
    assert_eq!(browser.js(there).await, json!([true, "q", "mej", true, true]));
    desk.look("outbox-narrowed").await;
    browser.fill(lang.t("channel"), lang.t("outbox-any")).await;
    browser.until_count("tbody tr", all).await;

    open("/settings/audit-log").await;
    browser.fill(lang.t("audit-who"), "User staff").await;
    says("user=2").await;
    let others =
        "return [...document.querySelectorAll('td.user')].filter(one => one.textContent !== 'User staff').length";
    browser.until("others are shown", async || browser.js(others).await == 0).await;
    open("/patients").await;
    browser.fill(lang.t("with-archived"), "on").await;
    says("archived=1").await;
    assert_eq!(browser.js("return window.stayed").await, true);
    browser.assert_clean().await;

    open("/outbox").await;
    browser.js("window.fetch = () => Promise.reject(new TypeError('lost'))").await;
    browser.fill(lang.t("channel"), lang.t_of("channel", "sms")).await;
    says("channel=sms").await;
    browser.until_count("tbody tr", texts).await;
    assert_eq!(browser.js("return window.stayed ?? 'another page'").await, "another page");
}
