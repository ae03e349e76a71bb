//! The state of an item at its source, as users see it: on the chart, the item, the PDF and the conversation.

use super::later_files::{A, ann, bundle, observation, subject, with};
use crate::on_both;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use postern::access::Role;
use serde_json::{Value, json};

on_both!(a_conversation_tells_of_each_copy_that_was_taken_back_since);

fn sodium(status: &str) -> Value {
    with(&observation("o2", "Sodium", "2026-02-01T09:00:00Z"), json!({"status": status}))
}

fn glucose(status: &str) -> Value {
    with(&observation("o1", "Glucose", "2026-02-01T10:00:00Z"), json!({"status": status}))
}

async fn send(user: &crate::support::app::Actor, key: &str, item: &str) -> String {
    let fields = [
        ("title", "Your results"),
        ("body", "They are fine"),
        ("key", key),
        ("replies_allowed", "on"),
        ("chart_item", item),
    ];
    user.post("/patients/1/messages/new", &fields).await.redirect().split('?').next().unwrap().to_owned()
}

async fn a_conversation_tells_of_each_copy_that_was_taken_back_since(app: App) {
    let day = time::Duration::days(1);
    app.import(bundle(A, &[ann(), glucose("final"), sodium("final")]), None).await;
    let user = app.user(Role::Staff).await;
    let first = send(&user, "0123456789abcdef", "1").await;
    let told = async |conversation: &str| user.get(conversation).await.ok().texts_of(".msg p.alert");
    assert!(told(&first).await.is_empty());
    app.state.clock.advance(day);
    app.import(bundle(A, &[ann(), sodium("entered-in-error")]), None).await;
    app.state.clock.advance(day);
    let user = app.user(Role::Staff).await;
    let second = send(&user, "fedcba9876543210", "1").await;
    let told = async |conversation: &str| user.get(conversation).await.ok().texts_of(".msg p.alert");
    let one = told(&first).await;
    assert!(one.len() == 1 && one[0].contains("a part of this on 5 March 2026"), "{one:?}");
    assert!(told(&second).await.is_empty(), "it was sent without it");
    // another part is withdrawn, which the second copy contains too
    app.state.clock.advance(day);
    let user = app.user(Role::Staff).await;
    let told = async |conversation: &str| user.get(conversation).await.ok().texts_of(".msg p.alert");
    app.import(bundle(A, &[ann(), with(&observation("o3", "Iron", "2026-02-01T11:00:00Z"), json!({}))]), None).await;
    assert!(told(&second).await.is_empty(), "what came besides takes nothing back");
    app.import(bundle(A, &[ann(), glucose("entered-in-error")]), None).await;
    let two = told(&second).await;
    assert!(two.len() == 1 && two[0].contains("a part of this on 7 March 2026"), "{two:?}");
    // the whole item is withdrawn
    app.import(
        bundle(
            A,
            &[ann(), with(&observation("o3", "Iron", "2026-02-01T11:00:00Z"), json!({"status": "entered-in-error"}))],
        ),
        None,
    )
    .await;
    let whole = told(&second).await;
    assert!(whole.len() == 1 && whole[0].contains("the source withdrew this on 7 March 2026"), "{whole:?}");
    // the sent copies stay as they were
    assert_eq!(user.get(&format!("{first}/attachments/1?as=page")).await.status, 200);
}

/// Makes a chart with items of every state; gives the paths of its prescription, its document, and a conversation with
/// a copy of the document.
async fn world(app: &App) -> [String; 3] {
    let document = |status: &str| {
        json!({"resourceType": "DocumentReference", "id": "d", "status": status, "subject": subject(), "date": "2026-02-03T10:00:00Z",
            "description": "Referral", "content": [{"attachment": {"title": "scan.pdf", "url": "https://elsewhere.example/scan.pdf"}}]})
    };
    let order = json!({"resourceType": "MedicationRequest", "id": "m", "status": "on-hold", "subject": subject(), "authoredOn": "2025-11",
        "medicationCodeableConcept": {"text": "Ibuprofen"}, "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 400,
        "unit": "mg"}}], "timing": {"repeat": {"frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h"}},
        "maxDosePerPeriod": {"numerator": {"value": 1200, "unit": "mg"}, "denominator": {"value": 1, "code": "d"}}}]});
    let iron = observation("o3", "Iron", "2026-02-01T11:00:00Z");
    let all = [ann(), glucose("preliminary"), sodium("final"), iron, document("current"), order];
    app.import(bundle(A, &all), None).await;
    let user = app.user(Role::Staff).await;
    let chart = user.get("/patients/1").await.ok();
    let path = |title: &str| chart.links().into_iter().find(|link| link.text.starts_with(title)).unwrap().href;
    let (prescription, document_item) = (path("Ibuprofen"), path("Referral"));
    let conversation = send(&user, "0123456789abcdef", document_item.rsplit('/').next().unwrap()).await;
    app.state.clock.advance(time::Duration::days(1));
    app.import(bundle(A, &[ann(), document("entered-in-error"), sodium("entered-in-error")]), None).await;
    [prescription, document_item, conversation]
}

/// Each page in Chromium, in this language: its words, narrow and wide, and axe.
async fn in_a_browser(language: &'static str) {
    let app = App::start(On::Sqlite).await;
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    let [prescription, document, conversation] = world(&app).await;
    app.user(Role::Staff).await;
    let email = crate::patients::email_of_the_user(&app, language).await;
    let words = |en, fr| if language == "fr" { fr } else { en };
    browser.goto("/sign-in").await;
    browser.fill(words("Email", "Courriel"), &email).await;
    browser.fill(words("Password", "Mot de passe"), PASSWORD).await;
    browser.click_text(words("Sign in", "Se connecter")).await;
    browser.wait_path("/inbox").await;
    browser.goto("/patients/1").await;
    browser.wait_text("Ibuprofen").await;
    let text = browser.text().await;
    for said in [
        words("Prescription · November 2025", "Ordonnance · novembre 2025"),
        words("On hold", "En attente"),
        words("Not all results are final", "Certains résultats ne sont pas finaux"),
        words("Withdrawn by the source on 5 March 2026", "Retiré par la source le 5 mars 2026"),
        words("The source withdrew a part of this on", "La source a retiré une partie de ce document le"),
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    look(&browser, language, "chart").await;
    for (name, path, said) in [
        ("prescription", &prescription, words("400 mg; every 4–6 hours", "400 mg; toutes les 4–6 heures")),
        ("prescription", &prescription, words("1200 mg a day", "1200 mg par jour")),
        ("document", &document, words("Withdrawn by the source on", "Retiré par la source le")),
        ("document", &document, words("The source has not sent it", "La source ne l’a pas envoyé")),
    ] {
        browser.goto(path).await;
        browser.wait_text(said).await;
        look(&browser, language, name).await;
    }
    browser.goto(&conversation).await;
    browser.wait_text(words("The patient still has the copy", "en a toujours la copie")).await;
    look(&browser, language, "conversation").await;
}

async fn look(browser: &Browser, language: &str, name: &str) {
    for width in [320, 1280] {
        browser.size(width).await;
        if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
            browser.screenshot(format!("{folder}/states-{language}-{name}-{width}.png")).await;
        }
        browser.axe().await;
    }
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_states_are_in_words_in_english() {
    in_a_browser("en").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_states_are_in_words_in_french() {
    in_a_browser("fr").await;
}
