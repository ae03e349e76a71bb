//! Marks of the inbox beside the page, in real Chromium: seen at once, heard, undone; and taken back with the reason where
//! the server refuses them, does not answer, or knows nobody.

use super::work_list::{patient, patient_writes};
use crate::support::app::{Actor, App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use fantoccini::key::Key;
use postern::access::Role;
use postern::db::schema::{sessions, users};
use postern::error::AppError;
use postern::text::Lang;
use serde_json::json;

struct Desk {
    app: App,
    user: Actor,
    browser: Browser,
    lang: Lang,
}

/// Three conversations in which the patient wrote, before a user at the inbox.
async fn desk(code: &'static str, width: u32) -> Option<Desk> {
    let app = App::start(On::Sqlite).await;
    let user = app.user(Role::Clinician).await;
    for (given, email) in [("Ada", "a@example.org"), ("Bea", "b@example.org"), ("Cleo", "c@example.org")] {
        let conversation = app.message(&user, patient(&app, given, email).await, true).await;
        patient_writes(&app, &conversation).await;
        app.state.clock.advance(time::Duration::minutes(1));
    }
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).first(tx.conn())?)
    });
    let (email, lang) = (write.await.unwrap(), Lang::or_english(code));
    let browser = Browser::start_in(code, &app.origin).await?;
    browser.size(width).await;
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    browser.wait("html[data-enhanced]").await;
    browser.until_count(".work > li", 3).await;
    // a page that is loaded anew does not have this
    browser.js("window.stayed = true").await;
    Some(Desk { app, user, browser, lang })
}

impl Desk {
    /// Ticks the line of this patient.
    async fn tick(&self, given: &str) {
        let script = format!(
            "[...document.querySelectorAll('.work > li')].find(one => one.textContent.includes({given:?}))
             .querySelector('.pick input').click()"
        );
        self.browser.js(&script).await;
    }

    /// Waits until these lines are seen, and ticked or not.
    async fn lines(&self, wanted: &[(&str, bool)]) {
        let script = "return [...document.querySelectorAll('.work > li')].filter(one => one.checkVisibility())
            .map(one => [one.querySelector('.who').textContent.match(/Ada|Bea|Cleo/)[0], one.querySelector('.pick input').checked]).sort()";
        let wanted = json!(wanted);
        let is_so = async || self.browser.js(script).await == wanted;
        self.browser.until(&format!("the lines are not {wanted}"), is_so).await;
    }

    /// The patients of whose conversations the user has something to do, by the server.
    async fn to_do(&self) -> usize {
        self.user.get("/inbox").await.ok().count(".work > li")
    }

    /// What the page asks for when something is marked is answered by this.
    async fn answered(&self, by: &str) {
        let script = format!(
            "const real = window.fetch
             window.fetch = (url, ...rest) => String(url).startsWith('/inbox/') && !String(url).includes('count') ? {by} : real(url, ...rest)"
        );
        self.browser.js(&script).await;
    }
}

async fn two_are_done_and_that_is_undone(code: &'static str, width: u32) {
    let Some(desk) = desk(code, width).await else { return };
    let (browser, lang) = (&desk.browser, desk.lang);
    desk.tick("Ada").await;
    desk.tick("Bea").await;
    browser.click_text(lang.t("mark-done")).await;
    desk.lines(&[("Cleo", false)]).await;
    browser.wait_text(&lang.t1("inbox-marked-done", "count", 2_i64)).await;
    let heard = "return document.querySelector('.toast').closest('[role=status]') !== null";
    assert_eq!(browser.js(heard).await, true);
    assert_eq!(desk.to_do().await, 1);
    browser.wait_still().await;
    browser.inspect(&format!("toast-{width}-{code}")).await;
    browser.dark().await;
    browser.inspect(&format!("toast-dark-{width}-{code}")).await;
    browser.click_text(lang.t("inbox-undo")).await;
    browser.wait_text(lang.t_of("notice", "not-done-any-more")).await;
    desk.lines(&[("Ada", false), ("Bea", false), ("Cleo", false)]).await;
    assert_eq!(desk.to_do().await, 3);
    // closed by its button, and the focus is not lost
    browser.js("document.querySelector('.toast > button').focus()").await;
    browser.keys(&String::from(char::from(Key::Enter))).await;
    browser.until_count(".toast", 0).await;
    assert_eq!(browser.js("return [document.activeElement.id, window.stayed]").await, json!(["main", true]));
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_are_done_and_that_is_undone_wide_in_english() {
    two_are_done_and_that_is_undone("en", 1280).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_are_done_and_that_is_undone_on_the_smallest_phone_in_french() {
    two_are_done_and_that_is_undone("fr", 320).await;
}

/// The last line leaves the list by the keyboard: the page says that there is nothing more, and has the focus.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_focus_goes_on_to_the_next_line() {
    let Some(desk) = desk("en", 1280).await else { return };
    let browser = &desk.browser;
    let enter = String::from(char::from(Key::Enter));
    let names =
        "return [...document.querySelectorAll('.work .who')].map(one => one.textContent.match(/Ada|Bea|Cleo/)[0])";
    let names: Vec<String> = serde_json::from_value(browser.js(names).await).unwrap();
    browser.js("document.querySelector('.work > li:nth-child(2) .pick input').focus()").await;
    browser.keys(" ").await;
    browser.keys(&enter).await;
    // the next one, and where there is none the one before
    for (given, left) in [(&names[2], 2), (&names[0], 1)] {
        let at = format!("return document.activeElement.closest('li')?.textContent.includes({given:?}) === true");
        browser.until("the focus is lost", async || browser.js(&at).await == true).await;
        // the mark before has been answered
        browser.until("it is not marked", async || desk.to_do().await == left).await;
        browser.wait(".toast").await;
        browser.keys(" ").await;
        browser.keys(&enter).await;
    }
    browser.wait_text(desk.lang.t("inbox-all-done")).await;
    assert_eq!(browser.js("return [document.activeElement.id, window.stayed]").await, json!(["main", true]));
    browser.assert_clean().await;
}

/// What is not done comes back, with its ticks and the reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_taken_back() {
    let Some(desk) = desk("en", 1280).await else { return };
    let (browser, lang) = (&desk.browser, desk.lang);
    let all = [("Ada", false), ("Bea", true), ("Cleo", false)];
    for (answer, why) in [
        ("Promise.reject(new TypeError('lost'))", "mark_offline"),
        ("Promise.resolve(new Response('', {status: 503}))", "mark_offline"),
        ("Promise.resolve(new Response('', {status: 409}))", "mark_refused"),
        ("Promise.resolve(new Response('', {status: 201, headers: {'X-Location': '/sign-in'}}))", "mark_signed_out"),
    ] {
        browser.reload().await;
        browser.wait("html[data-enhanced]").await;
        browser.until_count(".work > li", 3).await;
        desk.answered(answer).await;
        desk.tick("Bea").await;
        browser.click_text(lang.t("mark-done")).await;
        browser.wait_text(lang.t(&format!("js-{why}"))).await;
        desk.lines(&all).await;
        browser.until_count("[aria-busy]", 0).await;
        browser.click_text(lang.t("mark-unread")).await;
        browser.wait_text(lang.t(&format!("js-{why}"))).await;
        desk.lines(&all).await;
    }
    browser.wait_still().await;
    browser.inspect("toast-refused").await;
    assert_eq!(desk.to_do().await, 3);
    // while the answer is under way it looks as if it were done
    browser.reload().await;
    browser.wait("html[data-enhanced]").await;
    desk.answered("new Promise((_, refuse) => { window.lose = () => refuse(new TypeError('lost')) })").await;
    desk.tick("Bea").await;
    browser.click_text(lang.t("mark-done")).await;
    desk.lines(&[("Ada", false), ("Cleo", false)]).await;
    browser.js("window.lose()").await;
    desk.lines(&all).await;
    browser.assert_clean().await;
}

/// A session that has ended in another place: nothing is marked, and nothing is left marked on the page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_marked_without_a_session() {
    let Some(desk) = desk("en", 1280).await else { return };
    let browser = &desk.browser;
    let write = desk.app.state.db.write(|tx| -> Result<_, AppError> {
        // the browser's session is the newest one
        let newest = sessions::table.order(sessions::created_at.desc()).select(sessions::token_hash);
        let newest: Vec<u8> = newest.first(tx.conn())?;
        Ok(diesel::delete(sessions::table.find(newest)).execute(tx.conn())?)
    });
    assert_eq!(write.await.unwrap(), 1);
    desk.tick("Ada").await;
    browser.click_text(desk.lang.t("mark-done")).await;
    browser.wait_text(desk.lang.t("js-mark_signed_out")).await;
    desk.lines(&[("Ada", true), ("Bea", false), ("Cleo", false)]).await;
    assert_eq!(desk.to_do().await, 3);
}

/// A form that is on its way goes once; its button shows it, and comes back when the page is shown again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_button_shows_that_it_works() {
    let Some(desk) = desk("en", 1280).await else { return };
    let browser = &desk.browser;
    browser.goto("/account").await;
    browser.wait("html[data-enhanced]").await;
    let pressed = "window.gone ??= 0
        window.count ??= addEventListener('submit', event => {
          if (!event.defaultPrevented) window.gone++
          event.preventDefault()
        }) ?? true
        const button = document.querySelector('form[action=\"/account/keys\"] button')
        button.click()
        return [window.gone, button.getAttribute('aria-busy')]";
    assert_eq!(browser.js(pressed).await, json!([1, "true"]));
    assert_eq!(browser.js(pressed).await, json!([1, "true"]), "the second press goes nowhere");
    let shown = "dispatchEvent(new Event('pageshow'))
        return document.querySelectorAll('[aria-busy]').length";
    assert_eq!(browser.js(shown).await, 0);
    assert_eq!(browser.js(pressed).await, json!([2, "true"]));
    browser.assert_clean().await;
}
