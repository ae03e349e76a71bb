//! The patient's pages in real Chromium at 320 px: every way to sign in and every state, in both languages, with
//! JavaScript and without, by the keyboard alone; what assistive technology is told; what a mail scanner does.

use crate::support::app::{Actor, App, On};
use crate::support::browser::{Browser, Key};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::conversations;
use postern::db::{PatientId, Ts};
use postern::error::AppError;
use std::path::PathBuf;
use time::Duration;

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";
/// The width of the narrowest phone; also that of a window of 1280 px at 400 % (WCAG 2.2, 1.4.10).
const NARROW: u32 = 320;

/// A clinic with a patient to whom three messages went, and the patient's phone.
struct Phone {
    app: App,
    staff: Actor,
    patient: PatientId,
    browser: Browser,
    language: &'static str,
    scripts: bool,
}

const TABLE: &str = "| Test | Result | Reference range | Comment |\n|---|---|---|---|\n| Haemoglobin A1c | 7.2 % | below 7.0 % | a little above |\n";

async fn phone(language: &'static str, scripts: bool) -> Option<Phone> {
    let app = App::start(On::Sqlite).await;
    let staff = app.user(Role::Owner).await;
    let settings = staff.get("/settings/clinic").await.ok();
    staff.submit(&settings, "Save", &[("name", "Riverside Family Clinic"), ("phone", "613-555-0100")]).await.redirect();
    let patient = app.patient(Like { language, ..Like::default() }).await;
    for (n, (title, body, replies)) in [
        ("Closed", "This one is closed.", "on"),
        ("Your results are in", TABLE, "on"),
        ("Opening hours", "We are closed on Friday.", "off"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("0123456789abcdef-{n}");
        let form = [
            ("key", key.as_str()),
            ("title", title),
            ("body", body),
            (if replies == "on" { "replies_allowed" } else { "no_replies" }, "on"),
            ("offer", "read"),
            ("offer", "understood"),
            ("offer", "call_me"),
        ];
        let to = staff.post(&format!("/patients/{patient}/messages/new"), &form).await.redirect();
        if title == "Closed" {
            let conversation = to.split('?').next().unwrap();
            staff.post(&format!("{conversation}/closure"), &[]).await.redirect();
        }
        // each notification is sent before the next message is written, so that the newest mail is the last one's
        app.drain().await;
        app.state.clock.advance(Duration::minutes(1));
    }
    let browser = Browser::start_in(language, &app.origin).await?;
    browser.size(NARROW).await;
    // the French pages in the dark, so that axe sees both sets of colours on every page
    if language == "fr" {
        browser.dark().await;
    }
    if !scripts {
        browser.without_javascript().await;
    }
    Some(Phone { app, staff, patient, browser, language, scripts })
}

impl Phone {
    fn words<'w>(&self, english: &'w str, french: &'w str) -> &'w str {
        if self.language == "fr" { french } else { english }
    }

    /// Asserts what holds on every page: no violation of axe, no sideways scrolling, nothing too small for a thumb, and
    /// the declared language.
    async fn look(&self, name: &str) {
        let name = format!("portal-{}{}-{name}", self.language, if self.scripts { "" } else { "-plain" });
        if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
            self.browser.screenshot(format!("{folder}/{name}.png")).await;
        }
        self.browser.axe().await;
        self.browser.assert_clean().await;
        assert_eq!(self.browser.js("return document.documentElement.lang").await, self.language, "{name}");
        let wide = self.browser.js("return document.documentElement.scrollWidth").await;
        assert!(wide.as_u64().unwrap() <= u64::from(NARROW), "{name} scrolls sideways: {wide}");
        let small = self.browser.js(TOO_SMALL).await;
        assert_eq!(small, serde_json::json!([]), "{name}: targets below 44 px");
    }

    async fn link(&self) -> String {
        self.app.link_to(EMAIL)
    }

    /// Types passcode and date of birth, and sends them.
    async fn prove(&self, passcode: &str, year: &str) {
        self.browser.fill(self.words("Passcode", "Code d’accès"), passcode).await;
        self.browser.fill(self.words("Day", "Jour"), "4").await;
        self.browser.fill(self.words("Month", "Mois"), "3").await;
        self.browser.fill(self.words("Year", "Année"), year).await;
        self.browser.click_text(self.words("Login", "Se connecter")).await;
    }
}

/// Gives the controls that are smaller than 44 by 44 px, except links within text (WCAG 2.2, 2.5.5); a box counts with
/// its label.
const TOO_SMALL: &str =
    "return [...document.querySelectorAll('button, select, textarea, input:not([type=hidden]), nav a, a.btn, a.item')]
  .filter(e => e.checkVisibility() && !e.closest('dialog:not([open])'))
  .map(e => [e, (e.matches('[type=checkbox], [type=radio]') ? e.closest('label') : e).getBoundingClientRect()])
  .filter(([, box]) => box.height < 43.5 || box.width < 43.5)
  .map(([e, box]) => `${e.outerHTML.slice(0, 80)}: ${box.width} x ${box.height}`)";

/// Looks at every page and every state, in the order in which a patient meets them.
async fn every_state(language: &'static str, scripts: bool) {
    let Some(phone) = phone(language, scripts).await else { return };
    let (browser, app) = (&phone.browser, &phone.app);
    let send = phone.words("Send me my passcode", "M’envoyer mon code d’accès");
    // signing in without a link
    browser.goto("/portal").await;
    phone.look("home").await;
    browser.js("for (const e of document.querySelectorAll('[required]')) e.required = false").await;
    browser.click_text(send).await;
    browser.wait(".error-summary").await;
    phone.look("home-wrong").await;
    browser.fill(phone.words("Health number", "Numéro d’assurance maladie"), "943 476 5919").await;
    browser.fill(phone.words("Email or cellphone", "Courriel ou cellulaire"), "nobody@example.org").await;
    browser.click_text(send).await;
    browser.wait("#passcode").await;
    phone.look("claim").await;
    browser.goto("/portal/real").await;
    phone.look("real").await;
    // signing in by a link
    let link = phone.link().await;
    browser.goto(&link).await;
    phone.look("link").await;
    browser.click_text(send).await;
    browser.wait("#passcode").await;
    app.drain().await;
    browser.goto(&link).await;
    phone.look("passcode").await;
    phone.prove("000000", "1951").await;
    browser.wait(".error-summary").await;
    phone.look("no-match").await;
    phone.prove(&app.passcode_to(PHONE), "1951").await;
    // replies are off here, but answers with one tap are offered
    browser.wait(".taps").await;
    phone.look("replies-off").await;
    browser.click_text(phone.words("I understand", "Je comprends")).await;
    browser.wait(".flash").await;
    phone.look("answered").await;
    browser.goto("/portal/messages").await;
    browser.until_count("ul.list > li", 3).await;
    phone.look("messages").await;
    browser.goto("/portal/messages/2").await;
    browser.wait("table").await;
    phone.look("message").await;
    browser.fill(phone.words("Reply", "Répondre"), "Thank you, I will come.").await;
    browser.click_text(phone.words("Send", "Envoyer")).await;
    browser.wait(".msg.mine").await;
    phone.look("sent").await;
    browser.goto("/portal/messages/1").await;
    browser.wait_text(phone.words("was closed by", "a été fermée par")).await;
    phone.look("closed").await;
    for page in ["/portal/information", "/portal/information/views"] {
        browser.goto(page).await;
        phone.look(page.rsplit('/').next().unwrap()).await;
    }
    browser.goto("/portal/messages/99").await;
    browser.wait_text(phone.words("This conversation is not here", "Cette conversation n’est pas ici")).await;
    phone.look("gone").await;
    // a reply from a page that was loaded before the conversation was closed
    browser.goto("/portal/messages/2").await;
    browser.fill(phone.words("Reply", "Répondre"), "One more thing").await;
    phone.staff.post("/conversations/2/closure", &[]).await.redirect();
    browser.click_text(phone.words("Send", "Envoyer")).await;
    browser.wait("#kept").await;
    phone.look("too-late").await;
    // the portal is turned off
    let settings = phone.staff.get("/settings/patient-portal").await.ok();
    phone.staff.submit(&settings, "Save", &[("portal_on", "off")]).await.redirect();
    for (page, name) in [("/portal/messages", "off-messages"), ("/portal/messages/2", "off-message")] {
        browser.goto(page).await;
        browser.wait(".alert").await;
        phone.look(name).await;
    }
    browser.click_text(phone.words("Logout", "Se déconnecter")).await;
    browser.wait_text("613-555-0100").await;
    phone.look("off-home").await;
    browser.goto(&link).await;
    phone.look("link-over").await;
    // turned on again; then wrong passcodes too often
    let settings = phone.staff.get("/settings/patient-portal").await.ok();
    phone.staff.submit(&settings, "Save", &[("portal_on", "on")]).await.redirect();
    app.state.clock.advance(Duration::minutes(1));
    let guesser = app.anyone();
    guesser.post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
    for _ in 0..6 {
        let guess = [("passcode", "1"), ("day", "4"), ("month", "3"), ("year", "1951")];
        guesser.post(&format!("{link}/session"), &guess).await;
    }
    browser.goto(&link).await;
    browser.wait(".error-summary").await;
    phone.look("locked").await;
    browser.goto("/portal/nowhere").await;
    phone.look("not-found").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_in_english() {
    every_state("en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_in_french() {
    every_state("fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_without_javascript() {
    every_state("en", false).await;
}

fn key(key: Key) -> String {
    String::from(char::from(key))
}

impl Phone {
    /// Tabs until the focus is on an element of this selector; it must be visible there.
    async fn tab_to(&self, css: &str) {
        for _ in 0..40 {
            self.browser.keys(&key(Key::Tab)).await;
            let seen = "const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e)
                return [e.matches(arguments0), r.height > 0, s.outlineStyle !== 'none' || s.boxShadow !== 'none']";
            let seen = self.browser.js(&seen.replace("arguments0", &format!("{css:?}"))).await;
            if seen[0] == true {
                assert_eq!((&seen[1], &seen[2]), (&true.into(), &true.into()), "{css} does not show its focus");
                return;
            }
        }
        panic!("the keyboard does not reach {css}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_keyboard_alone() {
    let Some(phone) = phone("en", true).await else { return };
    let browser = &phone.browser;
    browser.goto(&phone.link().await).await;
    phone.tab_to("form[action$=passcode] button").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait("#passcode").await;
    phone.app.drain().await;
    phone.tab_to("#passcode").await;
    browser.keys(&phone.app.passcode_to(PHONE)).await;
    for typed in ["4", "3", "1951"] {
        browser.keys(&key(Key::Tab)).await;
        browser.keys(typed).await;
    }
    browser.keys(&key(Key::Enter)).await;
    browser.wait(".taps").await;
    phone.tab_to(".taps button").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait_text("You answered: I have read it").await;
    phone.tab_to("nav a").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait_path("/portal/messages").await;
    phone.tab_to("a[href$='/2']").await;
    browser.keys(&key(Key::Enter)).await;
    // a table that is wider than the page can be scrolled by the keyboard
    phone.tab_to("textarea").await;
    browser.keys("All clear").await;
    phone.tab_to("form.reply button").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait_text("Your reply was sent.").await;
    phone.tab_to("form[action='/portal/logout'] button").await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait_text("You are logged out.").await;
}

impl Phone {
    async fn log_in(&self) {
        let link = self.link().await;
        self.browser.goto(&link).await;
        self.browser.click_text(self.words("Send me my passcode", "M’envoyer mon code d’accès")).await;
        self.browser.wait("#passcode").await;
        self.app.drain().await;
        self.prove(&self.app.passcode_to(PHONE), "1951").await;
        self.browser.wait(".thread").await;
    }
}

/// What is no date is said while one types, and costs no request; what was sent has the focus, and says when.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_and_sending_are_answered_on_the_spot() {
    let Some(phone) = phone("en", true).await else { return };
    let browser = &phone.browser;
    browser.goto(&phone.link().await).await;
    browser.click_text("Send me my passcode").await;
    browser.wait("#passcode").await;
    browser.wait_text("to …21").await;
    for (day, month) in [("31", "Feb"), ("4", "Smarch"), ("0", "3")] {
        for (label, typed) in [("Day", day), ("Month", month), ("Year", "1951")] {
            browser.fill(label, typed).await;
        }
        browser.wait_text("This is not a date. Check the day, month and year.").await;
    }
    phone.look("no-date").await;
    for (day, month) in [("4", "mars"), ("March", "4"), ("4", "MARCH")] {
        browser.fill("Day", day).await;
        browser.fill("Month", month).await;
        browser.wait_gone("[data-no-date]:not(:empty)").await;
    }
    phone.app.drain().await;
    browser.fill("Passcode", &phone.app.passcode_to(PHONE)).await;
    browser.click_text("Login").await;
    browser.wait(".thread").await;
    browser.goto("/portal/messages/2").await;
    browser.fill("Reply", "Thank you, I will come.").await;
    browser.click_text("Send").await;
    let focus = "return document.activeElement.matches('.msg.mine')";
    browser.until("what was sent has no focus", async || browser.js(focus).await == true).await;
    browser.wait_text("Sent 9:").await;
    // on paper: whose it is, and no button
    browser.cdp("Emulation.setEmulatedMedia", serde_json::json!({"media": "print"})).await;
    let printed = browser.text().await;
    assert!(printed.contains("María Mejía") && printed.contains("613-555-0100"), "{printed}");
    assert!(!printed.contains("Logout") && !printed.contains("Print"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_session_is_told_before() {
    let Some(phone) = phone("en", true).await else { return };
    let browser = &phone.browser;
    phone.log_in().await;
    browser.goto("/portal/messages/2").await;
    browser.fill("Reply", "I am still wri").await;
    browser.wait_text("Kept at").await;
    // the page is made to believe that the session has two minutes left
    browser.js("document.querySelector('dialog').dataset.expiresIn = 100").await;
    browser.js("return import(document.querySelector('script[type=module]').src.replace(/portal.js/, 'session-warning.js')).then(m => m.default(document.querySelector('dialog')))").await;
    browser.wait("dialog[open]").await;
    phone.look("warning").await;
    browser.click_text("Give me more time").await;
    browser.wait_gone("dialog[open]").await;
    // where the session ends in any case, the dialog says so
    browser.js("document.querySelector('dialog').dataset.expiresIn = 1").await;
    browser.js("return import(document.querySelector('script[type=module]').src.replace(/portal.js/, 'session-warning.js')).then(m => m.default(document.querySelector('dialog')))").await;
    browser.wait_text("You were logged out").await;
    phone.look("ended").await;
    phone.app.state.clock.advance(Duration::minutes(31));
    browser.click_text("Log in again").await;
    browser.wait_path("/portal?back=/portal/messages/2").await;
    browser.fill("Health number", "9434765919").await;
    browser.fill("Email or cellphone", EMAIL).await;
    browser.click_text("Send me my passcode").await;
    browser.wait("#passcode").await;
    phone.app.drain().await;
    phone.prove(&phone.app.passcode_to(EMAIL), "1951").await;
    browser.wait_path("/portal/messages/2").await;
    assert_eq!(browser.value("Reply").await, "I am still wri");
    // nothing is stored in the browser
    let stored = browser.js("return [localStorage.length, sessionStorage.length, document.cookie]").await;
    assert_eq!(stored, serde_json::json!([0, 0, ""]));
}

/// What assistive technology is told of a page: role, name and state of each element, one on each line.
async fn tree(browser: &Browser) -> String {
    let nodes = browser.cdp("Accessibility.getFullAXTree", serde_json::json!({})).await;
    let nodes = nodes["nodes"].as_array().unwrap().clone();
    let find = |id: &serde_json::Value| nodes.iter().find(|node| node["nodeId"] == *id);
    let mut lines = String::new();
    let mut waiting = vec![(nodes[0].clone(), 0)];
    while let Some((node, depth)) = waiting.pop() {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let quiet = node["ignored"] == true
            || ["generic", "none", "InlineTextBox", "StaticText", "RootWebArea", "LineBreak"].contains(&role);
        let name = node["name"]["value"].as_str().unwrap_or_default().trim();
        let text = role == "StaticText" && !name.is_empty() && depth > 0;
        if !quiet || text {
            let states = node["properties"].as_array().into_iter().flatten().filter_map(|p| {
                let (name, value) = (p["name"].as_str()?, &p["value"]["value"]);
                let told = ["level", "required", "invalid", "checked", "expanded", "disabled"].contains(&name)
                    && *value != false
                    && *value != "false";
                told.then(|| format!(" {name}={}", value.to_string().trim_matches('"')))
            });
            let states: String = states.collect();
            lines.push_str(&format!("{}{role} \"{name}\"{states}\n", "  ".repeat(depth)));
        }
        let deeper = depth + usize::from(!quiet);
        let children = node["childIds"].as_array().cloned().unwrap_or_default();
        // text inside an element that its name contains already is left out
        let children = children.iter().rev().filter_map(find).filter(|child| {
            child["role"]["value"] != "StaticText"
                || child["name"]["value"].as_str().is_some_and(|text| text.trim() != name)
        });
        waiting.extend(children.map(|child| (child.clone(), deeper)));
    }
    lines
}

/// Compares the tree with the stored one. `POSTERN_TEST_WRITE_TREES=1` writes the trees again: look at the changes
/// before you commit them.
async fn tree_is_as_before(browser: &Browser, name: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/suite/portal/trees/{name}.txt"));
    let now = tree(browser).await;
    if std::env::var_os("POSTERN_TEST_WRITE_TREES").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(now, before, "what assistive technology is told of {name} has changed");
}

async fn trees(language: &'static str) {
    let Some(phone) = phone(language, true).await else { return };
    let browser = &phone.browser;
    browser.goto("/portal").await;
    tree_is_as_before(browser, &format!("home-{language}")).await;
    let link = phone.link().await;
    browser.goto(&link).await;
    tree_is_as_before(browser, &format!("link-{language}")).await;
    phone.log_in().await;
    for (path, name) in
        [("/portal/messages", "messages"), ("/portal/messages/2", "message"), ("/portal/information", "information")]
    {
        browser.goto(path).await;
        browser.wait("html[data-enhanced]").await;
        tree_is_as_before(browser, &format!("{name}-{language}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_assistive_technology_is_told_in_english() {
    trees("en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_assistive_technology_is_told_in_french() {
    trees("fr").await;
}

/// The read marks of all conversations, to see that a mail scanner leaves none.
async fn read_marks(app: &App) -> Vec<Option<Ts>> {
    let read = app.state.db.read(|conn| -> Result<Vec<Option<Ts>>, AppError> {
        Ok(conversations::table.select(conversations::read_by_patient_at).load(conn)?)
    });
    read.await.unwrap()
}

/// A mail scanner that opens the link and everything on the page in a real browser, ten times, uses nothing up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_uses_nothing_up() {
    let Some(phone) = phone("en", true).await else { return };
    let (app, link) = (&phone.app, phone.link().await);
    let mails = app.mailbox.newest_first().len();
    let robot = app.anyone();
    for _ in 0..10 {
        phone.browser.goto(&link).await;
        let all = "return [...document.querySelectorAll('[href], [src]')].map(e => new URL(e.href || e.src).pathname)";
        for address in phone.browser.js(all).await.as_array().unwrap() {
            let address = address.as_str().unwrap();
            assert_eq!(robot.get(address).await.status, 200, "{address}");
            robot.send("HEAD", address, &[], "").await;
        }
    }
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), mails, "a GET sent something");
    assert!(read_marks(app).await.iter().all(Option::is_none), "a GET marked something as read");
    let _ = phone.patient;
    phone.log_in().await;
}
