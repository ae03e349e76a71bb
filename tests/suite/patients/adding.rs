//! "Add a patient": the same person does not get a second chart by mistake.

use super::count;
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use crate::support::world::Like;
use postern::access::Role;

on_both!(
    a_form_that_is_sent_twice_adds_one,
    one_who_may_be_there_is_shown_and_asked_about,
    two_who_send_at_once_add_one,
);

const DORA: [(&str, &str); 9] = [
    ("given_name", "Dora"),
    ("family_name", "Double"),
    ("day", "1"),
    ("month", "2"),
    ("year", "1980"),
    ("health_number", "DOUB 8001 0211"),
    ("email", "dora@example.org"),
    ("language", "en"),
    ("method", "email"),
];

fn with(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let of = |name: &str| changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| *value);
    DORA.iter().map(|(name, value)| (*name, of(name).unwrap_or(value))).collect()
}

async fn form(user: &Actor) -> Page {
    user.get("/patients/new").await.ok()
}

fn chart(location: &str) -> String {
    location.split('?').next().unwrap().to_owned()
}

async fn a_form_that_is_sent_twice_adds_one(app: App) {
    let user = app.user(Role::Staff).await;
    let page = form(&user).await;
    let first = chart(&user.submit(&page, "Save", &DORA).await.redirect());
    // going back, a double click or a retry: the same page again leads to the same chart
    assert_eq!(chart(&user.submit(&page, "Save", &DORA).await.redirect()), first);
    assert_eq!(count(&app).await, 1);
    // the page was gone back to, and another person was typed over the first
    let other = with(&[("given_name", "Dan"), ("health_number", "DOUB 8001 0212")]);
    let second = chart(&user.submit(&page, "Save", &other).await.redirect());
    assert_ne!(second, first);
    assert_eq!(count(&app).await, 2);
    // the same words on a new page are recognised as an existing patient
    let again = user.submit(&form(&user).await, "Save", &DORA).await;
    assert_eq!(again.status, 422);
    assert_eq!(again.page().link("Open the chart of Dora Double"), first);
    assert_eq!(count(&app).await, 2);
}

async fn one_who_may_be_there_is_shown_and_asked_about(app: App) {
    let user = app.user(Role::Staff).await;
    let there = app.patient(Like::default()).await;
    for (why, typed) in [
        ("number and birth date", [("given_name", "Mary"), ("health_number", "943-476-5919"), ("year", "1951")]),
        (
            "a number with another birth date",
            [("given_name", "Mary"), ("health_number", "9434765919"), ("year", "1980")],
        ),
        ("name and birth date, no number", [("given_name", "maria"), ("health_number", ""), ("year", "1951")]),
        ("name and birth date, another number", [("given_name", "María"), ("health_number", "1"), ("year", "1951")]),
    ] {
        let mut typed = with(&typed);
        for (name, value) in [("family_name", "Mejia"), ("day", "4"), ("month", "3")] {
            typed.iter_mut().filter(|(field, _)| *field == name).for_each(|field| field.1 = value);
        }
        let before = count(&app).await;
        let answer = user.submit(&form(&user).await, "Save", &typed).await;
        assert_eq!(answer.status, 422, "{why}");
        let page = answer.page();
        assert_eq!(page.link("Open the chart of María Mejía"), format!("/patients/{there}"), "{why}");
        // both are shown, the existing patient's address masked; the typed words are kept
        assert!(page.has_text("m…@example.org") && !page.has_text("maria@example.org"), "{}", page.text());
        assert_eq!(page.form_with("Save").value("email").unwrap(), "dora@example.org");
        // "Save" again asks again, and so does a confirmation for a patient who was not shown
        let again = user.submit(&page, "Save", &[]).await;
        assert_eq!((again.status, count(&app).await), (422, before), "{why}");
        let blind: Vec<(&str, &str)> = typed.iter().copied().chain([("anyway", "1")]).collect();
        assert_eq!(user.post("/patients", &blind).await.status, 422, "{why}");
        assert_eq!(count(&app).await, before, "{why}");
    }
    // the user says that it is another person with the same number
    let typed = with(&[("health_number", "9434765919")]);
    let asked = user.submit(&form(&user).await, "Save", &typed).await;
    assert_eq!(asked.status, 422);
    let page = asked.page();
    let mut form = page.form("#add");
    form.forge("anyway", "1");
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let added = chart(&user.post("/patients", &fields).await.redirect());
    assert_ne!(added, format!("/patients/{there}"));
    assert_eq!(chart(&user.post("/patients", &fields).await.redirect()), added, "sent twice");
    assert_eq!(count(&app).await, 2);
}

async fn two_who_send_at_once_add_one(app: App) {
    let (a, b) = (app.user(Role::Staff).await, app.user(Role::Clinician).await);
    let (mine, theirs) = (form(&a).await, form(&b).await);
    let answers = tokio::join!(a.submit(&mine, "Save", &DORA), b.submit(&theirs, "Save", &DORA));
    let mut statuses = [answers.0.status, answers.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 422]);
    assert_eq!(count(&app).await, 1);
}
