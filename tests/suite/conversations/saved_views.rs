//! A user keeps views of the inbox under names of their own; the inbox opens with the one that they choose.

use super::work_list::desk;
use crate::at_rest::with_key;
use crate::support::app::{Actor, App, On};
use crate::{on_both, on_each};
use diesel::prelude::*;
use diesel::sql_types::Text;
use futures_util::future::join;
use postern::access::Role;
use postern::delivery::Delivery;
use postern::error::AppError;

on_both!(
    a_view_is_kept_under_a_name,
    the_inbox_opens_with_it,
    names_are_ones_own_and_one_each,
    there_are_twelve_at_most,
    of_two_at_one_moment_one_gets_the_name,
    it_is_renamed_and_removed,
    a_view_is_its_users_alone,
);
on_each!(the_name_is_sealed);

/// The form that keeps what waits for the clinic under this name.
pub fn form(name: &str) -> [(&str, &str); 4] {
    [("name", name), ("scope", "all"), ("filter", "waiting_for_us"), ("order", "newest")]
}

/// Where [`form`] leads to, and what the view is opened by.
const AT: &str = "/inbox?scope=all&filter=waiting_for_us&order=newest";

/// What stands in the line of the user's views, and what of it is marked as shown.
async fn own(user: &Actor, path: &str) -> (Vec<String>, Vec<String>) {
    let page = user.get(path).await.ok();
    (page.texts_of("nav.own a"), page.texts_of("nav.own a[aria-current=page]"))
}

/// Which view the inbox shows: its scope, filter and order.
async fn shown(user: &Actor, path: &str) -> [String; 3] {
    let form = user.get(path).await.ok().form_with("Mark done");
    ["scope", "filter", "order"].map(|name| form.value(name).unwrap())
}

async fn a_view_is_kept_under_a_name(app: App) {
    let (me, other) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let page = me.get(AT).await.ok();
    assert_eq!(page.texts_of("nav.own a"), ["Save this view"]);
    let to = page.attrs_of("nav.own a", "href").pop().unwrap();
    let page = me.get(&to).await.ok();
    let filled = page.form_with("Save");
    assert_eq!(
        ["scope", "filter", "order"].map(|name| filled.value(name).unwrap()),
        ["all", "waiting_for_us", "newest"]
    );
    let saved = me.submit(&page, "Save", &[("name", "  Clinic   waits ")]).await;
    assert_eq!(saved.says(), (AT.to_owned(), "view-saved".to_owned()));
    assert_eq!(own(&me, AT).await, (vec!["Clinic waits".into(), "My views".into()], vec!["Clinic waits".into()]));
    assert_eq!(own(&me, "/inbox").await, (vec!["Clinic waits".into(), "Save this view".into()], vec![]));
    assert_eq!(me.get("/inbox").await.ok().attrs_of("nav.own a", "href")[0], AT);
    let list = me.get("/account/views").await.ok();
    assert!(list.has_text("Clinic waits All · Waiting for us · Newest first"), "{}", list.text());
    assert_eq!(own(&other, AT).await.0, ["Save this view"]);
    // a list that has but one order is kept in that one
    let one = [("name", "Assigned"), ("scope", "mine"), ("filter", "assigned"), ("order", "newest")];
    assert_eq!(me.post("/account/views", &one).await.redirect(), "/inbox?scope=mine&filter=assigned");
    // what is no view is none
    for (field, word) in [("scope", "ours"), ("filter", ""), ("order", "x")] {
        let wrong: Vec<(&str, &str)> =
            form("Wrong").into_iter().map(|(name, value)| (name, if name == field { word } else { value })).collect();
        assert_eq!(me.post("/account/views", &wrong).await.status, 400, "{field}");
    }
    assert_eq!(own(&me, "/inbox").await.0, ["Assigned", "Clinic waits", "Save this view"], "by name");
}

async fn the_inbox_opens_with_it(app: App) {
    let desk = desk(&app).await;
    assert_eq!(shown(&desk.me, "/inbox").await, ["mine", "to_do", "longest"]);
    let first = [&form("Clinic waits")[..], &[("opens_first", "on")]].concat();
    desk.me.post("/account/views", &first).await.redirect();
    assert_eq!(shown(&desk.me, "/inbox").await, ["all", "waiting_for_us", "newest"]);
    assert_eq!(own(&desk.me, "/inbox").await.1, ["Clinic waits"]);
    assert_eq!(desk.me.get("/inbox").await.ok().attrs_of("[data-live-inbox]", "data-live-inbox"), ["all"]);
    // what is asked for is shown
    assert_eq!(shown(&desk.me, "/inbox?filter=unread").await, ["mine", "unread", "newest"]);
    assert_eq!(shown(&desk.me, "/inbox?scope=all").await, ["all", "to_do", "longest"]);
    // for others it opens as it did
    assert_eq!(shown(&desk.other, "/inbox").await, ["mine", "to_do", "longest"]);
    // another one takes its place
    let second = [("name", "Open"), ("scope", "mine"), ("filter", "open"), ("order", "longest"), ("opens_first", "on")];
    desk.me.post("/account/views", &second).await.redirect();
    assert_eq!(shown(&desk.me, "/inbox").await, ["mine", "open", "longest"]);
    assert_eq!(desk.me.get("/account/views").await.ok().texts_of(".list .tag"), ["Opens first"]);
    desk.me.post("/account/views/1", &[("name", "Clinic waits"), ("opens_first", "on")]).await.redirect();
    assert_eq!(shown(&desk.me, "/inbox").await, ["all", "waiting_for_us", "newest"]);
    // and none, as it was
    let page = desk.me.get("/account/views/1").await.ok();
    let mut unticked = page.form_with("Save");
    unticked.clear("opens_first");
    let fields = unticked.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    desk.me.post("/account/views/1", &fields).await.redirect();
    assert_eq!(shown(&desk.me, "/inbox").await, ["mine", "to_do", "longest"]);
}

async fn names_are_ones_own_and_one_each(app: App) {
    let (me, other) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let long = "é".repeat(41);
    for name in ["", "   ", &*long] {
        let answer = me.post("/account/views", &form(name)).await;
        assert_eq!(answer.status, 422, "{name:?}");
        let page = answer.page();
        assert!(page.has_text("Name of the view: enter 1 to 40 characters"), "{}", page.text());
        let typed = page.form_with("Save");
        assert_eq!(typed.value("name").as_deref(), Some(name), "what was typed stays");
        assert_eq!(typed.value("filter").as_deref(), Some("waiting_for_us"));
    }
    me.post("/account/views", &form(&long[..80])).await.redirect();
    me.post("/account/views", &form("Élan")).await.redirect();
    for name in ["Élan", " élan"] {
        let page = me.post("/account/views", &form(name)).await;
        assert_eq!(page.status, 422, "{name:?}");
        assert!(page.page().has_text("you have one with this name"), "{}", page.page().text());
    }
    // another user's names are no names of mine, and a view may keep its own
    other.post("/account/views", &form("Élan")).await.redirect();
    assert_eq!(me.post("/account/views/2", &[("name", "ÉLAN")]).await.redirect(), "/account/views");
    let taken = me.post("/account/views/1", &[("name", "élan")]).await;
    assert_eq!(taken.status, 422);
    assert_eq!(taken.page().form_with("Save").value("name").as_deref(), Some("élan"));
    assert!(own(&me, "/inbox").await.0.contains(&"ÉLAN".to_owned()));
}

async fn there_are_twelve_at_most(app: App) {
    let me = app.user(Role::Clinician).await;
    for number in 1..=12 {
        me.post("/account/views", &form(&format!("View {number}"))).await.redirect();
    }
    let answer = me.post("/account/views", &form("One more")).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("You have 12 views"), "{}", answer.page().text());
    assert_eq!(own(&me, "/inbox").await.0.len(), 13);
    me.post("/account/views/5/removal", &[]).await.redirect();
    me.post("/account/views", &form("One more")).await.redirect();
}

async fn of_two_at_one_moment_one_gets_the_name(app: App) {
    let me = app.user(Role::Clinician).await;
    for round in 0..6 {
        let (one, two) = (format!("Round {round}"), format!("ROUND {round}"));
        let (one, two) = (form(&one), form(&two));
        let (a, b) = join(me.post("/account/views", &one), me.post("/account/views", &two)).await;
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422], "round {round}");
    }
}

async fn it_is_renamed_and_removed(app: App) {
    let me = app.user(Role::Clinician).await;
    me.post("/account/views", &form("Before")).await.redirect();
    let page = me.get("/account/views/1").await.ok();
    let saved = me.submit(&page, "Save", &[("name", "After")]).await.says();
    assert_eq!(saved, ("/account/views".into(), "view-saved".into()));
    assert_eq!(own(&me, AT).await.0, ["After", "My views"]);
    let page = me.get("/account/views/1").await.ok();
    assert!(page.has_text("All · Waiting for us · Newest first"), "{}", page.text());
    let gone = me.submit(&page, "Remove this view", &[]).await.says();
    assert_eq!(gone, ("/account/views".into(), "view-removed".into()));
    assert_eq!(own(&me, AT).await.0, ["Save this view"]);
    // a second window still has its page
    assert_eq!(me.submit(&page, "Save", &[("name", "Again")]).await.status, 404);
    assert_eq!(me.submit(&page, "Remove this view", &[]).await.status, 404);
}

async fn a_view_is_its_users_alone(app: App) {
    let (owner, viewer) = (app.user(Role::Owner).await, app.user(Role::Viewer).await);
    viewer.post("/account/views", &form("Mine alone")).await.redirect();
    assert_eq!(own(&viewer, "/inbox").await.0, ["Mine alone", "Save this view"], "who only reads keeps views too");
    assert_eq!(owner.get("/account/views/1").await.status, 404);
    assert_eq!(owner.post("/account/views/1", &[("name", "Theirs")]).await.status, 404);
    assert_eq!(owner.post("/account/views/1/removal", &[]).await.status, 404);
    assert!(!owner.get("/account/views").await.body.contains("Mine alone"));
    assert_eq!(own(&viewer, "/inbox").await.0, ["Mine alone", "Save this view"]);
}

#[derive(QueryableByName)]
struct Raw {
    #[diesel(sql_type = Text)]
    name: String,
}

async fn the_name_is_sealed(on: On) {
    let app = App::start_with_config(on, with_key(1), Delivery::mailbox).await;
    let me = app.user(Role::Clinician).await;
    me.post("/account/views", &form("Zquorkview")).await.redirect();
    assert_eq!(own(&me, AT).await.0, ["Zquorkview", "My views"]);
    let read = app.state.db.read(|conn| -> Result<Vec<Raw>, AppError> {
        Ok(diesel::sql_query("SELECT name FROM saved_views").load(conn)?)
    });
    let raw = read.await.unwrap();
    assert!(raw.len() == 1 && !raw[0].name.to_lowercase().contains("zquork"), "{}", raw[0].name);
}
