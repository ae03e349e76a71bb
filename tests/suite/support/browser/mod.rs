//! A real Chromium, used as a person uses it: by the words on the page.
//!
//! ```text
//! let Some(browser) = Browser::start(&app.url).await else { return }; // None only by tests/run --without-browser
//! browser.goto("/sign-in").await;
//! browser.fill("Email", "ada@example.org").await;
//! browser.click_text("Sign in").await;
//! browser.axe().await;
//! browser.assert_clean().await;
//! ```
//!
//! Each action waits up to five seconds for its element, and panics with what the page has instead. An open modal
//! dialog hides the rest of the page, as it does for a person.

mod driver;
#[cfg(test)]
mod tests;

use super::peers;
use driver::Driver;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use fantoccini::key::Key;

const PATIENCE: Duration = Duration::from_secs(5);
const FIND: &str = include_str!("find.js");
const AXE: &str = include_str!("../../vendor/axe.min.js");
/// WCAG 2.2 AA, and what axe-core's makers advise beyond it.
const AXE_TAGS: [&str; 7] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];

/// One window of a browser of its own, with its own cookies. Ends when it is dropped, also by a panic.
pub struct Browser {
    client: Client,
    base: String,
    scripts_are_off: AtomicBool,
    driver: Driver,
}

impl Browser {
    /// A browser for the server at `base` (`http://127.0.0.1:1234`), with English as its language. `None` only if
    /// `tests/run --without-browser` leaves browsers out.
    pub async fn start(base: &str) -> Option<Browser> {
        Browser::start_in("en", base).await
    }

    /// A browser that asks for pages in this language (such as `fr-CA`).
    pub async fn start_in(language: &str, base: &str) -> Option<Browser> {
        let programs = peers::browser_programs()?;
        let driver = Driver::start(&programs.chromedriver);
        let arguments = [
            "--headless",
            "--no-sandbox", // which root can't have
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // nothing but the server under test can be reached
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            &format!("--user-data-dir={}", driver.profile().display()),
            &format!("--accept-lang={language}"),
        ];
        let capabilities = json!({
            "goog:chromeOptions": {
                "binary": programs.chromium,
                "args": arguments,
                "prefs": {"intl.accept_languages": language},
            },
            "goog:loggingPrefs": {"browser": "ALL"},
            "unhandledPromptBehavior": "ignore",
        });
        let http = hyper_util::client::legacy::connect::HttpConnector::new();
        let capabilities = capabilities.as_object().unwrap().clone();
        let client = ClientBuilder::new(http).capabilities(capabilities).connect(driver.url()).await;
        let client = client.unwrap_or_else(|e| panic!("chromium did not start: {e}"));
        let browser = Browser {
            client,
            base: base.trim_end_matches('/').to_owned(),
            scripts_are_off: AtomicBool::new(false),
            driver,
        };
        browser.size(1280).await;
        Some(browser)
    }

    /// Opens a path of the server, or a whole address.
    pub async fn goto(&self, path: &str) {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() };
        self.client.goto(&url).await.unwrap_or_else(|e| panic!("{url}: {e}"));
    }

    /// The path and query of the present page.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
    }

    pub async fn back(&self) {
        self.client.back().await.unwrap();
    }

    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Goes on in another window, which a page has opened.
    pub async fn other_window(&self) {
        let here = self.client.window().await.unwrap();
        let other = self.client.windows().await.unwrap().into_iter().find(|one| *one != here);
        self.client.switch_to_window(other.unwrap()).await.unwrap();
    }

    /// The first visible element of this selector.
    pub async fn wait(&self, css: &str) -> Element {
        self.find("visible", css).await
    }

    /// Waits until no element of this selector is visible.
    pub async fn wait_gone(&self, css: &str) {
        self.until(&format!("{css} is still there"), async || !self.is_visible(css).await).await;
    }

    /// Waits until there are `count` elements of this selector, visible or hidden.
    pub async fn until_count(&self, css: &str, count: u64) {
        let script = format!("return document.querySelectorAll({css:?}).length");
        self.until(&format!("not {count} of {css}"), async || self.js(&script).await == count).await;
    }

    /// Waits until all animations have ended, because colours and places are different during them.
    pub async fn wait_still(&self) {
        let script = "return document.getAnimations().every(one => one.playState !== 'running')";
        self.until("something moves", async || self.js(script).await == true).await;
    }

    /// Waits until the page shows this text.
    pub async fn wait_text(&self, text: &str) {
        let wanted = spaces_as_one(text);
        self.until(&format!("no {text:?} on the page"), async || self.text().await.contains(&wanted)).await;
    }

    /// Waits until the browser is at this path and query.
    pub async fn wait_path(&self, path: &str) {
        self.until(&format!("not at {path}"), async || self.path().await == path).await;
    }

    /// Whether an element of this selector is visible now.
    pub async fn is_visible(&self, css: &str) -> bool {
        self.look("visible", css).await.is_ok()
    }

    /// Presses the one button, link, tab, menu item or option with these words on it (or as its accessible name).
    pub async fn click_text(&self, words: &str) {
        let element = self.find("clickable", words).await;
        element.click().await.unwrap_or_else(|e| panic!("pressing {words:?}: {e}"));
    }

    /// Opens the menu of the user who is signed in, at the top of each page of the clinic.
    pub async fn open_own_menu(&self) {
        let menu = self.wait("details.me:not([open]) > summary").await;
        menu.click().await.unwrap_or_else(|e| panic!("the user's own menu: {e}"));
    }

    /// Gives the control with this visible label a new value: types into a text field or an editor, picks the options
    /// with these words (one a line) in a list, ticks (`"on"`) or clears (`"off"`) a box, presses a radio button
    /// (`"on"`), sets a date field (`YYYY-MM-DD`), chooses files (paths, one a line).
    pub async fn fill(&self, label: &str, value: &str) {
        let mut filled = self.fill_once(label, value).await;
        // an editor, or an answer, may have replaced the text field after it was found; a person types where the field is
        let is_replaced = |e: &CmdError| {
            let problem = e.to_string();
            problem.contains("not interactable") || problem.contains("stale element")
        };
        for _ in 0..20 {
            match &filled {
                Err(e) if is_replaced(e) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    filled = self.fill_once(label, value).await;
                }
                _ => break,
            }
        }
        filled.unwrap_or_else(|e| panic!("filling {label:?}: {e}"));
    }

    async fn fill_once(&self, label: &str, value: &str) -> Result<(), CmdError> {
        let control = self.find("control", label).await;
        let kind = self.try_call("kind", json!([control])).await?;
        match kind.as_str().unwrap() {
            "text" => match control.clear().await {
                Ok(()) => control.send_keys(value).await,
                error => error,
            },
            "file" => control.send_keys(value).await,
            "toggle" => {
                assert!(matches!(value, "on" | "off"), "{label:?} is ticked with \"on\" or \"off\", not {value:?}");
                if control.is_selected().await.unwrap() == (value == "on") {
                    return Ok(());
                }
                // a person sees and presses the label
                self.find("label", label).await.click().await
            }
            kind => {
                let missing = self.call("set", json!([control, kind, value])).await;
                assert!(missing.is_null(), "{label:?}: {}", missing.as_str().unwrap_or_default());
                Ok(())
            }
        }
    }

    /// The value of the control with this visible label: its text, `on` or `off`, or the words of the picked options.
    pub async fn value(&self, label: &str) -> String {
        let control = self.find("control", label).await;
        self.call("value", json!([control])).await.as_str().unwrap().to_owned()
    }

    /// Types at the focus; [`Key`] has the keys without a letter: `String::from(char::from(Key::Enter))`.
    pub async fn keys(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// The visible text of the page, runs of white space as one space.
    pub async fn text(&self) -> String {
        let text = self.js("return document.body ? document.body.innerText : ''").await;
        spaces_as_one(text.as_str().unwrap())
    }

    /// Runs a function body in the page and gives what it returns. This also works without JavaScript, which turns off
    /// only the page's own scripts.
    pub async fn js(&self, body: &str) -> Value {
        self.client.execute(body, vec![]).await.unwrap_or_else(|e| panic!("{body}: {e}"))
    }

    /// A command of the Chrome DevTools protocol, for what WebDriver lacks.
    pub async fn cdp(&self, command: &'static str, parameters: Value) -> Value {
        let answer = self.client.issue_cmd(DevTools(command, parameters)).await;
        answer.unwrap_or_else(|e| panic!("{command}: {e}"))
    }

    /// From here on the browser runs no scripts of pages.
    pub async fn without_javascript(&self) {
        self.scripts_are_off.store(true, Ordering::Relaxed);
        self.turn_scripts_off(true).await;
    }

    async fn turn_scripts_off(&self, off: bool) {
        self.cdp("Emulation.setScriptExecutionDisabled", json!({"value": off})).await;
    }

    /// Sets the width of the window in CSS pixels; below 600 it is a phone with touch and two device pixels per CSS
    /// pixel.
    pub async fn size(&self, width: u32) {
        let phone = width < 600;
        let (height, scale) = if phone { (800, 2) } else { (900, 1) };
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone});
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        self.cdp("Emulation.setTouchEmulationEnabled", json!({"enabled": phone})).await;
    }

    /// Makes the person prefer dark pages from here on.
    pub async fn dark(&self) {
        let feature = json!({"name": "prefers-color-scheme", "value": "dark"});
        self.cdp("Emulation.setEmulatedMedia", json!({"features": [feature]})).await;
    }

    /// Makes the person prefer light pages from here on.
    pub async fn light(&self) {
        let feature = json!({"name": "prefers-color-scheme", "value": "light"});
        self.cdp("Emulation.setEmulatedMedia", json!({"features": [feature]})).await;
    }

    /// Stores a screenshot of the whole page as PNG.
    pub async fn screenshot(&self, path: impl AsRef<Path>) {
        let answer = self.cdp("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true})).await;
        let png = data_encoding::BASE64.decode(answer["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(&path, png).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
    }

    /// The page as it is: accessible, not wider than the window, clean; kept as a picture where these are asked for.
    pub async fn inspect(&self, name: &str) {
        if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
            self.screenshot(format!("{folder}/{name}.png")).await;
        }
        self.axe().await;
        // innerWidth grows with what is too wide, on a phone
        let over = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        let widest = "const edge = document.documentElement.clientWidth + 1;
            return [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > edge)
                .map(e => e.cloneNode(false).outerHTML).pop() ?? ''";
        if self.js(over).await != 0 {
            panic!("{name} scrolls sideways, by {} px: {}", self.js(over).await, self.js(widest).await);
        }
        self.assert_clean().await;
    }

    /// The same at each of these widths.
    pub async fn inspect_at(&self, widths: &[u32], name: &str) {
        for width in widths {
            self.size(*width).await;
            self.inspect(&format!("{name}-{width}")).await;
        }
    }

    /// Panics if axe-core finds a violation of WCAG 2.2 AA or of its best practices on the page as it is now.
    pub async fn axe(&self) {
        let violations = self.axe_violations().await;
        assert!(violations.is_empty(), "axe: {}:\n{}", self.path().await, violations.join("\n"));
    }

    async fn axe_violations(&self) -> Vec<String> {
        self.js(AXE).await;
        // this rule belongs to WCAG 2.2 AA, but is off unless it is named
        let options = json!({
            "runOnly": {"type": "tag", "values": AXE_TAGS},
            "rules": {"target-size": {"enabled": true}},
            "resultTypes": ["violations"],
        });
        let run = "const [options, done] = arguments; axe.run(document, options).then(
            result => done(result.violations.flatMap(v => v.nodes.map(n =>
                `  ${v.id}: ${n.failureSummary.replace(/\\s+/g, ' ')}\\n      ${n.html.slice(0, 300)}\\n      ${v.helpUrl}`))),
            error => done(['axe itself failed: ' + error]))";
        let scripts_are_off = self.scripts_are_off.load(Ordering::Relaxed);
        if scripts_are_off {
            // axe needs scripts; the page does not run now what it did not run when it was loaded
            self.turn_scripts_off(false).await;
        }
        let violations = self.client.execute_async(run, vec![options]).await.unwrap_or_else(|e| panic!("axe: {e}"));
        if scripts_are_off {
            self.turn_scripts_off(true).await;
        }
        serde_json::from_value(violations).unwrap()
    }

    /// Panics if anything went wrong behind the pages since the last call: a violation of the content security policy,
    /// an uncaught error or rejected promise, `console.error`, an asset that is missing, an answer of 500 or above.
    pub async fn assert_clean(&self) {
        let faults = self.faults().await;
        assert!(faults.is_empty(), "the browser reports:\n{}", faults.join("\n"));
    }

    async fn faults(&self) -> Vec<String> {
        let entries = self.client.issue_cmd(BrowserLog).await.unwrap();
        let is_fault = |entry: &&Value| {
            let message = entry["message"].as_str().unwrap();
            // the page itself may well be a 404 or a 422
            let expected =
                entry["source"] == "network" && message.contains("a status of 4") && !message.contains("/assets/");
            entry["level"] == "SEVERE" && !expected
        };
        let shown =
            |entry: &Value| format!("  {}: {}", entry["source"].as_str().unwrap(), entry["message"].as_str().unwrap());
        entries.as_array().unwrap().iter().filter(is_fault).map(shown).collect()
    }

    async fn find(&self, how: &str, what: &str) -> Element {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.look(how, what).await {
                Ok(element) => return element,
                Err(problem) if Instant::now() > deadline => {
                    panic!("{}: {problem}", self.client.current_url().await.unwrap())
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    }

    /// Looks once; an error says what is there instead.
    async fn look(&self, how: &str, what: &str) -> Result<Element, String> {
        let found = match self.try_call(how, json!([what])).await {
            Ok(found) => found,
            // the page is being replaced
            Err(error) => return Err(error.to_string()),
        };
        match found {
            Value::String(problem) => Err(problem),
            element => {
                let id =
                    element.as_object().and_then(|o| o.values().next()).and_then(Value::as_str).unwrap().to_owned();
                Ok(Element::from_element_id(self.client.clone(), id.into()))
            }
        }
    }

    async fn call(&self, function: &str, arguments: Value) -> Value {
        self.try_call(function, arguments).await.unwrap_or_else(|e| panic!("{function}: {e}"))
    }

    /// Calls a function of find.js.
    async fn try_call(&self, function: &str, arguments: Value) -> Result<Value, fantoccini::error::CmdError> {
        let script = format!("{FIND}\nreturn {function}(...arguments[0])");
        self.client.execute(&script, vec![arguments]).await
    }

    pub async fn until(&self, problem: &str, is_so: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so().await {
            if Instant::now() > deadline {
                panic!("{problem}, at {}: {}", self.path().await, self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

fn spaces_as_one(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}

/// What the console of the browser has shown since the last call, on every page.
#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"type": "browser"}).to_string()))
    }
}
