//! The pictures of the README, taken of the demo as it is: `tests/pictures` keeps them, every run sees that they can be taken.

use crate::support::browser::Browser;
use crate::support::demo::Demo;
use data_encoding::BASE64;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The most that a picture may weigh: people read the README on phones, too.
const HEAVIEST: usize = 150_000;
const ALL: [&str; 4] = ["inbox", "new-message", "chart-browser", "portal"];

struct Album {
    browser: Browser,
    folder: PathBuf,
}

impl Album {
    /// What the window shows now, once on a light and once on a dark screen.
    async fn take(&self, name: &str) {
        let focused = "document.activeElement?.matches('.toast, .flash, h1, main') && document.activeElement.blur()";
        self.browser.js(focused).await;
        self.browser.wait_still().await;
        for dark in [false, true] {
            if dark {
                self.browser.dark().await
            } else {
                self.browser.light().await
            };
            self.browser.wait_still().await;
            let options = json!({"format": "webp", "quality": 85, "captureBeyondViewport": false});
            let taken = self.browser.cdp("Page.captureScreenshot", options).await;
            let picture = BASE64.decode(taken["data"].as_str().unwrap().as_bytes()).unwrap();
            assert!((8_000..HEAVIEST).contains(&picture.len()), "{name}: {} bytes", picture.len());
            let look = if dark { "dark" } else { "light" };
            std::fs::write(self.folder.join(format!("{name}-{look}.webp")), picture).unwrap();
        }
        self.browser.light().await;
    }

    /// The demo's words that arrive for this patient, once they hold six digits.
    async fn passcode(&self, mailbox: &str) -> String {
        let begin = Instant::now();
        loop {
            let page = reqwest::get(mailbox).await.unwrap().text().await.unwrap();
            let found = scraper::Html::parse_document(&page)
                .select(&scraper::Selector::parse(".bubble").unwrap())
                .flat_map(|bubble| {
                    bubble
                        .text()
                        .collect::<Vec<_>>()
                        .join(" ")
                        .split_whitespace()
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                })
                .map(|word| word.trim_end_matches('.').to_owned())
                .find(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()));
            if let Some(digits) = found {
                return digits;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "no passcode came");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_shows_the_real_thing() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for name in ALL {
        for look in ["light", "dark"] {
            assert!(readme.contains(&format!(".readme/{name}-{look}.webp")), "README.md does not show {name}, {look}");
        }
    }
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let Some(browser) = Browser::start(&demo.at("")).await else { return };
    let kept = std::env::var_os("POSTERN_PICTURES").map(PathBuf::from);
    let album = Album { browser, folder: kept.unwrap_or_else(|| data.path().to_owned()) };
    let browser = &album.browser;
    browser.goto("/sign-in").await;
    browser.fill("Email", "clinician@demo.example").await;
    browser.fill("Password", "demo-clinician-1").await;
    browser.click_text("Sign in").await;
    browser.wait(".work > li").await;
    album.take("inbox").await;

    browser.goto("/patients/15").await;
    browser.wait("html[data-enhanced]").await;
    browser.click_text("Start/Open").await;
    browser.click_text("Message Patient").await;
    browser.wait("dialog.window .ed-text").await;
    browser.fill("Title", "Your blood test").await;
    browser.wait("dialog.window .ed-text").await.click().await.unwrap();
    browser
        .keys("Good news: your iron is back to normal. Please keep taking the tablets until the end of the month.")
        .await;
    browser.wait_text("Please keep taking the tablets until the end of the month.").await;
    album.take("new-message").await;

    browser.goto("/patients/15/chart-browser?all_dates=1").await;
    browser.wait(".kinds button").await;
    album.take("chart-browser").await;

    let mailbox = demo.at("/demo/mailbox?who=p15");
    browser.size(390).await;
    browser.goto("/demo/mailbox?who=p15").await;
    let link = browser.js("return document.querySelector('a.btn.primary').getAttribute('href')").await;
    browser.goto(link.as_str().unwrap()).await;
    browser.click_text("Send me my passcode").await;
    browser.wait_text("We are sending your passcode").await;
    browser.fill("Passcode", &album.passcode(&mailbox).await).await;
    let facts: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.path().join("demo.json")).unwrap()).unwrap();
    let patient = facts["patients"].as_array().unwrap().iter().find(|one| one["id"] == 15).unwrap();
    let born = patient["birth_date"].as_str().unwrap();
    for (label, value) in ["Year", "Month", "Day"].into_iter().zip(born.split('-')) {
        browser.fill(label, value.trim_start_matches('0')).await;
    }
    browser.click_text("Login").await;
    browser.wait("main .msg .prose").await;
    album.take("portal").await;
}
