//! Pages that are open, in real Chromium: they change in place, and nobody loses scroll, focus, ticks or words.

use super::{id_of, patient_opens, patient_writes};
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::UserId;
use postern::db::schema::users;
use postern::error::AppError;
use postern::text::Lang;
use serde_json::json;
use time::Duration;

/// A browser in which this user is signed in.
pub async fn browser_of(app: &App, user: i64, lang: Lang) -> Option<Browser> {
    let code = lang.code();
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        let row = users::table.find(UserId(user));
        diesel::update(row).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(row.select(users::email).first(tx.conn())?)
    });
    let email = write.await.unwrap();
    let browser = Browser::start_in(code, &app.origin).await?;
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    browser.wait("html[data-enhanced]").await;
    Some(browser)
}

/// Waits until so many browsers listen: from then on nothing is missed.
pub async fn listening(app: &App, count: usize) {
    for _ in 0..400 {
        if app.state.live.count() == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{} listen", app.state.live.count());
}

async fn title(browser: &Browser, begins: &str) {
    let is_so = async || browser.js("return document.title").await.as_str().unwrap().starts_with(begins);
    browser.until(&format!("the title does not begin with {begins:?}"), is_so).await;
}

/// The list of work changes in place while somebody works with it.
async fn the_list_changes_in_place(width: u32, lang: Lang) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    let mut others = Vec::new();
    for number in 0..30 {
        let like = Like { email: Some(format!("p{number}@example.org")), phone: None, ..Like::default() };
        let other = app.patient(like).await;
        others.push(app.message(&owner, other, true).await);
        app.state.clock.advance(Duration::minutes(1));
    }
    let (patient, message) = patient_opens(&app).await;
    let Some(browser) = browser_of(&app, 1, lang).await else { return };
    browser.size(width).await;
    browser.goto("/inbox?filter=open").await;
    browser.wait("html[data-enhanced]").await;
    listening(&app, 1).await;
    title(&browser, lang.t("nav-inbox")).await;
    // a line in the middle, with room to scroll below it, is ticked and has the focus
    let held = format!(".work a[href='{}']", others[15]);
    let tick = format!(
        "const line = document.querySelector(\"{held}\").closest('li'); line.scrollIntoView({{block: 'center'}});
         line.querySelector('input').click(); line.querySelector('input').focus();
         window.before = line.getBoundingClientRect().top; window.document.body.dataset.kept = 'x'; return scrollY"
    );
    assert!(browser.js(&tick).await.as_f64().unwrap() > 100.0);
    app.state.clock.advance(Duration::minutes(1));
    patient_writes(&patient, &message, "I feel worse").await;
    title(&browser, "(1) ").await;
    browser.wait(&format!(".work li.unread:first-child a[href='{conversation}']")).await;
    let kept = format!(
        "const line = document.querySelector(\"{held}\").closest('li');
         return [line.querySelector('input').checked, document.activeElement === line.querySelector('input'),
                 Math.abs(line.getBoundingClientRect().top - window.before) < 2, document.body.dataset.kept]"
    );
    assert_eq!(browser.js(&kept).await, json!([true, true, true, "x"]));
    assert_eq!(browser.js("return document.querySelector('.bar .badge span').textContent").await, "1");
    let said =
        async || browser.js("return document.querySelector('.say')?.textContent").await == lang.t("js-live_list");
    browser.until("the change is not said", said).await;
    // scrolled down, what heads the list covers parts of lines
    browser.js("scrollTo(0, 0)").await;
    browser.inspect(&format!("live-inbox-{width}-{}", lang.code())).await;
    // what another page of the same user did changes it too; what is ticked stays
    owner.get(&conversation).await.ok();
    title(&browser, lang.t("nav-inbox")).await;
    owner.post("/inbox/done", &[("conversation", &id_of(&others[15]).to_string())]).await.redirect();
    let done = "return document.querySelector(\".counts a[href*='filter=done'] .badge\").textContent.trim()";
    browser.until("what is done is not counted", async || browser.js(done).await == "1").await;
    assert_eq!(browser.js(&kept).await[0], json!(true));
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_changes_in_place_wide() {
    the_list_changes_in_place(1280, Lang::or_english("en")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_changes_in_place_on_the_smallest_phone_in_french() {
    the_list_changes_in_place(320, Lang::or_english("fr")).await;
}

/// Two users before one conversation: one sees that the other is about to answer, the patient's reply comes, and words that are
/// being typed stay.
async fn two_answer_at_once(width: u32, lang: Lang) {
    let app = App::start(On::Sqlite).await;
    let ada = app.user(Role::Clinician).await;
    app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&ada, maria, true).await;
    let id = id_of(&conversation);
    ada.post(&format!("{conversation}/participants"), &[("to", "2")]).await.redirect();
    let (patient, message) = patient_opens(&app).await;
    let Some(first) = browser_of(&app, 1, lang).await else { return };
    let Some(second) = browser_of(&app, 2, lang).await else { return };
    for browser in [&first, &second] {
        browser.size(width).await;
        browser.goto(&conversation).await;
        browser.wait("html[data-enhanced]").await;
    }
    listening(&app, 2).await;
    // Ada types, and Sam sees it
    first.js("document.querySelector('#write textarea').focus()").await;
    first.wait(".ed-text").await;
    first
        .until("the editor has no focus", async || {
            first.js("return document.activeElement.matches('.ed-text')").await == true
        })
        .await;
    first.keys("Please take two").await;
    second.wait_text(&lang.t2("live-answering", "names", "User clinician", "count", 1_i64)).await;
    assert!(!first.is_visible("[data-answering]").await);
    second.inspect(&format!("live-answering-{width}-{}", lang.code())).await;
    // the patient writes meanwhile: told, and shown when asked for; what is typed stays
    patient_writes(&patient, &message, "I feel worse").await;
    for browser in [&first, &second] {
        browser.wait_text(&lang.t1("live-new-reply", "count", 1_i64)).await;
        title(browser, "(1) ").await;
        assert!(!browser.text().await.contains("I feel worse"));
    }
    let at_the_editor = "return document.activeElement.matches('.ed-text')";
    assert_eq!(first.js(at_the_editor).await, true, "the focus stays");
    first.inspect(&format!("live-news-{width}-{}", lang.code())).await;
    first.click_text(lang.t("live-show")).await;
    first.wait_text("I feel worse").await;
    let typed = "return document.querySelector('.ed-text').textContent";
    assert_eq!(first.js(typed).await, "Please take two");
    first
        .until("the new message has no focus", async || {
            first.js("return document.activeElement.matches('.msg.theirs:last-child')").await == true
        })
        .await;
    title(&first, "Your results").await;
    assert!(!first.is_visible("[data-news]").await);
    first.inspect(&format!("live-shown-{width}-{}", lang.code())).await;
    // it was shown, so nothing is asked when the answer goes out
    first.click_text(lang.t("send")).await;
    first.wait_text(lang.t_of("notice", "message-sent")).await;
    assert_eq!(first.path().await, conversation);
    // Sam has not asked for the reply, and is not typing over it unasked
    second.wait_text(&lang.t1("live-new-reply", "count", 2_i64)).await;
    second.wait_gone("[data-answering]").await;
    // the state below a message changes in place
    app.drain().await;
    first
        .until("the state of the notification is not shown", async || {
            first
                .js("return [...document.querySelectorAll('.msg-foot')].at(-1).textContent")
                .await
                .as_str()
                .unwrap()
                .contains(lang.t_of("notice-state", "sent"))
        })
        .await;
    // a colleague closes it: said, and shown when asked for
    ada.post(&format!("/conversations/{id}/closure"), &[]).await.redirect();
    second.wait_text(lang.t("live-changed")).await;
    second.click_text(lang.t("live-show")).await;
    second.wait_text(lang.t("closed-undo")).await;
    for browser in [&first, &second] {
        browser.assert_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_answer_at_once_wide() {
    two_answer_at_once(1280, Lang::or_english("en")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_answer_at_once_on_the_smallest_phone_in_french() {
    two_answer_at_once(320, Lang::or_english("fr")).await;
}

/// Several tabs of one browser share a stream; when the tab that reads it goes, another reads on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_share_one_stream() {
    let app = App::start(On::Sqlite).await;
    let ada = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&ada, maria, true).await;
    let (patient, message) = patient_opens(&app).await;
    let Some(browser) = browser_of(&app, 1, Lang::or_english("en")).await else { return };
    listening(&app, 1).await;
    browser.js("window.other = open('/inbox?scope=all')").await;
    let is_there = "return Boolean(window.other.document?.documentElement?.dataset.enhanced === '')";
    browser.until("the other tab does not open", async || browser.js(is_there).await == true).await;
    assert_eq!(app.state.live.count(), 1);
    patient_writes(&patient, &message, "I feel worse").await;
    title(&browser, "(1) ").await;
    let other = "return window.other.document.title";
    let told = async || browser.js(other).await.as_str().unwrap().starts_with("(1) ");
    browser.until("the other tab is not told", told).await;
    // the first tab goes elsewhere; the other one reads, and tells it there too
    browser.assert_clean().await;
    browser.js("location.href = 'about:blank'").await;
    browser.other_window().await;
    browser.wait("html[data-enhanced]").await;
    ada.get(&conversation).await.ok();
    title(&browser, "Inbox").await;
    patient_writes(&patient, &message, "And worse").await;
    title(&browser, "(1) ").await;
    listening(&app, 1).await;
    browser.assert_clean().await;
}

/// From here on what the page asks for at such an address is lost, `times` times.
async fn lose(browser: &Browser, part: &str, times: u32, how: &str) {
    let script = format!(
        "const real = window.fetch; window.lost = 0; window.least = {times}; Math.random = () => .99
         window.fetch = (url, ...rest) => String(url).includes({part:?}) && window.lost < window.least
             ? (window.lost++, {how}) : real(url, ...rest)"
    );
    browser.js(&script).await;
}

/// What could not be fetched is asked for again, although nothing else happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_failed_is_repeated() {
    let app = App::start(On::Sqlite).await;
    let ada = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&ada, maria, true).await;
    let (patient, message) = patient_opens(&app).await;
    let Some(browser) = browser_of(&app, 1, Lang::or_english("en")).await else { return };
    let page = patient.get(&message).await.ok();
    browser.goto(&conversation).await;
    browser.wait("html[data-enhanced]").await;
    listening(&app, 1).await;
    lose(&browser, "/live", 1, "Promise.reject(new TypeError('lost'))").await;
    patient.submit(&page, "Send", &[("body", "I feel worse")]).await.redirect();
    browser.wait_text(&Lang::or_english("en").t1("live-new-reply", "count", 1_i64)).await;
    assert_eq!(browser.js("return window.lost").await, 1);

    // the list, where the server is not well
    let page = patient.get(&message).await.ok();
    browser.goto("/inbox?filter=open").await;
    browser.wait("html[data-enhanced]").await;
    listening(&app, 1).await;
    lose(&browser, "/inbox?", 1, "Promise.resolve(new Response('', {status: 503}))").await;
    patient.submit(&page, "Send", &[("body", "Much worse")]).await.redirect();
    browser.wait(".work li.unread").await;
    browser.wait_text("Much worse").await;
    assert_eq!(browser.js("return window.lost").await, 1);

    // by the third failure the next try is seconds away: a page that is shown again does not wait for it
    let page = patient.get(&message).await.ok();
    browser.goto("/inbox?filter=open").await;
    browser.wait("html[data-enhanced]").await;
    listening(&app, 1).await;
    lose(&browser, "/inbox?", 99, "Promise.reject(new TypeError('lost'))").await;
    patient.submit(&page, "Send", &[("body", "Well again")]).await.redirect();
    for count in [2, 3] {
        let is_lost = async || browser.js("return window.lost").await == count;
        browser.until("it is not asked for again", is_lost).await;
    }
    assert!(!browser.text().await.contains("Well again"));
    browser.js("window.least = 0; document.dispatchEvent(new Event('visibilitychange'))").await;
    browser.wait_text("Well again").await;
}
