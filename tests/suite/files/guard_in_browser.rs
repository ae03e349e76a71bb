//! In real Chromium, by the keyboard, wide and narrow, with and without scripts: a file that names another patient is
//! confirmed or removed, and a file is added to the chart.

use super::another_patient::{details, person};
use super::browser::{Desk, desk};
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::db::schema::chart_files;
use postern::db::sealed::Opened;
use postern::error::AppError;

/// A desk with another patient, and a file that contains that patient's number.
async fn two(width: u32, language: &str, scripts: bool) -> Option<Desk> {
    let desk = desk(width, language, scripts).await?;
    person(&desk.app, ("Otto", "Älder-Ng"), "1962-11-23", "1234-567-897-AB", 2).await;
    std::fs::write(desk.files.path().join("other.txt"), "HIN: 1234 567 897 AB, seen today").unwrap();
    Some(desk)
}

const TICK: &str = "input[name=for_this_patient]";

/// Asserts that both patients are shown, with their dates of birth.
async fn shows_both(desk: &Desk) {
    desk.browser.wait(TICK).await;
    let alert = desk.browser.wait(".files .alert.warn").await;
    assert_eq!(alert.attr("role").await.unwrap().as_deref(), Some("alert"));
    let words = alert.text().await.unwrap();
    for word in ["Otto Älder-Ng", "1962", "María Mejía", "1951"] {
        assert!(words.contains(word), "{word}: {words}");
    }
}

/// Asserts that nothing is wider than the window.
async fn fits(desk: &Desk) {
    let wider =
        desk.browser.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
    assert!(wider.as_i64().unwrap() <= 0, "{wider} pixels too wide");
}

/// A screenshot and axe, light and dark.
async fn look(desk: &Desk, name: &str) {
    fits(desk).await;
    desk.look(name).await;
    desk.browser.dark().await;
    desk.look(&format!("{name}-dark")).await;
    desk.browser.light().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_patients_file_in_the_dialog() {
    for (width, language) in [(1280, "en"), (360, "fr")] {
        let Some(desk) = two(width, language, true).await else { return };
        let browser = &desk.browser;
        for confirmed in [true, false] {
            desk.open().await;
            desk.press(".attach .add > summary", Key::Enter).await;
            browser.wait("#title").await.send_keys("Your file").await.unwrap();
            browser.js("document.querySelector('form[data-compose]').richText.insert('<p>See it</p>')").await;
            desk.choose(&["other.txt"]).await;
            shows_both(&desk).await;
            look(&desk, &format!("guard-{width}-asked")).await;
            // the message is not sent before somebody confirms, and nothing that was typed is lost
            desk.press("dialog.window form .btn.primary", Key::Enter).await;
            browser.wait("dialog.window #files-error").await;
            shows_both(&desk).await;
            assert_eq!(browser.value(if language == "fr" { "Titre" } else { "Title" }).await, "Your file");
            look(&desk, &format!("guard-{width}-refused")).await;
            assert_eq!(desk.sent().await.len(), usize::from(!confirmed));
            let with = if confirmed { TICK } else { "[data-files] [data-remove]" };
            desk.press(with, Key::Space).await;
            if !confirmed {
                browser.wait_gone("[data-files] li").await;
            }
            desk.press("dialog.window form .btn.primary", Key::Enter).await;
            browser.wait(".thread").await;
            assert_eq!(desk.sent().await, ["other.txt"], "{confirmed}");
            assert_eq!(details(&desk.app).await.len(), 1, "the answer is kept once");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_patients_file_without_script() {
    let Some(desk) = two(360, "en", false).await else { return };
    let browser = &desk.browser;
    browser.goto(&format!("/patients/{}/messages/new", desk.patient)).await;
    browser.fill("Title", "Your file").await;
    browser.wait("#body").await.send_keys("See it").await.unwrap();
    browser.wait(".attach .add > summary").await.click().await.unwrap();
    desk.choose(&["other.txt"]).await;
    browser.click_text("Add files").await;
    shows_both(&desk).await;
    look(&desk, "guard-360-plain").await;
    browser.click_text("Submit").await;
    browser.wait_text("A file names another patient").await;
    shows_both(&desk).await;
    assert!(desk.sent().await.is_empty() && details(&desk.app).await.is_empty());
    browser.fill("I checked: other.txt is meant for María Mejía", "on").await;
    browser.click_text("Submit").await;
    browser.wait(".thread .files").await;
    assert_eq!((desk.sent().await.len(), details(&desk.app).await.len()), (1, 1));
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_added_to_the_chart() {
    for (width, language, scripts) in [(1280, "en", true), (320, "fr", true), (320, "en", false)] {
        let Some(desk) = two(width, language, scripts).await else { return };
        let browser = &desk.browser;
        let look_as = |what: &str| format!("add-file-{width}-{language}-{what}");
        let submit = "main form[enctype] .btn.primary";
        let title = if language == "fr" { "Titre" } else { "Title" };
        browser.goto(&format!("/patients/{}", desk.patient)).await;
        // focus and Enter, which works without scripts
        browser.wait("a[href$='/files/new']").await.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
        browser.wait("#files").await;
        look(&desk, &look_as("empty")).await;
        // no file is chosen
        browser.fill(title, "Report of 4 March").await;
        browser.wait(submit).await.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
        browser.wait("#files-error").await;
        // a file that is not what its name says: the reason stands beside it, and the form stays
        desk.choose(&["page.pdf"]).await;
        browser.wait(submit).await.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
        let told = browser.wait(".files .refused .error").await.text().await.unwrap();
        let not = if language == "fr" { "n’est pas ce que" } else { "not what its name says" };
        assert!(told.contains(not), "{told}");
        assert_eq!(browser.value(title).await, "Report of 4 March");
        look(&desk, &look_as("refused")).await;
        // a file of another patient: the page asks, and the form keeps the file meanwhile
        desk.choose(&["other.txt"]).await;
        browser.wait(submit).await.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
        shows_both(&desk).await;
        assert_eq!(browser.value(title).await, "Report of 4 March");
        look(&desk, &look_as("asked")).await;
        // the summary of errors leads there
        let there = "return !!document.querySelector(new URL(document.querySelector('.error-summary a').href).hash)";
        assert_eq!(browser.js(there).await, true);
        browser.wait(TICK).await.send_keys(" ").await.unwrap();
        browser.wait(submit).await.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
        browser.wait_text("Report of 4 March").await;
        browser.wait("a[href*='/file']").await;
        fits(&desk).await;
        let read = desk.app.state.db.read(|conn| -> Result<Vec<String>, AppError> {
            let names = chart_files::table.select(chart_files::file_name).load::<Opened>(conn)?;
            Ok(names.into_iter().map(String::from).collect())
        });
        assert_eq!((read.await.unwrap(), details(&desk.app).await.len()), (vec!["other.txt".to_owned()], 1));
        browser.assert_clean().await;
    }
}
