//! Files in real Chromium: chosen, dropped, uploaded with progress, stopped, moved and removed, by the keyboard, wide
//! and narrow.

use super::samples;
use crate::chart::items::{add, days_ago};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::chart::ItemKind;
use postern::db::PatientId;
use postern::db::schema::{attachments, users};
use postern::db::sealed::Opened;
use postern::error::AppError;

pub struct Desk {
    pub app: App,
    pub browser: Browser,
    pub patient: PatientId,
    pub files: tempfile::TempDir,
}

pub async fn desk(width: u32, language: &str, scripts: bool) -> Option<Desk> {
    let app = App::start(On::Sqlite).await;
    app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    for (key, title) in [("1", "Lipid panel"), ("2", "Renal panel")] {
        add(&app, patient, key, ItemKind::LabResult, days_ago(10), title, "words").await;
    }
    let code = language.to_owned();
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    let email = write.await.unwrap();
    let browser = Browser::start_in(language, &app.origin).await?;
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    let words = if language == "fr" { ["Courriel", "Mot de passe"] } else { ["Email", "Password"] };
    browser.fill(words[0], &email).await;
    browser.fill(words[1], PASSWORD).await;
    browser.keys(&key(Key::Enter)).await;
    browser.wait_path("/inbox").await;
    let files = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("results.pdf", samples::pdf()),
        ("photo.png", samples::png()),
        ("page.pdf", b"<!DOCTYPE html><script>alert(1)</script>".to_vec()),
    ] {
        std::fs::write(files.path().join(name), bytes).unwrap();
    }
    Some(Desk { app, browser, patient, files })
}

fn key(key: Key) -> String {
    String::from(char::from(key))
}

impl Desk {
    /// Opens "New Message" from the chart.
    pub async fn open(&self) {
        self.browser.goto(&format!("/patients/{}", self.patient)).await;
        self.browser.wait("html[data-enhanced]").await;
        self.browser.js("document.querySelector('details.menu').open = true").await;
        self.browser.js("document.querySelector('a[data-open-dialog]').click()").await;
        self.browser.wait("dialog.window .ed-text").await;
    }

    pub async fn choose(&self, names: &[&str]) {
        let paths: Vec<String> = names.iter().map(|name| self.files.path().join(name).display().to_string()).collect();
        self.browser.wait("#files").await.send_keys(&paths.join("\n")).await.unwrap();
    }

    /// Drops a text file of this many bytes on the title field.
    async fn drop(&self, name: &str, size: usize) {
        let script = format!(
            "const data = new DataTransfer(); data.items.add(new File(['x'.repeat({size})], {name:?}, {{type: 'text/plain'}})); \
             for (const kind of ['dragenter', 'dragover', 'drop']) document.querySelector('#title').dispatchEvent( \
             new DragEvent(kind, {{bubbles: true, cancelable: true, dataTransfer: data}}))"
        );
        self.browser.js(&script).await;
    }

    async fn focus(&self, css: &str) {
        self.browser.js(&format!("document.querySelector({css:?}).focus()")).await;
    }

    pub async fn press(&self, css: &str, with: Key) {
        self.focus(css).await;
        self.browser.keys(&key(with)).await;
    }

    async fn names(&self) -> String {
        let script = "return [...document.querySelectorAll('[data-files] li:not(.refused) .file-name')].map(e => e.textContent).join(' ')";
        self.browser.js(script).await.as_str().unwrap().to_owned()
    }

    pub async fn look(&self, name: &str) {
        self.browser.wait_still().await;
        if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
            self.browser.js("document.querySelector('fieldset.attach')?.scrollIntoView()").await;
            self.browser.screenshot(format!("{folder}/{name}.png")).await;
        }
        self.browser.axe().await;
        self.browser.assert_clean().await;
    }

    pub async fn sent(&self) -> Vec<String> {
        let read = self.app.state.db.read(|conn| -> Result<Vec<String>, AppError> {
            let names = attachments::table.order(attachments::number).select(attachments::file_name);
            Ok(names.load::<Opened>(conn)?.into_iter().map(String::from).collect())
        });
        read.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_by_the_keyboard_in_the_dialog() {
    for (width, language) in [(1280, "en"), (360, "fr")] {
        let Some(desk) = desk(width, language, true).await else { return };
        let browser = &desk.browser;
        desk.open().await;
        let look = |what: &str| format!("files-{width}-{what}");
        desk.press(".attach .add > summary", Key::Enter).await;
        desk.look(&look("empty")).await;
        // several at once: beside the name of the false one stands why it is refused, and the rest of the form stays
        browser.wait("#title").await.send_keys("Your files").await.unwrap();
        desk.choose(&["results.pdf", "photo.png", "page.pdf"]).await;
        browser.until_count("[data-files] [data-remove]", 2).await;
        browser.wait("[data-files] .refused").await;
        let told = browser.wait("[data-files] .refused .error").await.text().await.unwrap();
        let not = if language == "fr" { "n’est pas ce que" } else { "not what its name says" };
        assert!(told.contains(not), "{told}");
        assert_eq!(browser.value(if language == "fr" { "Titre" } else { "Title" }).await, "Your files");
        // dropped anywhere on the form
        desk.drop("dropped.txt", 20).await;
        browser.until_count("[data-files] [data-remove]", 3).await;
        // a file that is too large is refused before it is sent
        let limit = desk.app.state.intake.policy.largest_file as usize;
        desk.drop("large.txt", limit + 1).await;
        browser.until_count("[data-files] .refused", 2).await;
        desk.look(&look("chosen")).await;
        // moved up by the keyboard: the focus stays on the button, and the new place is announced
        let last =
            "[data-files] li:nth-last-of-type(3) [data-up], [data-files] li.file:has([data-up]) ~ li.file [data-up]";
        let before = desk.names().await;
        desk.press(last, Key::Enter).await;
        assert_ne!(desk.names().await, before);
        assert_eq!(browser.js("return 'up' in document.activeElement.dataset").await, true);
        // removed: the focus moves to the next file
        let count = browser.js("return document.querySelectorAll('[data-files] [data-remove]').length").await;
        desk.press("[data-files] [data-remove]", Key::Space).await;
        browser.until_count("[data-files] [data-remove]", count.as_u64().unwrap() - 1).await;
        assert_ne!(browser.js("return document.activeElement.tagName").await, "BODY");
        // files of the chart, in a dialog over this one
        desk.press("[data-open-chart-browser]", Key::Enter).await;
        browser.wait("dialog.chart-window .picks input").await;
        desk.look(&look("chart")).await;
        desk.press("dialog.chart-window .picks input", Key::Space).await;
        desk.press("dialog.chart-window button[name=select]", Key::Enter).await;
        browser.wait_gone("dialog.chart-window").await;
        browser.until_count("[data-chart-items] input:checked", 1).await;
        assert_eq!(browser.js("return 'openChartBrowser' in document.activeElement.dataset").await, true);
        desk.look(&look("both")).await;
        if width == 360 {
            browser.dark().await;
            desk.look(&look("both-dark")).await;
        }
        browser.js("document.querySelector('form[data-compose]').richText.insert('<p>See them</p>')").await;
        let names: Vec<String> = desk.names().await.split(' ').map(str::to_owned).take(2).collect();
        desk.press("dialog.window form .btn.primary", Key::Enter).await;
        browser.wait(".thread .files").await;
        desk.look(&look("sent")).await;
        let sent = desk.sent().await;
        assert_eq!(sent[..2], names[..], "in the order of the list");
        assert!(sent.len() == 3 && sent[2].ends_with(".pdf"), "{sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_shows_how_far_it_is_and_can_be_stopped() {
    let Some(desk) = desk(1280, "en", true).await else { return };
    let browser = &desk.browser;
    desk.open().await;
    // slow enough to see the progress: 40 kB per second
    browser.cdp("Network.enable", serde_json::json!({})).await;
    let slow =
        |up: i64| serde_json::json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": up});
    browser.cdp("Network.emulateNetworkConditions", slow(40_000)).await;
    desk.press(".attach .add > summary", Key::Enter).await;
    browser.wait("#title").await.send_keys("Your files").await.unwrap();
    desk.drop("slow.txt", 2_000_000).await;
    browser.wait("[data-files] progress").await;
    for _ in 0..100 {
        if browser.js("return document.querySelector('[data-files] progress').value").await.as_f64().unwrap() > 0.0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(browser.js("return document.querySelector('[data-files] progress').value").await.as_f64().unwrap() > 0.0);
    desk.look("files-1280-running").await;
    // the message is not sent while a file is uploading, and the page says so
    browser.js("document.querySelector('form[data-compose]').richText.insert('<p>See them</p>')").await;
    desk.press("dialog.window form .btn.primary", Key::Enter).await;
    browser.wait_text("Files are still being uploaded: 1.").await;
    desk.press("[data-files] [data-cancel]", Key::Enter).await;
    browser.wait_gone("[data-files] li").await;
    assert_eq!(browser.js("return document.activeElement.id").await, "files");
    browser.cdp("Network.emulateNetworkConditions", slow(-1)).await;
    desk.choose(&["photo.png"]).await;
    browser.wait("[data-files] [data-remove]").await;
    // waiting files are part of the draft, once that is saved
    let page = format!("/patients/{}/messages/new", desk.patient);
    let script = format!("return fetch({page:?}).then(page => page.text()).then(text => text.includes('photo.png'))");
    browser.until("the draft lacks the file", async || browser.js(&script).await == true).await;
    browser.goto(&page).await;
    browser.wait("[data-files] [data-remove]").await;
    assert_eq!(desk.names().await, "photo.png");
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_script_files_and_the_chart() {
    for width in [1280, 360] {
        let Some(desk) = desk(width, "en", false).await else { return };
        let browser = &desk.browser;
        browser.goto(&format!("/patients/{}/messages/new", desk.patient)).await;
        browser.fill("Title", "Your files").await;
        browser.wait("#body").await.send_keys("See them").await.unwrap();
        browser.wait(".attach .add > summary").await.click().await.unwrap();
        desk.choose(&["results.pdf", "page.pdf"]).await;
        browser.click_text("Add files").await;
        browser.wait("[data-files] .refused").await;
        if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
            browser.screenshot(format!("{folder}/files-{width}-plain.png")).await;
        }
        assert_eq!(browser.value("Title").await, "Your files");
        browser.click_text("Attach a file of María Mejía").await;
        browser.wait(".picks input").await.click().await.unwrap();
        browser.click_text("Select").await;
        browser.wait("[data-chart-items] input").await;
        assert_eq!(browser.value("Title").await, "Your files");
        browser.click_text("Submit").await;
        browser.wait(".thread .files").await;
        let sent = desk.sent().await;
        assert!(sent.len() == 2 && sent[0] == "results.pdf", "{sent:?}");
        browser.assert_clean().await;
    }
}
