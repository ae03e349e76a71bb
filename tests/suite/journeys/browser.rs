//! The whole path from message to reply in real Chromium, with JavaScript and without, wide and narrow; axe on every
//! page.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use postern::access::Role;
use postern::db::schema::users;
use postern::patients::Method;

const PHONE: &str = "+16135550121";

/// The email address of the only user, who signs in by hand here.
async fn owner_email(app: &App) -> String {
    use diesel::prelude::*;
    let read = app.state.db.read(|conn| -> Result<String, postern::error::AppError> {
        Ok(users::table.select(users::email).order(users::id).first(conn)?)
    });
    read.await.unwrap()
}

async fn look(browser: &Browser, name: &str, scripts: bool) {
    if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
        browser.screenshot(format!("{folder}/{name}.png")).await;
    }
    if scripts {
        browser.axe().await;
    }
    browser.assert_clean().await;
}

async fn sign_in(browser: &Browser, email: &str) {
    browser.goto("/sign-in").await;
    browser.fill("Email", email).await;
    browser.fill("Password", PASSWORD).await;
    browser.click_text("Sign in").await;
    browser.wait_path("/inbox").await;
}

async fn whole_path(width: u32, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let Some(browser) = Browser::start(&app.origin).await else { return };
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    let tag = format!("{width}{}", if scripts { "" } else { "-plain" });
    let seen = |name: &'static str| format!("{tag}-{name}");

    sign_in(&browser, &owner_email(&app).await).await;
    look(&browser, &seen("inbox-empty"), scripts).await;
    browser.goto("/patients").await;
    browser.fill("Find a patient", "mejia").await;
    browser.click_text("Search").await;
    browser.wait_text("María Mejía").await;
    look(&browser, &seen("patients"), scripts).await;
    browser.wait("ul.list a.item").await.click().await.unwrap();
    browser.wait_text("Demographics").await;
    look(&browser, &seen("chart"), scripts).await;
    browser.click_text("Start/Open").await;
    browser.click_text("Message Patient").await;
    browser.wait_text("New Message").await;
    look(&browser, &seen("new-message"), scripts).await;
    browser.fill("Title", "Your results").await;
    browser.fill("Message", "All is **well**.\n\n| Test | Value |\n|---|---|\n| Iron | 12 |").await;
    browser.click_text("Submit").await;
    browser.wait_text("Your message is in the conversation").await;
    let conversation = browser.path().await;
    look(&browser, &seen("conversation-new"), scripts).await;

    app.drain().await;
    let link = app.link_to("maria@example.org");
    browser.goto(&link).await;
    look(&browser, &seen("link"), scripts).await;
    browser.click_text("Send me my passcode").await;
    browser.wait_text("We are sending your passcode").await;
    app.drain().await;
    look(&browser, &seen("passcode"), scripts).await;
    browser.fill("Passcode", "000000").await;
    for (label, value) in [("Day", "4"), ("Month", "3"), ("Year", "1951")] {
        browser.fill(label, value).await;
    }
    browser.click_text("Login").await;
    browser.wait_text("do not match").await;
    look(&browser, &seen("passcode-wrong"), scripts).await;
    browser.fill("Passcode", &app.passcode_to(PHONE)).await;
    browser.click_text("Login").await;
    browser.wait_text("Your results").await;
    look(&browser, &seen("message"), scripts).await;
    browser.fill("Reply", "Thank you! See www.example.org").await;
    browser.click_text("Send").await;
    browser.wait_text("Your reply was sent").await;
    let message = browser.path().await;
    browser.goto("/portal/messages").await;
    look(&browser, &seen("messages"), scripts).await;
    browser.goto("/portal/information").await;
    look(&browser, &seen("portal-information"), scripts).await;

    browser.goto("/inbox").await;
    browser.wait_text("Waiting for us").await;
    look(&browser, &seen("inbox"), scripts).await;
    browser.goto(&conversation).await;
    browser.wait_text("Thank you! See www.example.org").await;
    browser.wait_text("· read ").await;
    browser.wait(".msg-foot .history summary").await.click().await.unwrap();
    browser.wait_text("read by patient").await;
    look(&browser, &seen("conversation"), scripts).await;
    browser.click_text("Close conversation").await;
    browser.wait_text("Close this conversation?").await;
    look(&browser, &seen("closure"), scripts).await;
    browser.click_text("Close conversation").await;
    browser.wait_text("Closed by User owner").await;
    look(&browser, &seen("conversation-closed"), scripts).await;
    browser.goto(&message).await;
    browser.wait_text("This conversation was closed").await;
    look(&browser, &seen("message-closed"), scripts).await;
    browser.click_text("Logout").await;
    browser.wait_text("You are logged out").await;
    look(&browser, &seen("portal"), scripts).await;

    let nothing = app.patient(Like { name: ("No", "Address"), email: None, phone: None, ..Like::default() }).await;
    for (name, path) in [
        ("alert", format!("/patients/{nothing}/messages/new")),
        ("information", format!("/patients/{maria}/information")),
        ("add-patient", "/patients/new".into()),
        ("outbox", "/outbox".into()),
        ("outbox-narrowed", "/outbox?state=failed&channel=sms&q=maria&from=2026-03-01".into()),
        ("settings-gateways", "/settings/gateways".into()),
        ("settings-emr", "/settings/emr".into()),
        ("settings-clinic", "/settings/clinic".into()),
        ("settings-portal", "/settings/patient-portal".into()),
        ("audit-log", "/settings/audit-log".into()),
        ("not-found", "/nothing-here".into()),
        ("link-over", "/portal/link/unknown".into()),
    ] {
        browser.goto(&path).await;
        look(&browser, &seen(name), scripts).await;
    }
    drop(owner);
}

#[tokio::test(flavor = "multi_thread")]
async fn wide() {
    whole_path(1280, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn narrow() {
    whole_path(360, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript() {
    whole_path(360, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_french() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let like = Like { language: "fr", phone: None, method: Method::Email, ..Like::default() };
    let patient = app.patient(like).await;
    app.message(&owner, patient, false).await;
    app.drain().await;
    assert!(app.newest_to("maria@example.org").subject.contains("vous attend"));
    let Some(browser) = Browser::start_in("fr-CA", &app.origin).await else { return };
    browser.size(360).await;
    browser.goto("/sign-in").await;
    browser.wait_text("Se connecter").await;
    look(&browser, "fr-sign-in", true).await;
    browser.goto(&app.link_to("maria@example.org")).await;
    browser.click_text("M’envoyer mon code d’accès").await;
    browser.wait_text("Nous envoyons votre code").await;
    app.drain().await;
    look(&browser, "fr-passcode", true).await;
    browser.fill("Code d’accès", &app.passcode_to("maria@example.org")).await;
    for (label, value) in [("Jour", "4"), ("Mois", "3"), ("Année", "1951")] {
        browser.fill(label, value).await;
    }
    browser.click_text("Se connecter").await;
    browser.wait_text("Les réponses sont désactivées").await;
    look(&browser, "fr-message", true).await;
}
