//! Long words without a space, in several scripts, in real Chromium: names, titles, addresses and names of files make no
//! page wider than the smallest phone, which is as wide as a page enlarged to 400 % (WCAG 2.2, 1.4.10).

use super::work_list::patient_writes;
use crate::files::uploads::upload;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;

/// Letters of Latin (the widest), Arabic, Thai and Chinese.
const LETTERS: [&str; 4] = ["W", "م", "ก", "漢"];
/// Letters of each long word.
const LONG: usize = 80;

/// The smallest phone, a tablet upright, a desk.
const WIDTHS: [u32; 3] = [320, 768, 1280];

/// What makes the page wider than its window; `None` where nothing does.
async fn too_wide(browser: &Browser) -> Option<String> {
    let found = browser
        .js("const {clientWidth, scrollWidth} = document.documentElement
            if (scrollWidth <= clientWidth) return null
            const wide = [...document.querySelectorAll('body *')].filter(one => one.checkVisibility() && one.getBoundingClientRect().right > clientWidth + 1)
            return `${scrollWidth - clientWidth} px: ` + wide.slice(-3).map(one => `${one.parentElement.className}: ${one.outerHTML.slice(0, 90)}`).join(' | ')")
        .await;
    found.as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_words_widen_no_page() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let word = |letter: &str| letter.repeat(LONG);
    let name = word("W");
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::name.eq(name)).execute(tx.conn())?;
        Ok(users::table.select(users::email).first(tx.conn())?)
    });
    let staff_email = write.await.unwrap();
    let settings = owner.get("/settings/clinic").await.ok();
    owner.submit(&settings, "Save", &[("name", &word("W"))]).await.redirect();
    let (mut paths, mut emails) = (Vec::new(), Vec::new());
    for (at, letter) in LETTERS.into_iter().enumerate() {
        let long: &'static str = word(letter).leak();
        let email = format!("{}{at}@{}.example.org", "w".repeat(60), "w".repeat(60));
        let like = Like { name: (long, long), email: Some(email.clone()), phone: None, ..Like::default() };
        let patient = app.patient(like).await;
        let page = owner.get(&format!("/patients/{patient}/messages/new")).await.ok();
        let to = owner.submit(&page, "Submit", &[("title", long), ("body", long)]).await.redirect();
        let conversation = to.split('?').next().unwrap().to_owned();
        patient_writes(&app, &conversation).await;
        owner.post(&format!("{conversation}/assignment"), &[("user", "1")]).await.redirect();
        let file = upload(&owner, patient, &format!("{long}.txt"), b"words".to_vec()).await;
        assert_eq!(file.status, 200, "{}", file.text());
        paths.extend([conversation, format!("/patients/{patient}"), format!("/patients/{patient}/information")]);
        paths.push(format!("/patients/{patient}/messages/new"));
        emails.push(email);
        app.drain().await;
        app.state.clock.advance(time::Duration::minutes(1));
    }
    for path in [
        "inbox?scope=all&filter=any",
        "patients",
        "outbox",
        "settings/users",
        "settings/audit-log",
        "account",
        "nothing",
    ] {
        paths.push(format!("/{path}"));
    }
    let lang = Lang::or_english("en");
    let Some(browser) = Browser::start(&app.origin).await else { return };
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &staff_email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    let mut found = Vec::new();
    for path in &paths {
        for width in WIDTHS {
            browser.size(width).await;
            browser.goto(path).await;
            browser.wait("html[data-enhanced]").await;
            if path == "/account" {
                browser.open_own_menu().await;
            }
            found.extend(too_wide(&browser).await.map(|what| format!("{path} at {width}: {what}")));
        }
    }
    browser.assert_clean().await;
    // the patient's pages
    let (email, link) = (&emails[0], app.link_to(&emails[0]));
    browser.goto(&link).await;
    browser.click_text("Send me my passcode").await;
    browser.wait("[name=passcode]").await;
    app.drain().await;
    browser.fill("Passcode", &app.passcode_to(email)).await;
    browser.fill("Day", "4").await;
    browser.fill("Month", "3").await;
    browser.fill("Year", "1951").await;
    browser.click_text("Login").await;
    browser.until("not at the message", async || browser.path().await.starts_with("/portal/messages/")).await;
    let message = browser.path().await;
    for path in [message.as_str(), "/portal/messages", "/portal/information"] {
        for width in WIDTHS {
            browser.size(width).await;
            browser.goto(path).await;
            found.extend(too_wide(&browser).await.map(|what| format!("{path} at {width}: {what}")));
        }
    }
    assert!(found.is_empty(), "wider than the window:\n{}", found.join("\n"));
}
