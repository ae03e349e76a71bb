//! The pages for checking a list and naming its columns, in Chromium: narrow and wide, light and dark, with and without
//! scripts, in both languages.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use postern::access::Role;

const WIDTHS: [u32; 3] = [320, 390, 1280];

/// Sets the language of the only user; gives their email address.
async fn email_of_the_user(app: &App, language: &'static str) -> String {
    use diesel::prelude::*;
    use postern::db::schema::users;
    let write = app.state.db.write(move |tx| -> Result<String, postern::error::AppError> {
        diesel::update(users::table).set(users::language.eq(language)).execute(tx.conn())?;
        Ok(users::table.select(users::email).first(tx.conn())?)
    });
    write.await.unwrap()
}

async fn look(browser: &Browser, name: &str) {
    for width in WIDTHS {
        browser.size(width).await;
        if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
            browser.screenshot(format!("{folder}/import-{name}-{width}.png")).await;
        }
        browser.axe().await;
        let wide = browser.js("return document.documentElement.scrollWidth").await;
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{name} scrolls sideways at {width}: {wide}");
    }
    browser.assert_clean().await;
}

async fn in_chromium(language: &'static str, scripts: bool, dark: bool) {
    let app = App::start(On::Sqlite).await;
    let user = app.user(Role::Staff).await;
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    let email = email_of_the_user(&app, language).await;
    app.patient(Like { name: ("Zoé", "Côté"), email: None, ..Like::default() }).await;
    if !scripts {
        browser.without_javascript().await;
    }
    if dark {
        browser.dark().await;
    }
    let words = |en, fr| if language == "fr" { fr } else { en };
    let name = |page: &str| {
        format!("{page}-{language}{}{}", if scripts { "" } else { "-plain" }, if dark { "-dark" } else { "" })
    };
    browser.goto("/sign-in").await;
    browser.fill(words("Email", "Courriel"), &email).await;
    browser.fill(words("Password", "Mot de passe"), PASSWORD).await;
    browser.click_text(words("Sign in", "Se connecter")).await;
    browser.wait_path("/inbox").await;
    browser.goto("/patients/import").await;
    look(&browser, &name("empty")).await;
    let list = "Patients 2026,,,,,\nNom du patient,Alpha,Cellulaire,Courriel,Adresse,Langue\n\
        \"ROY, Ann\",12/09/1960,x45,declined,1 Main,fr\n\"KIM, Lee\",,,,,\n\
        \"Cote, Zoe\",03/04/1951,514-555-0142,zoe@example.org,\"12, rue des Pins, app. 4\",en\nTotal: 3,,,,,\n";
    browser.wait("#list").await.send_keys(list).await.unwrap();
    let check = words("Check the list", "Vérifier la liste");
    browser.click_text(check).await;
    browser.wait(".error-summary").await;
    look(&browser, &name("columns")).await;
    browser.wait("#column-1").await.select_by_value("birth_date").await.unwrap();
    browser.click_text(check).await;
    browser.wait("input[name=dates]").await;
    look(&browser, &name("dates")).await;
    let month_first = words("the month comes before the day (12/31/1951)", "le mois vient avant le jour (12/31/1951)");
    browser.fill(month_first, "on").await;
    browser.click_text(check).await;
    browser.wait("#lines-left").await;
    browser.wait("#fields-left").await;
    look(&browser, &name("checked")).await;
    browser.click_text(words("Import the good lines", "Importer les bonnes lignes")).await;
    browser.wait("[role=status]").await;
    look(&browser, &name("done")).await;
    assert!(user.get("/patients?q=roy+1960-12-09").await.ok().has("a.item"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chromium_in_french() {
    in_chromium("fr", true, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chromium_without_scripts() {
    in_chromium("en", false, false).await;
}
