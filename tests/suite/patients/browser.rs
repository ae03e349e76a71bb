//! The pages for one person with two charts, in a browser: axe, narrow and wide, both languages, with and without
//! JavaScript.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::patients;
use postern::error::AppError;

const WIDTHS: [u32; 3] = [320, 390, 1280];

async fn look(browser: &Browser, name: &str) {
    browser.inspect_at(&WIDTHS, &format!("patients-{name}")).await;
}

async fn every_page(language: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    let owner = app.user(Role::Owner).await;
    let email = super::email_of_the_user(&app, language).await;
    let one = app.patient(Like::default()).await;
    let other = app.patient(Like { name: ("Maria", "Mejía"), ..Like::default() }).await;
    let gone = app.patient(Like { name: ("Otto", "Other"), email: None, phone: None, ..Like::default() }).await;
    let held = app.patient(Like { name: ("Hedda", "Held"), email: None, phone: None, ..Like::default() }).await;
    owner.post(&format!("/patients/{held}/hold"), &[("note", "Claim 7 of the estate")]).await.redirect();
    let long_ago = app.state.clock.now().plus(-time::Duration::days(4_000));
    for patient in [gone, held] {
        owner.post(&format!("/patients/{patient}/archiving"), &[("reason", "left")]).await.redirect();
    }
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let row = diesel::update(patients::table.find(gone));
        Ok(row.set(patients::archived_at.eq(long_ago)).execute(tx.conn())?)
    });
    write.await.unwrap();
    let periods = ["keep_deceased_years", "keep_left_years", "keep_mistake_years"].map(|period| (period, "10"));
    owner.post("/settings/records", &[&periods[..], &[("keep_until_age", "0")]].concat()).await.says();
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
    for (page, path) in [
        ("chart", format!("/patients/{one}")),
        ("doubles", "/patients/doubles".into()),
        ("archiving", format!("/patients/{one}/archiving")),
        ("held", format!("/patients/{held}")),
        ("hold", format!("/patients/{held}/hold")),
        ("held-deletion", format!("/patients/{held}/deletion")),
        ("deletion", format!("/patients/{gone}/deletion")),
        ("records", "/settings/records".into()),
        ("merging-search", format!("/patients/{one}/merging")),
        ("merging", format!("/patients/{one}/merging?with={other}")),
    ] {
        browser.goto(&path).await;
        look(&browser, &name(page)).await;
    }
    let apart = words("These are two people", "Ce sont deux personnes");
    browser.goto(&format!("/patients/{one}/merging?with={other}")).await;
    browser.click_text(apart).await;
    browser.wait_text(words("Two people who look alike", "Deux personnes qui se ressemblent")).await;
    look(&browser, &name("told-apart")).await;
    browser.goto("/settings/records").await;
    browser.js("document.querySelector('input[name=patient]').click()").await;
    browser.click_text(words("Delete the chosen records for good", "Supprimer pour de bon les dossiers choisis")).await;
    browser
        .wait_text(words(
            "The chosen records that are due were deleted.",
            "Les dossiers choisis qui sont à supprimer ont été supprimés.",
        ))
        .await;
    browser.goto("/settings/records/deleted").await;
    look(&browser, &name("deleted")).await;
    browser.goto("/patients/new").await;
    for (label, value) in [
        (words("Family name", "Nom de famille"), "Mejía"),
        (words("Given names", "Prénoms"), "María"),
        (words("Day", "Jour"), "4"),
        (words("Month", "Mois"), "3"),
        (words("Year", "Année"), "1951"),
    ] {
        browser.fill(label, value).await;
    }
    browser.click_text(words("Save", "Enregistrer")).await;
    browser.wait("#alike").await;
    look(&browser, &name("alike")).await;
    browser.goto(&format!("/patients/{one}/merging?with={other}")).await;
    browser.click_text(words("Merge the charts", "Fusionner les dossiers")).await;
    browser.wait_text(words("Undo the merge", "Annuler la fusion")).await;
    look(&browser, &name("merged")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_the_pages_of_doubles_hold_in_english() {
    every_page("en", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_the_pages_of_doubles_hold_in_french_without_javascript() {
    every_page("fr", false).await;
}
