//! The page of the opening hours: what is typed comes back, what is wrong is said, and of two who save one is asked.

use crate::on_both;
use crate::support::app::{Actor, App};
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::db::schema::{answer_promise, audit_events, closed_days, opening_hours};
use postern::error::AppError;

on_both!(
    hours_come_back_as_they_were_typed,
    what_is_wrong_is_said_and_kept,
    a_promise_needs_hours_in_which_it_can_be_kept,
    days_that_are_over_go,
);

/// From when to when [`set_hours`] opens the clinic.
pub const OPEN: (&str, &str) = ("09:00", "17:00");

/// Opens the clinic from Monday to Friday, and promises an answer within `amount` of `unit`.
pub async fn set_hours(owner: &Actor, unit: &str, amount: &str) {
    let mut form = vec![("promise_unit", unit), ("promise_amount", amount)];
    for (from, until) in [
        ("from_1", "until_1"),
        ("from_2", "until_2"),
        ("from_3", "until_3"),
        ("from_4", "until_4"),
        ("from_5", "until_5"),
    ] {
        form.extend([(from, OPEN.0), (until, OPEN.1)]);
    }
    assert_eq!(owner.post("/settings/hours", &form).await.says().1, "settings-saved");
}

/// How many rows there are of each table, and of audit rows about the hours.
async fn rows(app: &App) -> (i64, i64, i64, i64) {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let changed = audit_events::table.filter(audit_events::action.eq(Event::SettingsChanged.as_str()));
        Ok((
            opening_hours::table.count().get_result(conn)?,
            closed_days::table.count().get_result(conn)?,
            answer_promise::table.count().get_result(conn)?,
            changed.count().get_result(conn)?,
        ))
    });
    read.await.unwrap()
}

async fn hours_come_back_as_they_were_typed(app: App) {
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/hours").await.ok();
    assert_eq!(page.form_with("Save").value("promise_unit").as_deref(), Some("off"), "nothing is promised by itself");
    let typed = [
        ("from_1", "08:30"),
        ("until_1", "12:00"),
        ("from_again_1", "13:00"),
        ("until_again_1", "16:45"),
        ("from_6", "20:00"),
        ("until_6", "00:00"),
        ("closed_day", "2026-12-25"),
        ("closed_name", "Christmas & more"),
        ("promise_unit", "days"),
        ("promise_amount", "2"),
    ];
    let told = owner.submit(&page, "Save", &typed).await.says();
    assert_eq!(told, ("/settings/hours".to_owned(), "settings-saved".to_owned()));
    let page = owner.get("/settings/hours").await.ok();
    let form = page.form_with("Save");
    for (name, value) in typed {
        assert_eq!(form.value(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(rows(&app).await, (3, 1, 1, 1));
    // with empty lines below, and the days in their order
    owner.submit(&page, "Save", &[]).await.redirect();
    let again = owner.get("/settings/hours").await.ok();
    let typed_in = |form: &crate::support::html::Form| -> Vec<(String, String)> {
        form.fields().into_iter().filter(|(name, _)| name != "whose" && name != "seen").collect()
    };
    assert_eq!(typed_in(&again.form_with("Save")), typed_in(&form));
    assert_eq!(page.count("input[name=closed_day]"), 5);
    // a day that is emptied is gone
    owner.submit(&page, "Save", &[("closed_day", ""), ("closed_name", ""), ("promise_unit", "off")]).await.redirect();
    assert_eq!(rows(&app).await, (3, 0, 0, 3));
    // the audit log names the page, never what was typed
    let read = app.state.db.read(move |conn| -> Result<Vec<Option<String>>, AppError> {
        let changed = audit_events::table.filter(audit_events::action.eq(Event::SettingsChanged.as_str()));
        Ok(changed.select(audit_events::detail.nullable()).load(conn)?)
    });
    assert!(read.await.unwrap().iter().all(|detail| detail.as_deref() == Some("hours")));
}

async fn what_is_wrong_is_said_and_kept(app: App) {
    let owner = app.user(Role::Owner).await;
    let before = rows(&app).await;
    for (typed, said) in [
        (vec![("from_2", "9 am"), ("until_2", "17:00")], "Tuesday: enter from when until when"),
        (vec![("from_2", "09:00")], "Tuesday: enter from when until when"),
        (vec![("from_7", "17:00"), ("until_7", "09:00")], "Sunday: enter from when until when"),
        (
            vec![("from_3", "09:00"), ("until_3", "12:00"), ("from_again_3", "11:00"), ("until_again_3", "15:00")],
            "Wednesday: enter from when until when",
        ),
        (vec![("closed_day", "2026-02-30"), ("closed_name", "No day")], "enter each date"),
        (vec![("closed_day", "2026-12-25"), ("closed_name", "")], "give each day a name"),
        (
            vec![
                ("closed_day", "2026-12-25"),
                ("closed_name", "A"),
                ("closed_day", "2026-12-25"),
                ("closed_name", "B"),
            ],
            "a day is there twice",
        ),
        (vec![("promise_unit", "days"), ("promise_amount", "31")], "enter a number of days from 1 to 30"),
        (vec![("promise_unit", "hours"), ("promise_amount", "0")], "enter a number of hours from 1 to 200"),
        (vec![("promise_unit", "hours"), ("promise_amount", "")], "enter a number of hours from 1 to 200"),
    ] {
        let answer = owner.post("/settings/hours", &typed).await;
        assert_eq!(answer.status, 422, "{typed:?}");
        let page = answer.page();
        assert!(page.text_of(".error-summary").contains(said), "{typed:?}: {}", page.text_of(".error-summary"));
        let kept = page.form_with("Save").fields();
        for (name, value) in typed {
            assert!(kept.contains(&(name.to_owned(), value.to_owned())), "{name} {value}: {kept:?}");
        }
    }
    assert_eq!(rows(&app).await, before);
}

async fn a_promise_needs_hours_in_which_it_can_be_kept(app: App) {
    let owner = app.user(Role::Owner).await;
    let two = [("promise_unit", "hours"), ("promise_amount", "2")];
    let answer = owner.post("/settings/hours", &two).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("the clinic is not open long enough for this"), "{}", answer.page().text());
    // a quarter of an hour each week is not enough for 200 hours
    let rarely = [("from_1", "09:00"), ("until_1", "09:15"), ("promise_unit", "hours"), ("promise_amount", "200")];
    assert_eq!(owner.post("/settings/hours", &rarely).await.status, 422);
    let enough = [&rarely[..3], &[("promise_amount", "2")]].concat();
    owner.post("/settings/hours", &enough).await.redirect();
}

async fn days_that_are_over_go(app: App) {
    let owner = app.user(Role::Owner).await;
    // today in Toronto is 4 March 2026
    let days = [("2026-03-03", "Yesterday"), ("2026-03-04", "Today"), ("2026-03-05", "Tomorrow")];
    let form: Vec<(&str, &str)> =
        days.iter().flat_map(|(day, name)| [("closed_day", *day), ("closed_name", *name)]).collect();
    owner.post("/settings/hours", &form).await.redirect();
    assert_eq!(rows(&app).await.1, 2);
    app.state.clock.advance(time::Duration::days(1));
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/hours").await.ok();
    assert_eq!(page.form_with("Save").value("closed_name").as_deref(), Some("Tomorrow"));
    owner.submit(&page, "Save", &[]).await.redirect();
    assert_eq!(rows(&app).await.1, 1);
}
