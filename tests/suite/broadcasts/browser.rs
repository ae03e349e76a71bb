//! A message to many in real Chromium: wide, on the smallest phone in French, and without JavaScript.

use super::crowd;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;

async fn a_message_goes_to_many(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    app.user(Role::Owner).await;
    crowd(&app, 25).await;
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    let (email, lang) = (write.await.unwrap(), Lang::or_english(code));
    let Some(browser) = Browser::start_in(code, &app.origin).await else { return };
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    let name = |what: &str| format!("many-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.goto("/patients").await;
    browser.inspect(&name("patients")).await;
    browser.click_text(lang.t("many-title")).await;
    browser.wait_path("/broadcasts").await;
    browser.inspect(&name("none")).await;
    browser.click_text(lang.t("many-new")).await;
    browser.wait_path("/broadcasts/new").await;
    if scripts {
        browser.wait("[contenteditable=true]").await;
    }
    browser.inspect(&name("form")).await;
    // a file for everybody, which stays on the form whatever else is wrong with it
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flu.txt");
    std::fs::write(&file, "Come any day").unwrap();
    let enter = String::from(char::from(Key::Enter));
    browser.wait(".attach .add > summary").await.send_keys(&enter).await.unwrap();
    browser.wait("#files").await.send_keys(&file.display().to_string()).await.unwrap();
    if !scripts {
        browser.click_text(lang.t("add-files")).await;
    }
    browser.wait("[data-files] [data-remove]").await;
    browser.inspect(&name("file")).await;
    // a list of nobody is refused, and the words stay
    browser.fill(lang.t("many-recipients"), "X1").await;
    browser.fill(lang.t("title"), "Flu shots").await;
    browser.fill(lang.t("message"), "Dear {{patient.given_name}}").await;
    browser.click_text(lang.t("many-check")).await;
    browser.wait_text(lang.t("error-many-nobody")).await;
    browser.inspect(&name("refused")).await;
    assert_eq!(browser.value(lang.t("title")).await, "Flu shots");
    browser.wait("[data-files] [data-remove]").await;
    let list: Vec<String> = (1..=25).map(|n| format!("H{n:06}")).chain(["X1".to_owned()]).collect();
    if scripts {
        browser.wait("[contenteditable=true]").await;
    }
    browser.fill(lang.t("many-recipients"), &list.join("\n")).await;
    browser.click_text(lang.t("many-check")).await;
    browser.wait_path("/broadcasts/1").await;
    browser.wait_text("Dear María").await;
    browser.wait_text("flu.txt").await;
    browser.inspect(&name("checked")).await;
    browser.click_text(&lang.t1("many-send", "count", 25_i64)).await;
    browser.wait_text(lang.t_of("many-now", "sending")).await;
    browser.inspect(&name("going")).await;
    app.drain().await;
    match scripts {
        // the page follows by itself
        true => browser.wait("progress[value='20']").await,
        false => {
            browser.click_text(lang.t("many-refresh")).await;
            browser.wait("progress[value='20']").await
        }
    };
    browser.inspect(&name("further")).await;
    app.state.clock.advance(time::Duration::seconds(1));
    app.drain().await;
    if !scripts {
        browser.click_text(lang.t("many-refresh")).await;
    }
    browser.wait_text(lang.t_of("many-now", "done")).await;
    browser.wait_gone("form[action$=stopping]").await;
    browser.inspect(&name("done")).await;
    if scripts {
        browser.dark().await;
        browser.inspect(&name("done-dark")).await;
        browser.light().await;
    }
    browser.goto("/conversations/1").await;
    browser.wait_text(&lang.t1("many-part", "user", "User owner")).await;
    browser.wait_text("flu.txt").await;
    browser.inspect(&name("conversation")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_in_english() {
    a_message_goes_to_many(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_smallest_phone_in_french() {
    a_message_goes_to_many(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript() {
    a_message_goes_to_many(390, "en", false).await;
}
