//! The opening hours and what follows from them, in a browser: axe, narrow and wide, both languages, with and without JavaScript,
//! and by the keyboard alone.

use super::hours::set_hours;
use crate::patients::email_of_the_user;
use crate::support::app::{App, On};
use crate::support::browser::{Browser, Key};
use crate::support::world::{Like, PASSWORD};
use postern::access::Role;
use time::Duration;

const WIDTHS: [u32; 3] = [320, 390, 1280];

async fn look(browser: &Browser, name: &str) {
    browser.inspect_at(&WIDTHS, &format!("hours-{name}")).await;
}

async fn every_page(language: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    set_hours(&owner, "hours", "1").await;
    let page = patient.get(&message).await.ok();
    patient.submit(&page, "Send", &[("body", "Does it hurt?")]).await.redirect();
    let email = email_of_the_user(&app, language).await;
    if !scripts {
        browser.without_javascript().await;
    }
    let words = |en, fr| if language == "fr" { fr } else { en };
    browser.goto("/sign-in").await;
    browser.fill(words("Email", "Courriel"), &email).await;
    browser.fill(words("Password", "Mot de passe"), PASSWORD).await;
    browser.click_text(words("Sign in", "Se connecter")).await;
    browser.wait_path("/inbox").await;
    let name = |page: &str| format!("{language}{}-{page}", if scripts { "" } else { "-plain" });
    for late in [false, true] {
        let said = match late {
            false => words("Answer by 10:15", "Réponse promise\u{a0}: 10 h 15"),
            true => words("Late since 10:15", "En retard depuis\u{a0}: 10 h 15"),
        };
        for (page, path) in [("inbox", "/inbox?filter=waiting_for_us"), ("conversation", &*conversation)] {
            browser.goto(path).await;
            browser.wait_text(said).await;
            look(&browser, &name(&format!("{page}-{}", if late { "late" } else { "promised" }))).await;
        }
        // nobody is away so long that the session ends
        for _ in 0..(if late { 0 } else { 4 }) {
            app.state.clock.advance(Duration::minutes(20));
            browser.reload().await;
        }
    }
    browser.goto("/account/away").await;
    browser.wait("#away_from").await;
    look(&browser, &name("away")).await;
    browser.goto("/settings/hours").await;
    browser.wait("#from_1").await;
    look(&browser, &name("hours")).await;
    browser.js("document.querySelector('#from_1').value = '18:00'").await;
    browser.js("document.querySelector('#closed_day').value = '2026-12-25'").await;
    browser.click_text(words("Save", "Enregistrer")).await;
    browser.wait(".error-summary").await;
    look(&browser, &name("hours-wrong")).await;
    browser.js("document.querySelector('#from_1').value = '08:00'").await;
    browser.js("document.querySelector('#closed_name_1').value = 'Noël'").await;
    browser.click_text(words("Save", "Enregistrer")).await;
    browser.wait_text(words("The settings were saved.", "Les paramètres ont été enregistrés.")).await;
    assert_eq!(browser.js("return document.querySelector('#closed_name_1').value").await, "Noël");
    look(&browser, &name("hours-saved")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_in_english() {
    every_page("en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_in_french_without_javascript() {
    every_page("fr", false).await;
}

/// The patient's page, before and after the reply and when the answer is late, at 320 px.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_patient_reads_the_promise_on_a_phone() {
    let app = App::start(On::Sqlite).await;
    let Some(browser) = Browser::start(&app.origin).await else { return };
    browser.size(320).await;
    let owner = app.user(Role::Owner).await;
    set_hours(&owner, "hours", "1").await;
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    browser.goto(&app.link_to("maria@example.org")).await;
    browser.click_text("Send me my passcode").await;
    browser.wait("input[name=passcode]").await;
    app.drain().await;
    browser.fill("Passcode", &app.passcode_to("+16135550121")).await;
    for (label, value) in [("Day", "4"), ("Month", "3"), ("Year", "1951")] {
        browser.fill(label, value).await;
    }
    browser.click_text("Login").await;
    browser.wait_text("If you write now, we answer by Wednesday, 4 March, 10:15.").await;
    look(&browser, "portal-before").await;
    browser.size(320).await;
    browser.fill("Reply", "Does it hurt?").await;
    browser.js("document.querySelector('form.reply button.primary').focus()").await;
    browser.keys(&String::from(char::from(Key::Enter))).await;
    browser.wait_text("We answer by Wednesday, 4 March, 10:15.").await;
    assert!(!browser.text().await.contains("If you write now"));
    look(&browser, "portal-promised").await;
    for _ in 0..4 {
        app.state.clock.advance(Duration::minutes(20));
        browser.reload().await;
    }
    browser.wait_text("We wanted to answer by Wednesday, 4 March, 10:15.").await;
    look(&browser, "portal-late").await;
}
