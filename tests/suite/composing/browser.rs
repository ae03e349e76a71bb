//! "New Message" in real Chromium: by keyboard, wide and narrow, in both languages; what the editor makes survives.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::{messages, users};
use postern::db::sealed::{Held, MessageHtml};
use postern::error::AppError;

pub struct Desk {
    pub app: App,
    pub browser: Browser,
    patient: PatientId,
}

/// An owner at the chart of a patient, and a colleague named "User clinician".
pub async fn desk(width: u32, language: &str) -> Option<Desk> {
    let app = App::start(On::Sqlite).await;
    app.user(Role::Owner).await;
    app.user(Role::Clinician).await;
    let patient = app.patient(Like::default()).await;
    let code = language.to_owned();
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    let email = write.await.unwrap();
    let browser = Browser::start_in(language, &app.origin).await?;
    browser.size(width).await;
    browser.goto("/sign-in").await;
    let words = if language == "fr" { ["Courriel", "Mot de passe"] } else { ["Email", "Password"] };
    browser.fill(words[0], &email).await;
    browser.fill(words[1], PASSWORD).await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait_path("/inbox").await;
    browser.goto(&format!("/patients/{patient}")).await;
    Some(Desk { app, browser, patient })
}

fn key(key: Key) -> String {
    String::from(char::from(key))
}

fn with(modifier: Key, keys: &str) -> String {
    format!("{}{keys}{}", char::from(modifier), char::from(Key::Null))
}

impl Desk {
    /// Opens "New Message" by the menu, with the keyboard alone.
    pub async fn open(&self) {
        self.browser.wait("html[data-enhanced]").await;
        self.browser.js("document.querySelector('details.menu summary').focus()").await;
        self.browser.keys(&key(Key::Enter)).await;
        self.browser.wait("details.menu[open] a[data-open-dialog]").await;
        self.browser.js("document.querySelector('a[data-open-dialog]').focus()").await;
        self.browser.keys(&key(Key::Enter)).await;
        self.browser.wait("dialog.window .ed-text").await;
    }

    async fn look(&self, name: &str) {
        self.browser.wait_still().await;
        if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
            self.browser.screenshot(format!("{folder}/{name}.png")).await;
        }
        self.browser.axe().await;
        self.browser.assert_clean().await;
    }

    async fn focus(&self, css: &str) {
        self.browser.js(&format!("document.querySelector({css:?}).focus()")).await;
    }

    /// Pastes HTML into the empty editor; gives what the editor made of it.
    pub async fn pasted(&self, html: &str) -> String {
        let paste = format!(
            "const editor = document.querySelector('#compose').richText
             editor.replace('<p></p>')
             const clipboardData = new DataTransfer()
             clipboardData.setData('text/html', {html:?})
             editor.dom.dispatchEvent(new ClipboardEvent('paste', {{clipboardData, bubbles: true, cancelable: true}}))
             return editor.html"
        );
        self.browser.js(&paste).await.as_str().unwrap().to_owned()
    }

    async fn last_body(&self) -> String {
        let read = self.app.state.db.read(|conn| -> Result<String, AppError> {
            let newest = messages::table.order(messages::id.desc());
            let (conversation, body): (i64, Held<MessageHtml>) =
                newest.select((messages::conversation_id, messages::body_html)).first(conn)?;
            Ok(body.of(conversation)?)
        });
        read.await.unwrap()
    }

    /// The id, class or tag name of the element that has the focus.
    async fn focused(&self) -> String {
        let name = "const e = document.activeElement; return e.id || e.className || e.tagName";
        self.browser.js(name).await.as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_by_the_keyboard_alone() {
    for (width, name) in [(1280, "wide"), (360, "narrow")] {
        let Some(desk) = desk(width, "en").await else { return };
        let browser = &desk.browser;
        desk.open().await;
        desk.look(&format!("compose-{name}")).await;
        assert_eq!(desk.focused().await, "to-input");
        // the participants
        browser.keys("clin").await;
        browser.wait("[role=option]").await;
        desk.look(&format!("compose-{name}-people")).await;
        browser.keys(&key(Key::Enter)).await;
        browser.wait_text("User clinician").await;
        browser.keys(&key(Key::Backspace)).await;
        browser.wait_gone(".chip:not(.fixed)").await;
        assert!(browser.text().await.contains("María Mejía"), "the patient's chip stays");
        browser.keys("clinic.example").await;
        browser.wait("[role=option]").await;
        browser.keys(&key(Key::Enter)).await;
        // from the title to the text, Tab stops once in the toolbar
        browser.keys(&key(Key::Tab)).await;
        assert_eq!(desk.focused().await, "title");
        browser.keys("Your iron").await;
        browser.keys(&key(Key::Tab)).await;
        assert!(desk.focused().await.contains("ed-btn"), "{}", desk.focused().await);
        browser.keys(&key(Key::Right)).await;
        browser.keys(&key(Key::Tab)).await;
        assert_eq!(desk.focused().await, "body-rich");
        // the text: bold, a link, and a gap that is not filled in
        browser.keys(&with(Key::Control, "b")).await;
        browser.keys("bold").await;
        browser.keys(&with(Key::Control, "b")).await;
        browser.keys(" and www.example.org").await;
        browser.keys(&key(Key::Enter)).await;
        browser.keys("{{a gap}}").await;
        desk.focus("#compose .btn.primary").await;
        browser.keys(&key(Key::Enter)).await;
        browser.wait_text("Fill in or remove what is marked: {{a gap}}").await;
        desk.look(&format!("compose-{name}-gap")).await;
        for _ in 0.."{{a gap}}".len() {
            browser.keys(&key(Key::Backspace)).await;
        }
        browser.keys("done").await;
        desk.focus("#compose .btn.primary").await;
        browser.keys(&key(Key::Enter)).await;
        browser.wait_text("Your message is in the conversation").await;
        desk.look(&format!("compose-{name}-sent")).await;
        let body = desk.last_body().await;
        assert!(body.starts_with("<p><strong>bold</strong> and <a href=\"https://www.example.org"), "{body}");
        assert!(body.ends_with("<p>done</p>"), "{body}");
        assert!(browser.text().await.contains("User clinician"));
        desk.app.drain().await;
    }
}

/// "New Message" fits a laptop: To and Title take a line each, the text what is left, and the foot with "Submit" stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_fits() {
    let Some(desk) = desk(1280, "en").await else { return };
    let browser = &desk.browser;
    for (width, height, text) in [(1280, 720, 190), (390, 844, 120), (320, 568, 90)] {
        browser.size(width).await;
        let metrics = serde_json::json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        browser.reload().await;
        desk.open().await;
        desk.look(&format!("new-message-fits-{width}")).await;
        let sizes = browser
            .js("const of = css => document.querySelector(`dialog.window ${css}`).getBoundingClientRect()
                 const content = document.querySelector('.window-content')
                 return {submit: of('.compose-foot .btn.primary').bottom, text: of('.ed-text').height, bar: of('.ed-bar').height,
                   to: of('.field:has(> #to)').height, title: of('.field:has(> #title)').height,
                   wide: content.scrollWidth - content.clientWidth, page: document.documentElement.scrollWidth - document.documentElement.clientWidth}")
            .await;
        let size = |name: &str| sizes[name].as_f64().unwrap();
        assert!(size("submit") <= f64::from(height), "{width}: {sizes}");
        assert!(size("text") >= f64::from(text), "{width}: {sizes}");
        assert!(size("to") <= 60.0 && size("title") <= 60.0, "{width}: a line each: {sizes}");
        assert!(size("wide") <= 0.0 && size("page") <= 0.0, "{width}: {sizes}");
    }
    // what is chosen in the fold is said on it
    browser.js("document.querySelector('.options-fold').open = true").await;
    browser.js("document.querySelector('[name=offer][value=call_me]').click()").await;
    let said = browser.js("return document.querySelector('.options-fold [data-chosen]').textContent").await;
    assert!(said.as_str().unwrap().contains("Please call me"), "{said}");
}

/// What every button of the toolbar makes is stored as it is, and comes back the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_editor_makes_survives() {
    let Some(desk) = desk(1280, "en").await else { return };
    let browser = &desk.browser;
    let everything = "<h3>Heading</h3><p class=\"align-center\">a <strong>b</strong> <em>i</em> <u>u</u> <s>s</s> 10<sup>9</sup> H<sub>2</sub></p>\
        <p class=\"align-right\">right</p><p class=\"align-justify\">justified</p>\
        <ul><li><p>one</p><ul><li><p>deeper</p></li></ul></li></ul><ol><li><p>first</p></li><li value=\"9\"><p>ninth</p></li></ol>\
        <ol start=\"3\"><li><p>third</p></li></ol><blockquote><p>quoted</p></blockquote>\
        <p><a href=\"https://www.example.org/\">link</a> <a href=\"mailto:a@b.example\">mail</a></p>\
        <table><tbody><tr><th><p>H</p></th><th><p>I</p></th></tr><tr><td><p>1</p></td><td><p>2</p></td></tr></tbody></table><p>end</p>";
    desk.open().await;
    browser.fill("Title", "Everything").await;
    browser.js(&format!("document.querySelector('#compose').richText.replace({everything:?})")).await;
    let made = browser.js("return document.querySelector('#compose').richText.html").await;
    desk.look("compose-everything").await;
    desk.focus("#compose .btn.primary").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait_text("Your message is in the conversation").await;
    let stored = desk.last_body().await;
    assert_eq!(stored, made.as_str().unwrap());
    for feature in [
        "<h3>",
        "align-center",
        "align-right",
        "align-justify",
        "<strong>",
        "<em>",
        "<u>",
        "<s>",
        "<sup>9</sup>",
        "<sub>2</sub>",
        "start=\"3\"",
        "<li value=\"9\">",
        "<blockquote>",
        "<th>",
        "mailto:",
    ] {
        assert!(stored.contains(feature), "{feature} in {stored}");
    }
    browser.assert_clean().await;
    desk.app.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_button_does_what_it_says() {
    let Some(desk) = desk(1280, "en").await else { return };
    let browser = &desk.browser;
    desk.open().await;
    let html = async || {
        let html = browser.js("return document.querySelector('#compose').richText.html").await;
        html.as_str().unwrap().to_owned()
    };
    let fresh = async |text: &str| {
        browser.js("document.querySelector('#compose').richText.replace('<p></p>')").await;
        desk.focus("#body-rich").await;
        browser.keys(text).await;
    };
    for (button, made) in [
        ("Heading", "<h3>x</h3>"),
        ("Bulleted list", "<ul><li><p>x</p></li></ul>"),
        ("Numbered list", "<ol><li><p>x</p></li></ol>"),
        ("Quote", "<blockquote><p>x</p></blockquote>"),
        ("Centre", "<p class=\"align-center\">x</p>"),
        ("Align right", "<p class=\"align-right\">x</p>"),
        ("Justify", "<p class=\"align-justify\">x</p>"),
    ] {
        fresh("x").await;
        browser.click_text(button).await;
        assert!(html().await.starts_with(made), "{button}: {}", html().await);
        let pressed =
            format!("return document.querySelector('.ed-btn[aria-label^={button:?}]').getAttribute('aria-pressed')");
        assert_eq!(browser.js(&pressed).await, "true", "{button}");
        browser.click_text("Undo").await;
        assert!(!html().await.starts_with(made), "{button} undone");
        browser.click_text("Redo").await;
        assert!(html().await.starts_with(made), "{button} redone");
    }
    for (button, made) in [
        ("Bold", "<strong>x</strong>"),
        ("Italic", "<em>x</em>"),
        ("Underline", "<u>x</u>"),
        ("Strikethrough", "<s>x</s>"),
        ("Superscript", "<sup>x</sup>"),
        ("Subscript", "<sub>x</sub>"),
    ] {
        fresh("x").await;
        browser.keys(&with(Key::Control, "a")).await;
        browser.click_text(button).await;
        assert!(html().await.contains(made), "{button}: {}", html().await);
    }
    // indent and outdent in a list
    fresh("- a").await;
    browser.keys(&key(Key::Enter)).await;
    browser.keys("b").await;
    browser.click_text("Indent").await;
    assert!(html().await.contains("<ul><li><p>a</p><ul><li><p>b</p></li></ul></li></ul>"), "{}", html().await);
    browser.click_text("Outdent").await;
    assert!(html().await.contains("<li><p>b</p></li></ul>"), "{}", html().await);
    // a table by its size, one more row and column, and its removal
    fresh("").await;
    browser.click_text("Table").await;
    browser.wait("dialog.small").await;
    desk.look("compose-table-dialog").await;
    browser.fill("Rows", "2").await;
    browser.fill("Columns", "2").await;
    browser.click_text("Insert table").await;
    browser.wait(".ed-text table").await;
    let cells = async || html().await.matches("</td>").count() + html().await.matches("</th>").count();
    assert_eq!(cells().await, 4);
    for (item, count) in [("Row below", 6), ("Column after", 9), ("Delete column", 6), ("Delete row", 4)] {
        browser.click_text("Table: rows and columns").await;
        browser.click_text(item).await;
        assert_eq!(cells().await, count, "{item}: {}", html().await);
    }
    browser.click_text("Table: rows and columns").await;
    desk.look("compose-table-menu").await;
    browser.click_text("Delete table").await;
    assert_eq!(cells().await, 0);
    // a link by the dialog
    fresh("see this").await;
    browser.keys(&with(Key::Control, "a")).await;
    browser.click_text("Link").await;
    browser.wait("dialog.small").await;
    browser.fill("Address", "example.org/a").await;
    browser.click_text("Add link").await;
    browser.wait(".ed-text a").await;
    assert!(html().await.contains("href=\"https://example.org/a\""), "{}", html().await);
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn escape_asks_and_the_draft_comes_back() {
    let Some(desk) = desk(1280, "en").await else { return };
    let browser = &desk.browser;
    desk.open().await;
    // nothing was typed, so closing asks nothing
    browser.keys(&key(Key::Escape)).await;
    browser.wait_gone("dialog").await;
    assert!(desk.focused().await.contains("btn primary") || desk.focused().await == "A", "focus is given back");
    desk.open().await;
    browser.fill("Title", "Kept").await;
    desk.focus("#body-rich").await;
    browser.keys("Typed text").await;
    browser.wait_text("Draft saved").await;
    browser.keys(&key(Key::Escape)).await;
    browser.wait_text("Save this draft?").await;
    desk.look("compose-stop").await;
    browser.click_text("Keep editing").await;
    assert_eq!(desk.focused().await, "body-rich");
    browser.keys(" and more").await;
    browser.keys(&key(Key::Escape)).await;
    browser.click_text("Keep draft").await;
    browser.wait_gone("dialog").await;
    // the draft is on the server, so another browser would show the same
    browser.goto("/inbox").await;
    browser.goto(&format!("/patients/{}", desk.patient)).await;
    browser.wait_text("Continue your draft to this patient").await;
    desk.open().await;
    browser.wait_text("Your draft from").await;
    assert_eq!(browser.value("Title").await, "Kept");
    browser.wait_text("Typed text and more").await;
    desk.look("compose-draft").await;
    browser.click_text("Discard draft").await;
    browser.wait_gone("dialog .alert.info").await;
    assert_eq!(browser.value("Title").await, "");
    browser.keys(&key(Key::Escape)).await;
    browser.wait_gone("dialog").await;
    browser.goto("/inbox").await;
    browser.goto(&format!("/patients/{}", desk.patient)).await;
    assert!(!browser.text().await.contains("Continue your draft"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_is_picked() {
    for (language, words) in [
        ("en", ["Template", "Search templates", "prescription ready", "Replace what you have written?", "Replace"]),
        ("fr", ["Modèle", "Chercher un modèle", "ordonnance prete", "Remplacer ce que vous avez écrit?", "Remplacer"]),
    ] {
        let Some(desk) = desk(1280, language).await else { return };
        let browser = &desk.browser;
        desk.open().await;
        desk.look(&format!("compose-{language}")).await;
        browser.click_text(words[0]).await;
        browser.wait("[data-template-picker] [role=option]").await;
        browser.fill(words[1], words[2]).await;
        browser.until_count("[data-template-picker] [role=option]", 1).await;
        desk.look(&format!("compose-picker-{language}")).await;
        browser.keys(&key(Key::Enter)).await;
        browser.wait(".ed-text .unfilled").await;
        assert!(browser.text().await.contains("María"), "the patient's name is filled in");
        assert!(
            !browser.js("return document.querySelector('[name=replies_allowed]').checked").await.as_bool().unwrap()
        );
        // a second template asks first
        browser.click_text(words[0]).await;
        browser.wait("[data-template-picker] [role=option]").await;
        browser.fill(words[1], "").await;
        browser.keys(&key(Key::Down)).await;
        browser.keys(&key(Key::Enter)).await;
        browser.wait_text(words[3]).await;
        desk.look(&format!("compose-replace-{language}")).await;
        browser.click_text(words[4]).await;
        browser.wait(".ed-text .unfilled").await;
        browser.assert_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_alert_repairs_in_the_dialog() {
    let Some(desk) = desk(360, "en").await else { return };
    let patient = desk.app.patient(Like { email: None, phone: None, portal_access: false, ..Like::default() }).await;
    let browser = &desk.browser;
    browser.goto(&format!("/patients/{patient}")).await;
    browser.wait("html[data-enhanced]").await;
    browser.js("document.querySelector('details.menu summary').focus()").await;
    browser.keys(&key(Key::Enter)).await;
    browser.click_text("Message Patient").await;
    browser.wait_text("cannot be sent a message yet").await;
    desk.look("compose-alert").await;
    let email = async |text| {
        let field = browser.wait("#email").await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    };
    email("nonsense").await;
    browser.js("document.querySelector('form[action$=repair]').noValidate = true").await;
    browser.click_text("Save and go on").await;
    browser.wait_text("There is a problem").await;
    desk.look("compose-alert-error").await;
    email("new@example.org").await;
    browser.js("document.querySelector('[name=portal_access][value=on]').click()").await;
    browser.click_text("Save and go on").await;
    browser.wait("dialog.window .ed-text").await;
    browser.wait_text("link and passcode by email to n…@example.org").await;
    assert_eq!(browser.path().await, format!("/patients/{patient}"), "still over the chart");
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_no_road_is_written_to_all_the_same() {
    let Some(desk) = desk(320, "fr").await else { return };
    let owner = desk.app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("letter_days", "5")]).await.redirect();
    let patient = desk.app.patient(Like { email: None, phone: None, ..Like::default() }).await;
    let (browser, lang) = (&desk.browser, postern::text::Lang::or_english("fr"));
    browser.goto(&format!("/patients/{patient}/messages/new")).await;
    browser.wait_text(lang.t("rungs-write")).await;
    browser.inspect("rungs-alert-320-fr").await;
    browser.click_text(lang.t("rungs-write")).await;
    browser.wait("#compose").await;
    browser.wait_text(lang.t("rungs-letter")).await;
    browser.inspect("rungs-message-320-fr").await;
}

/// Opening the dialog takes one request for the fragment, and the pages stay below their limits of size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialog_is_one_request_and_the_pages_are_light() {
    let Some(desk) = desk(1280, "en").await else { return };
    let browser = &desk.browser;
    let weight = "return performance.getEntriesByType('resource').filter(r => r.name.includes('/assets/'))
        .reduce((sum, r) => sum + r.encodedBodySize, 0)";
    // what a page fetches after it is shown counts too
    browser.wait("html[data-enhanced]").await;
    let chart = browser.js(weight).await.as_u64().unwrap();
    assert!(chart > 1_000 && chart <= 20_000, "the chart's scripts and styles: {chart} bytes");
    browser.js("performance.clearResourceTimings()").await;
    desk.open().await;
    let asked = browser
        .js("return performance.getEntriesByType('resource').filter(r => !r.name.includes('/assets/')).map(r => r.name)")
        .await;
    assert_eq!(asked.as_array().unwrap().len(), 1, "{asked}");
    browser.goto(&format!("/patients/{}/messages/new", desk.patient)).await;
    browser.wait(".ed-text").await;
    let all = browser.js(weight).await.as_u64().unwrap();
    assert!(all <= 150_000, "New Message's scripts and styles: {all} bytes");
    for path in ["/inbox", "/outbox", "/patients", "/settings/message-templates", "/settings/clinic"] {
        browser.goto(path).await;
        browser.wait("html[data-enhanced]").await;
        let page = browser.js(weight).await.as_u64().unwrap();
        assert!(page <= 20_000, "{path}: {page} bytes");
    }
}

/// Before a session ends the page says so: one press extends it; where it ends in any case, the page says that nothing
/// typed is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_users_session_is_told_before() {
    for (language, more, over) in [
        ("en", "Give me more time", "You were signed out"),
        ("fr", "Donnez-moi plus de temps", "Votre session a pris fin"),
    ] {
        let Some(desk) = desk(390, language).await else { return };
        desk.browser.wait("html[data-enhanced]").await;
        let warn = |seconds: u32| {
            format!(
                "const dialog = document.querySelector('dialog[data-session-warning]'); dialog.dataset.expiresIn = {seconds}; \
                 return import(document.querySelector('script[type=module]').src.replace(/clinic.js/, 'session-warning.js'))\
                 .then(m => m.default(dialog))"
            )
        };
        desk.browser.js(&warn(100)).await;
        desk.browser.wait("dialog[data-session-warning][open]").await;
        desk.look(&format!("session-warning-{language}")).await;
        desk.browser.js("document.querySelector('dialog[open] [data-stay]').focus()").await;
        assert!(desk.browser.js("return document.activeElement.textContent").await.as_str().unwrap().contains(more));
        desk.browser.keys(&key(Key::Enter)).await;
        desk.browser.wait_gone("dialog[data-session-warning][open]").await;
        desk.browser.js(&warn(1)).await;
        desk.browser.wait_text(over).await;
        desk.look(&format!("session-over-{language}")).await;
    }
}
