//! Postal addresses that come with the records of other systems: the best one in force, and never in place of the clinic's own.

use super::later_files::{A, ann, bundle, with};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::{BORN, Like};
use diesel::prelude::*;
use postern::access::Role;
use postern::chart::import::Summary;
use postern::db::PatientId;
use postern::db::schema::patients as table;
use postern::error::AppError;
use postern::patients;
use serde_json::{Value, json};

on_both!(
    the_best_address_in_force_comes_along,
    a_source_changes_what_it_said_and_nothing_else,
    an_address_that_cannot_be_read_costs_only_itself,
    a_merge_that_is_undone_leaves_no_address_behind,
);

const B: &str = "https://lab.example/fhir";

fn at(street: &str) -> Value {
    json!([{"use": "home", "line": [street], "city": "Ottawa", "state": "ON", "postalCode": "K1A 0B1", "country": "CA"}])
}

async fn ann_says(app: &App, base: &str, address: Value) -> Summary {
    app.import(bundle(base, &[with(&ann(), json!({ "address": address }))]), None).await
}

async fn patient(app: &App) -> PatientId {
    let read = app.state.db.read(|conn| -> Result<PatientId, AppError> {
        let own = table::table.filter(table::family_name.eq("Ash")).order(table::id.desc());
        Ok(own.select(table::id).first(conn)?)
    });
    read.await.unwrap()
}

async fn lines(app: &App, patient: PatientId) -> Vec<String> {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> { Ok(patients::postal_address(conn, patient)?) });
    read.await.unwrap().map(|address| address.lines()).unwrap_or_default()
}

async fn write(user: &Actor, patient: PatientId, street: &str) {
    let page = user.get(&format!("/patients/{patient}/postal-address")).await.ok();
    let fields = match street {
        "" => [("street", ""), ("city", ""), ("region", ""), ("postal_code", ""), ("country", "")],
        street => [("street", street), ("city", "Hull"), ("region", "QC"), ("postal_code", "J8X 3X7"), ("country", "")],
    };
    user.submit(&page, "Save", &fields).await.redirect();
}

fn kept(summary: &Summary) -> usize {
    summary.skipped.get(&("Patient.address".to_owned(), "clinics_own")).copied().unwrap_or_default()
}

async fn the_best_address_in_force_comes_along(app: App) {
    let one = |line: &str, more: Value| {
        with(&json!({"line": [line], "city": "Hull", "state": "QC", "postalCode": "J8X 3X7"}), more)
    };
    let all = json!([
        one("1 Old Street", json!({"use": "old", "type": "postal"})),
        one("2 Over Street", json!({"use": "home", "type": "postal", "period": {"end": "2025-12"}})),
        one("3 Later Street", json!({"use": "home", "type": "postal", "period": {"start": "2030-01-01"}})),
        one("4 Work Street", json!({"use": "work", "type": "postal"})),
        one("5 Visitors Street", json!({"use": "home", "type": "physical"})),
        {"use": "home", "type": "both", "line": ["Apt  4", "12 Elm Street"], "city": "Ottawa", "state": "CA-ON",
            "postalCode": "k1a0b1", "country": "Canada", "period": {"start": "2020"}},
    ]);
    let summary = ann_says(&app, A, all).await;
    assert!(summary.skipped.is_empty(), "{summary:?}");
    let ann = patient(&app).await;
    assert_eq!(lines(&app, ann).await, ["Apt 4", "12 Elm Street", "Ottawa ON  K1A 0B1"]);
    let user = app.user(Role::Clinician).await;
    assert!(user.get(&format!("/patients/{ann}")).await.ok().has_text("12 Elm Street"));
    // abroad, with its country
    let abroad = json!([{"line": ["1 Rue Haute"], "city": "Lyon", "postalCode": "69001", "country": "France"}]);
    ann_says(&app, A, abroad).await;
    assert_eq!(lines(&app, ann).await, ["1 Rue Haute", "Lyon  69001", "FRANCE"]);
}

async fn a_source_changes_what_it_said_and_nothing_else(app: App) {
    let user = app.user(Role::Clinician).await;
    assert_eq!(kept(&ann_says(&app, A, at("1 Elm Street")).await), 0);
    let ann = patient(&app).await;
    assert_eq!(kept(&ann_says(&app, A, at("2 Elm Street")).await), 0);
    assert_eq!(lines(&app, ann).await[0], "2 Elm Street");
    // another source has another address, which is told
    assert_eq!(kept(&ann_says(&app, B, at("3 Elm Street")).await), 1);
    assert_eq!(patient(&app).await, ann);
    // a file that says nothing of it leaves it
    app.import(bundle(A, &[super::later_files::ann()]), None).await;
    assert_eq!(lines(&app, ann).await[0], "2 Elm Street");
    // whoever saves it as it is has not written another one
    let page = user.get(&format!("/patients/{ann}/postal-address")).await.ok();
    user.submit(&page, "Save", &[]).await.redirect();
    assert_eq!(kept(&ann_says(&app, A, at("2 Elm Street, rear")).await), 0);
    assert_eq!(lines(&app, ann).await[0], "2 Elm Street, rear");
    // one that has ended is gone, but no other source's word ends it
    let over = with(&at("2 Elm Street, rear")[0], json!({"period": {"end": "2025-12-31"}}));
    ann_says(&app, B, json!([over])).await;
    assert_eq!(lines(&app, ann).await[0], "2 Elm Street, rear");
    ann_says(&app, A, json!([over])).await;
    assert!(lines(&app, ann).await.is_empty());
    assert_eq!(kept(&ann_says(&app, A, at("2 Elm Street, rear")).await), 0);
    // what a user wrote stays, and so does that they took it away
    write(&user, ann, "9 Oak Street").await;
    assert_eq!(kept(&ann_says(&app, A, at("4 Elm Street")).await), 1);
    assert_eq!(lines(&app, ann).await[0], "9 Oak Street");
    write(&user, ann, "").await;
    assert_eq!(kept(&ann_says(&app, A, at("5 Elm Street")).await), 1);
    assert!(lines(&app, ann).await.is_empty());
    assert!(!user.get(&format!("/patients/{ann}")).await.ok().has_text("Elm Street"));
    // and it can be entered again
    write(&user, ann, "10 Oak Street").await;
    assert_eq!(lines(&app, ann).await[0], "10 Oak Street");
}

async fn an_address_that_cannot_be_read_costs_only_itself(app: App) {
    let four = json!([{"line": ["1", "2", "3", "4"], "city": "Ottawa", "postalCode": "K1A 0B1"}]);
    let long = json!([{"line": ["Long ".repeat(20)], "city": "Ottawa", "postalCode": "K1A 0B1"}]);
    let text = json!([{"text": "12 Elm Street, Ottawa"}]);
    for address in [json!("12 Elm Street"), json!({"line": []}), json!([{"line": "12 Elm"}]), four, long, text] {
        let summary = ann_says(&app, A, address.clone()).await;
        let left_out = summary.skipped.get(&("Patient.address".to_owned(), "postal_address")).copied();
        assert_eq!((left_out, summary.skipped.len()), (Some(1), 1), "{address}: {summary:?}");
    }
    let ann = patient(&app).await;
    assert!(lines(&app, ann).await.is_empty());
    // nor was one taken away where there was none
    write(&app.user(Role::Clinician).await, ann, "").await;
    ann_says(&app, A, at("1 Elm Street")).await;
    assert_eq!(lines(&app, ann).await[0], "1 Elm Street");
}

async fn a_merge_that_is_undone_leaves_no_address_behind(app: App) {
    let user = app.user(Role::Clinician).await;
    let other = app.patient(Like { name: ("Ann", "Ash"), ..Like::default() }).await;
    // two people by their numbers
    let number = json!({"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "JHN"}]},
        "value": "1234 567 890"});
    let namesake = with(&ann(), json!({"birthDate": BORN, "identifier": [number]}));
    app.import(bundle(A, std::slice::from_ref(&namesake)), None).await;
    let ann = patient(&app).await;
    assert_ne!(ann, other);
    let says = async || {
        let record = with(&namesake, json!({"address": at("1 Elm Street")}));
        app.import(bundle(A, &[record]), None).await
    };
    let page = user.get(&format!("/patients/{other}/merging?with={ann}")).await.ok();
    user.submit(&page, "Merge the charts", &[]).await.redirect();
    // the record is in the other chart now, and says its address there
    says().await;
    assert_eq!(lines(&app, other).await[0], "1 Elm Street");
    let page = user.get(&format!("/patients/{other}")).await.ok();
    user.submit(&page, "Undo the merge", &[]).await.redirect();
    assert!(lines(&app, other).await.is_empty(), "an address of another person");
    says().await;
    assert_eq!(lines(&app, ann).await[0], "1 Elm Street");
    assert!(lines(&app, other).await.is_empty());
}
