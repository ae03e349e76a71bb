//! Enter in the fields of the main pages and the two tabs of a conversation, in a browser, with and without JavaScript.

use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;

struct Desk {
    app: App,
    browser: Browser,
    patient: String,
    conversation: String,
}

/// A user who is signed in over HTTP and in a browser, with a conversation.
async fn desk(language: &str) -> Option<Desk> {
    let app = App::start(On::Sqlite).await;
    let user = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&user, patient, true).await;
    app.drain().await;
    let code = language.to_owned();
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    let email = write.await.unwrap();
    let browser = Browser::start_in(language, &app.origin).await?;
    browser.goto("/sign-in").await;
    browser.wait("#email").await.send_keys(&email).await.unwrap();
    // this form has one main action, and Enter does it
    browser.wait("#password").await.send_keys(&format!("{PASSWORD}{}", enter())).await.unwrap();
    browser.wait_path("/inbox").await;
    Some(Desk { app, browser, patient: format!("/patients/{patient}"), conversation })
}

fn enter() -> String {
    String::from(char::from(Key::Enter))
}

/// Presses Enter in each visible one-line field of a form, and asserts that the page stays; gives their number.
async fn enter_everywhere(browser: &Browser, form: &str) -> u64 {
    let script = format!(
        "window.fields = [...document.querySelectorAll('{form} input:not([type=hidden], [type=file])')]
            .filter(field => field.checkVisibility())
        return window.fields.length"
    );
    let count = browser.js(&script).await.as_u64().unwrap();
    for index in 0..count {
        let name = format!("window.fields[{index}].focus(); return window.fields[{index}].outerHTML");
        let field = browser.js(&name).await;
        browser.keys(&enter()).await;
        assert_eq!(browser.js("return window.fields?.length ?? -1").await, count, "Enter in {field} left the page");
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enter_sends_and_deletes_nothing() {
    for scripts in [true, false] {
        let Some(desk) = desk("en").await else { return };
        let browser = &desk.browser;
        if !scripts {
            browser.without_javascript().await;
        }
        let new = format!("{}/messages/new", desk.patient);
        browser.goto(&new).await;
        let draft = [("title", "Iron"), ("body", "Precious"), ("key", "0123456789abcdef"), ("draft_version", "1")];
        browser.fill("Title", "Iron").await;
        if scripts {
            browser.wait("#body-rich").await.send_keys("Precious").await.unwrap();
            browser.wait_text("Draft saved").await;
        } else {
            browser.wait("#body").await.send_keys(draft[1].1).await.unwrap();
            browser.click_text("Save draft").await;
            browser.wait_text("Draft saved. It is offered again").await;
        }
        browser.goto(&new).await;
        browser.wait_text("Your draft from").await;
        if scripts {
            browser.wait("#body-rich").await;
        }
        // the fields in the fold too
        browser.js("document.querySelector('#compose .options-fold').open = true").await;
        assert!(enter_everywhere(browser, "#compose").await > 3);
        assert_eq!(browser.path().await, new, "scripts: {scripts}");
        assert_eq!(browser.value("Title").await, "Iron");
        browser.goto(&new).await;
        browser.wait_text("Your draft from").await;
        assert_eq!(browser.value("Title").await, "Iron");
        for page in [desk.conversation.clone(), format!("{}/notes", desk.conversation)] {
            browser.goto(&page).await;
            browser.wait("#body").await.send_keys("Words").await.unwrap();
            enter_everywhere(browser, "form.reply").await;
            assert_eq!(browser.path().await, page, "scripts: {scripts}");
            assert_eq!(browser.js("return document.querySelectorAll('.msg').length").await, 1);
        }
        // where a form has one main action, Enter does it
        browser.goto(&format!("{}/information", desk.patient)).await;
        browser.wait("#preferred_name").await.send_keys(&format!("Mía{}", enter())).await.unwrap();
        browser.wait_text("The information was saved").await;
        browser.goto("/patients").await;
        browser.wait("#q").await.send_keys(&format!("Mej{}", enter())).await.unwrap();
        browser.wait_text("Mejía").await;
        assert!(browser.path().await.starts_with("/patients?sought="), "no name stands in the address");
        assert_eq!(browser.js("return document.querySelector('#q').value").await, "Mej");
        browser.assert_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tabs_keep_what_is_typed() {
    for (language, words) in [
        ("en", ["Internal note", "Reply draft", "Draft saved", "Add note", "The note was added"]),
        (
            "fr",
            ["Note interne", "Réponse brouillon", "Brouillon enregistré", "Ajouter la note", "La note a été ajoutée"],
        ),
    ] {
        let Some(desk) = desk(language).await else { return };
        let browser = &desk.browser;
        for width in [1280, 320] {
            browser.size(width).await;
            browser.goto(&desk.conversation).await;
            browser.wait("html[data-enhanced]").await;
            browser.axe().await;
            if width == 1280 {
                browser.js("document.querySelector('#body').focus()").await;
                browser.wait("#body-rich").await.send_keys("To the patient").await.unwrap();
                browser.wait_text(words[2]).await;
            }
            browser.click_text(words[0]).await;
            browser.wait("form.note").await;
            browser.wait("html[data-enhanced]").await;
            browser.axe().await;
            let wide = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
            assert!(browser.js(wide).await.as_bool().unwrap(), "{language} {width}");
        }
        browser.size(1280).await;
        browser.js("document.querySelector('#body').focus()").await;
        browser.wait("#body-rich").await.send_keys("Among us").await.unwrap();
        browser.click_text(words[3]).await;
        browser.wait_text(words[4]).await;
        // the notice is beside what was added, in the visible part of the page
        let in_sight = "const b = document.querySelector('.said').getBoundingClientRect();
            return b.top >= 0 && b.bottom <= innerHeight";
        assert!(browser.js(in_sight).await.as_bool().unwrap());
        browser.click_text(words[1]).await;
        browser.wait("form.reply:not(.note)").await;
        let kept = browser.js("return document.querySelector('#body').value").await;
        assert_eq!(kept.as_str().unwrap().trim(), "To the patient");
        browser.axe().await;
        browser.assert_clean().await;
        desk.app.drain().await;
    }
}
