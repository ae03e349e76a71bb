//! Teams in real Chromium: an owner makes one, a conversation goes to it, and one of its members takes it on: by the keyboard, on the
//! smallest phone in French, and without JavaScript.

use super::work_list::patient;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;

/// The browser of the first user, signed in.
async fn signed_in(app: &App, lang: Lang, (width, scripts): (u32, bool)) -> Option<Browser> {
    let code = lang.code();
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.order(users::id).select(users::email).first(tx.conn())?)
    });
    let email = write.await.unwrap();
    let browser = Browser::start_in(code, &app.origin).await?;
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    Some(browser)
}

async fn a_team_shares_work(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let conversation = app.message(&owner, patient(&app, "Ada", "ada@example.org").await, true).await;
    app.message(&owner, patient(&app, "Bea", "bea@example.org").await, true).await;
    app.drain().await;
    let lang = Lang::or_english(code);
    let Some(browser) = signed_in(&app, lang, (width, scripts)).await else { return };
    let name = |what: &str| format!("team-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.goto("/settings/teams").await;
    browser.wait_text(lang.t("teams-none")).await;
    browser.inspect(&name("none")).await;
    browser.click_text(lang.t("team-new")).await;
    browser.fill(lang.t("team-name"), "Reception").await;
    // nobody belongs to it yet
    browser.click_text(lang.t("save")).await;
    browser.wait_text(lang.t("error-team-members")).await;
    browser.inspect(&name("refused")).await;
    browser.js("document.querySelector('[name=member]').focus()").await;
    browser.keys(" ").await;
    browser.js("document.querySelectorAll('[name=member]')[1].click()").await;
    browser.click_text(lang.t("save")).await;
    browser.wait_text(lang.t_of("notice", "team-saved")).await;
    browser.wait_text("Reception").await;
    browser.inspect(&name("list")).await;
    browser.goto("/settings/teams/1").await;
    browser.wait_text(lang.t("team-archive-explained")).await;
    browser.inspect(&name("form")).await;
    // two conversations are ticked and given to it at once
    browser.goto("/inbox?filter=open").await;
    browser.wait(".work [name=conversation]").await;
    browser.js("document.querySelectorAll('.work [name=conversation]').forEach(box => box.click())").await;
    browser.inspect(&name("ticked")).await;
    browser.click_text(lang.t("inbox-assign")).await;
    // it is no mark that is made beside the page
    browser.wait_path("/inbox/assignment").await;
    browser.wait_text(lang.t("assign-many-explained")).await;
    browser.inspect(&name("many")).await;
    browser.js("document.querySelector('#user').value = 'team-1'").await;
    browser.click_text(lang.t("save")).await;
    browser.wait_text(&lang.t1("inbox-assigned", "count", 2_usize)).await;
    browser.inspect(&name("assigned")).await;
    // they stand with its members until one takes one on
    browser.goto("/inbox?filter=my_teams").await;
    browser.wait_text("Ada").await;
    browser.wait_text("Bea").await;
    browser.inspect(&name("mine")).await;
    browser.goto(&conversation).await;
    browser.wait_text(lang.t("participant-by-team")).await;
    browser.inspect(&name("conversation")).await;
    browser.click_text(lang.t("assign-to-me")).await;
    browser.wait_text(lang.t_of("notice", "assigned")).await;
    browser.goto("/inbox?filter=my_teams").await;
    browser.wait_text("Bea").await;
    assert_eq!(browser.js("return document.querySelectorAll('.work li').length").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_shares_work_wide_in_english() {
    a_team_shares_work(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_shares_work_on_the_smallest_phone_in_french() {
    a_team_shares_work(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_shares_work_without_javascript() {
    a_team_shares_work(390, "en", false).await;
}

/// The list of those who can be added offers teams too, found by their names and by the word for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_is_found_where_colleagues_are() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    owner.post("/settings/teams", &[("name", "Reception"), ("member", "2")]).await.redirect();
    let ada = patient(&app, "Ada", "ada@example.org").await;
    let lang = Lang::or_english("en");
    let Some(browser) = signed_in(&app, lang, (1280, true)).await else { return };
    browser.goto(&format!("/patients/{ada}/messages/new")).await;
    browser.wait("#to-input").await.click().await.unwrap();
    browser.keys("recep").await;
    browser.wait("#to-list:not([hidden]) [role=option]").await;
    for key in [Key::Down, Key::Enter] {
        browser.keys(&String::from(char::from(key))).await;
    }
    browser.wait(".combo-chips .chip:not(.fixed)").await;
    browser.inspect("team-found").await;
    let chosen = "return [...document.querySelector('#to').selectedOptions].map(one => one.value).join()";
    assert_eq!(browser.js(chosen).await, "patient,team-1");
}
