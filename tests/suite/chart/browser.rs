//! The chart browser: kinds with counts, a date range that says what it hides, and ticks that stay.

use super::items::{add, days_ago, fill};
use crate::on_both;
use crate::support::app::{Actor, App, On};
use crate::support::browser::Browser;
use crate::support::html::{Form, Page};
use crate::support::world::{Like, PASSWORD};
use postern::access::Role;
use postern::chart::{ItemKind, Stored};
use postern::db::{ChartItemId, PatientId};

on_both!(
    dates_hide_and_say_so,
    an_old_chart_does_not_open_empty,
    ticks_stay_across_kinds_searches_and_pages,
    only_items_of_this_chart_are_taken,
    an_item_is_previewed_where_one_is,
    a_large_chart_is_chosen_from_as_quickly_as_a_small_one,
);

async fn world(app: &App) -> (PatientId, Vec<ChartItemId>) {
    let patient = app.patient(Like::default()).await;
    let mut ids = Vec::new();
    for (n, (kind, days, title)) in [
        (ItemKind::LabResult, 10, "Lipid panel"),
        (ItemKind::LabResult, 100, "Renal panel"),
        (ItemKind::Letter, 200, "Referral"),
        (ItemKind::LabResult, 500, "Old panel"),
        (ItemKind::Letter, 900, "Old letter"),
    ]
    .into_iter()
    .enumerate()
    {
        match add(app, patient, &n.to_string(), kind, days_ago(days), title, "content of it").await {
            Stored::New(id) => ids.push(id),
            other => panic!("{other:?}"),
        }
    }
    (patient, ids)
}

fn path(patient: PatientId) -> String {
    format!("/patients/{patient}/chart-browser")
}

/// Ticks these items and presses a button of the chart browser, as without JavaScript.
async fn press(user: &Actor, page: &Page, ticks: &[ChartItemId], button: &str) -> crate::support::app::Answer {
    let mut form = page.form("form[data-chart-browser]");
    for id in ticks {
        form.set("chart_item", &id.to_string());
    }
    form.press(button);
    send(user, &form).await
}

/// Sends the form and follows where it leads; asserts that no word of the search is in the address.
async fn send(user: &Actor, form: &Form) -> crate::support::app::Answer {
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let to = user.post(&form.action, &fields).await.redirect();
    assert!(!to.contains("q="), "{to}");
    user.get(&to).await
}

fn listed(page: &Page) -> Vec<String> {
    page.texts_of(".picks .title")
}

async fn dates_hide_and_say_so(app: App) {
    let (patient, _) = world(&app).await;
    let user = app.user(Role::Staff).await;
    let page = user.get(&path(patient)).await.ok();
    assert_eq!(listed(&page), ["Lipid panel", "Renal panel", "Referral"]);
    assert_eq!(page.form("form[data-chart-browser]").value("from").unwrap(), "2025-03-04", "the last twelve months");
    assert!(page.has_text("3 items.") && page.has_text("These dates hide 2 items."), "{}", page.text());
    let kinds = page.texts_of(".kinds button");
    assert_eq!(kinds[..3], ["All 3", "Encounters 0", "Lab results 2"]);

    let labs = press(&user, &page, &[], "Lab results 2").await.ok();
    assert_eq!(listed(&labs), ["Lipid panel", "Renal panel"]);
    assert!(labs.has_text("These dates hide 1 item."));
    assert_eq!(labs.texts_of("[aria-current=true]"), ["Lab results 2"]);
    let all = press(&user, &labs, &[], "Show items of all dates").await.ok();
    assert_eq!(listed(&all), ["Lipid panel", "Renal panel", "Old panel"]);
    assert!(!all.has_text("hide"));
    // emptied dates stay empty, and the words are searched in the other items
    let mut form = all.form("form[data-chart-browser]");
    form.set("q", "old");
    let found = send(&user, &form).await.ok();
    assert_eq!(listed(&found), ["Old panel"]);
    assert_eq!(found.texts_of(".kinds button")[..3], ["All 2", "Encounters 0", "Lab results 1"]);
}

async fn an_old_chart_does_not_open_empty(app: App) {
    let patient = app.patient(Like::default()).await;
    for (n, days) in [500, 900].into_iter().enumerate() {
        add(&app, patient, &n.to_string(), ItemKind::Letter, days_ago(days), &format!("Letter {n}"), "").await;
    }
    let user = app.user(Role::Staff).await;
    let page = user.get(&path(patient)).await.ok();
    assert_eq!(listed(&page), ["Letter 0", "Letter 1"]);
    assert!(page.has_text("Nothing is newer than a year"), "{}", page.text());
    assert_eq!(page.texts_of(".spans [aria-pressed=true]"), ["All"]);
    assert_eq!(page.texts_of(".kinds .none").len(), ItemKind::ALL.len() - 1, "kinds without items are grey");
    // who asks for a span gets that span
    let page = press(&user, &page, &[], "1 year").await.ok();
    assert!(listed(&page).is_empty() && page.has_text("These dates hide 2 items."), "{}", page.text());

    let (patient, _) = world(&app).await;
    let page = user.get(&path(patient)).await.ok();
    assert_eq!(page.texts_of(".spans [aria-pressed=true]"), ["1 year"]);
    let page = press(&user, &page, &[], "3 months").await.ok();
    assert_eq!(listed(&page), ["Lipid panel"]);
    let mut form = page.form("form[data-chart-browser]");
    form.set("from", "2024-01-01");
    let page = send(&user, &form).await.ok();
    assert_eq!((listed(&page).len(), page.count(".spans [aria-pressed=true]")), (4, 0), "other dates are no span");
}

async fn ticks_stay_across_kinds_searches_and_pages(app: App) {
    let (patient, ids) = world(&app).await;
    for n in 0..60 {
        add(&app, patient, &format!("file {n}"), ItemKind::File, days_ago(20), &format!("File {n}"), "").await;
    }
    let user = app.user(Role::Clinician).await;
    let page = user.get(&path(patient)).await.ok();
    let page = press(&user, &page, &[ids[0]], "Letters 1").await.ok();
    assert_eq!(page.text_of("[data-count]"), "1");
    assert_eq!(page.texts_of("fieldset .title"), ["Lipid panel"], "what is ticked elsewhere stays in sight");
    let page = press(&user, &page, &[ids[2]], "Files 60").await.ok();
    assert_eq!((page.text_of("[data-count]").as_str(), listed(&page).len()), ("2", 50));
    let page = press(&user, &page, &[], "Older").await.ok();
    assert_eq!((page.text_of("[data-count]").as_str(), listed(&page).len()), ("2", 10));
    let last: ChartItemId = ChartItemId(page.attr(".picks li:last-child input", "value").unwrap().parse().unwrap());
    let page = press(&user, &page, &[last], "Back to the newest").await.ok();
    assert_eq!((page.text_of("[data-count]").as_str(), listed(&page).len()), ("3", 50));
    let page = press(&user, &page, &[], "Apply").await.ok();
    assert_eq!(page.texts_of("fieldset .title").len(), 3);
    let to = press(&user, &page, &[], "Select").await.redirect();
    let expected = format!(
        "/patients/{patient}/messages/new?chosen=1&chart_item={}&chart_item={last}&chart_item={}",
        ids[0], ids[2]
    );
    assert_eq!(to, expected, "ids and nothing else");
    // an item that was unticked is not chosen any more
    let mut form = page.form("form[data-chart-browser]");
    form.clear("chart_item");
    form.press("Select");
    let to = send(&user, &form).await.redirect();
    assert_eq!(to, format!("/patients/{patient}/messages/new?chosen=1"));
}

async fn only_items_of_this_chart_are_taken(app: App) {
    let (patient, ids) = world(&app).await;
    let other = app.patient(Like { name: ("Otto", "Other"), ..Like::default() }).await;
    let user = app.user(Role::Staff).await;
    let forged = format!("{}?chart_item={}&chart_item=99999&chart_item=x", path(other), ids[0]);
    let page = user.get(&forged).await.ok();
    assert!(!page.has_text("Lipid panel"));
    assert_eq!(page.text_of("[data-count]"), "0");
    assert_eq!(
        user.get(&format!("{forged}&select=1")).await.redirect(),
        format!("/patients/{other}/messages/new?chosen=1")
    );
    assert_eq!(user.get(&format!("{}?show={}", path(other), ids[0])).await.status, 404);
    let viewer = app.user(Role::Viewer).await;
    assert_eq!(viewer.get(&path(patient)).await.status, 403, "who may not write, does not choose");
}

async fn an_item_is_previewed_where_one_is(app: App) {
    let (patient, ids) = world(&app).await;
    let user = app.user(Role::Staff).await;
    let page = user.get(&path(patient)).await.ok();
    let page = press(&user, &page, &[ids[1]], "Preview Lipid panel").await.ok();
    assert_eq!(page.text_of(".preview h2"), "Lipid panel");
    assert!(page.text_of(".preview").contains("content of it"));
    assert_eq!((listed(&page).len(), page.text_of("[data-count]").as_str()), (3, "1"));
    // the preview is shown once: the next page shows the list without it
    assert!(!press(&user, &page, &[], "Apply").await.ok().has(".preview"));
}

async fn a_large_chart_is_chosen_from_as_quickly_as_a_small_one(app: App) {
    let (small, large) = (app.patient(Like::default()).await, app.patient(Like::default()).await);
    // as many items as fill a page of each kind
    fill(&app, small, 500).await;
    fill(&app, large, 20_000).await;
    let user = app.user(Role::Staff).await;
    for query in ["", "?kind=letter", "?all_dates=1&kind=letter"] {
        let (one, other) = (format!("{}{query}", path(small)), format!("{}{query}", path(large)));
        super::items::quick_as(&user, (&one, &other), 2).await;
    }
}

/// In Chromium: by the keyboard, with and without scripts, at a phone's width; axe on each state.
async fn in_chromium(width: u32, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let (patient, _) = world(&app).await;
    app.user(Role::Staff).await;
    let Some(browser) = Browser::start(&app.origin).await else { return };
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    let email = super::email_of_the_user(&app).await;
    browser.goto("/sign-in").await;
    browser.fill("Email", &email).await;
    browser.fill("Password", PASSWORD).await;
    browser.click_text("Sign in").await;
    browser.wait_path("/inbox").await;
    browser.goto(&path(patient)).await;
    browser.wait_text("These dates hide 2 items.").await;
    browser.wait(".picks li:first-child input").await.click().await.unwrap();
    browser.wait(".kinds button[value=letter]").await.click().await.unwrap();
    browser.wait("fieldset input[checked]").await;
    browser.wait(".picks li:first-child input").await.click().await.unwrap();
    browser.wait(".picks li:first-child button[name=show]").await.click().await.unwrap();
    browser.wait(".preview").await;
    assert_eq!(browser.wait("[data-count]").await.text().await.unwrap(), "2");
    if let Ok(folder) = std::env::var("POSTERN_TEST_SCREENSHOTS") {
        let name = format!("{folder}/chart-browser-{width}{}.png", if scripts { "" } else { "-plain" });
        browser.screenshot(name).await;
    }
    if scripts {
        // the answer replaced the form: the address is the same, and the preview has the focus
        assert_eq!(browser.path().await, path(patient));
        assert_eq!(browser.js("return document.activeElement.id").await, "preview");
        browser.axe().await;
        // words are looked for as they are typed, and typing goes on
        browser.fill("Search", "ref").await;
        browser.until_count(".kinds .none", ItemKind::ALL.len() as u64 - 1).await;
        let typed = browser.js("const e = document.activeElement; return [e.id, e.value, e.selectionStart]").await;
        assert_eq!(typed, serde_json::json!(["browse-q", "ref", 3]));
        // what is ticked in the list is in sight below it, and is taken back there
        browser.wait("[data-ticked] button").await.click().await.unwrap();
        assert_eq!(browser.wait("[data-count]").await.text().await.unwrap(), "1");
        // Enter in the search field shows the list, it does not choose a kind
        browser.fill("Search", "old").await;
        browser.keys("\u{e007}").await;
        browser.wait_text("Nothing in the chart fits").await;
        assert_eq!(browser.js("return document.activeElement.id").await, "browse-q");
    }
    browser.click_text("Select").await;
    browser.wait_text("New Message").await;
    browser.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chromium_wide() {
    in_chromium(1280, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chromium_on_a_phone_without_scripts() {
    in_chromium(360, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chromium_on_a_phone() {
    in_chromium(360, true).await;
}
