//! Retention of records: legal holds, periods, and what a deleted record leaves.

use crate::at_rest::{WAYS, every_way, in_files, in_rows};
use crate::chart::later_files::{A, ann, bundle, observation, subject};
use crate::on_each;
use crate::support::app::{App, On};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::erase;
use postern::db::{Conn, DatabaseUrl};
use postern::delivery::Delivery;
use postern::error::AppError;
use serde_json::json;
use std::collections::BTreeSet;
use time::Duration;

on_each!(
    a_deleted_record_leaves_proof_and_no_data,
    every_table_of_a_patient_is_erased,
    what_is_in_use_or_held_stays,
    periods_say_what_is_due,
    what_sources_sent_goes_too,
    an_undone_merge_keeps_nothing_from_going,
    no_page_left_open_reaches_another_patient,
    a_deleted_patient_is_out_at_once
);

/// The words of [`WAYS`] that belong to another patient.
const OTHERS: [&str; 3] = ["zquorkresult", "zquorkletter", "zquorkvalue"];

/// Words from or about the patient who is deleted.
fn theirs() -> Vec<&'static str> {
    let about = ["mej\u{ed}a", "mejia", "maria@example.org", "9434765919", "6135550121"];
    WAYS.into_iter().filter(|word| !OTHERS.contains(word)).chain(about).collect()
}

async fn a_deleted_record_leaves_proof_and_no_data(on: On) {
    let app = App::start_with_config(on, |_| (), Delivery::mailbox).await;
    every_way(&app).await;
    let owner = app.user(Role::Owner).await;
    let theirs = theirs();
    let found = in_rows(&app.state.db, &theirs).await;
    assert!(theirs.iter().all(|word| found.iter().any(|what| what.contains(word))), "{found:?}");
    let page = owner.get("/patients/1").await.ok();
    assert!(!page.has_text("Delete the record"), "a record in use");
    owner.post("/patients/1/archiving", &[("reason", "left")]).await.redirect();
    let page = owner.get(&owner.get("/patients/1").await.ok().link("Delete the record")).await.ok();
    for held in ["1 conversation", "4 messages and notes", "1 item of the chart", "2 files"] {
        assert!(page.has_text(held), "{held}: {}", page.text());
    }
    let refused = owner.submit(&page, "Delete for good", &[("name", "Ida Import")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("enter it as it stands above"));
    let told = owner.submit(&page, "Delete for good", &[("name", " maria MEJÍA")]).await.says();
    assert_eq!(told, ("/settings/records".to_owned(), "record-deleted".to_owned()));

    assert_eq!(in_rows(&app.state.db, &theirs).await, [""; 0]);
    // nothing else was deleted
    for word in OTHERS {
        assert!(!in_rows(&app.state.db, &[word]).await.is_empty(), "{word}");
    }
    // nor are they in the database's files, once its log is emptied, or in the storage, once removed files are swept
    app.state.clock.advance(Duration::days(3));
    postern::worker::upkeep(&app.state, app.state.clock.now()).await;
    if let DatabaseUrl::Sqlite(path) = &app.state.config.database {
        assert_eq!(in_files(path.parent().unwrap(), &theirs), [""; 0]);
    }
    let stored = std::fs::read_dir(&app.state.config.files.folder).unwrap().flatten();
    let stored = stored.filter(|entry| entry.path().is_dir() && entry.file_name() != "incoming");
    let left: usize = stored.map(|folder| std::fs::read_dir(folder.path()).unwrap().count()).sum();
    assert_eq!(left, 1, "the letter of the other patient");

    let owner = app.user(Role::Owner).await;
    for gone in ["/patients/1", "/patients/2", "/patients/1/information", "/conversations/1", "/patients/1/items/1"] {
        assert_eq!(owner.get(gone).await.status, 404, "{gone}");
    }
    let proofs = owner.get("/settings/records/deleted").await.ok();
    assert!(proofs.has_text("Record 1") && proofs.has_text("4 messages and notes"), "{}", proofs.text());
    assert!(proofs.has_text("Record 2"), "the one that was merged into it");
    let log = owner.get("/settings/audit-log?what=record_deleted").await.ok();
    assert!(log.has_text("deleted the record") && log.has_text("Record 1"), "{}", log.text());
    assert!(!log.links().iter().any(|link| link.href == "/patients/1"), "no page of it is left");
    for list in ["/inbox?scope=all", "/inbox?scope=all&filter=closed", "/outbox", "/patients", "/patients?q=mejia"] {
        let page = owner.get(list).await.ok();
        assert!(page.texts_of("#main .item .title").iter().all(|title| !title.trim().is_empty()), "{list}");
        assert!(!page.has_text("Mejia"), "{list}");
    }
    let verified = app.state.db.read(|conn| Ok::<_, AppError>(postern::audit::verify(conn, None)));
    verified.await.unwrap().unwrap();
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

async fn lines(app: &App, sqlite: &'static str, postgres: &'static str) -> BTreeSet<String> {
    let read = app.state.db.read(move |conn| -> Result<Vec<Line>, AppError> {
        let sql = if matches!(conn, Conn::Pg(_)) { postgres } else { sqlite };
        Ok(diesel::sql_query(sql).load(conn)?)
    });
    read.await.unwrap().into_iter().map(|line| line.line).collect()
}

/// Deletion covers every table that refers to anything of a patient; a table that it does not know would keep its rows.
async fn every_table_of_a_patient_is_erased(on: On) {
    let app = App::start(on).await;
    let references = lines(
        &app,
        "SELECT m.name || ' ' || f.\"table\" AS line FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
         WHERE m.type = 'table'",
        "SELECT t.relname || ' ' || p.relname AS line FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
         JOIN pg_class p ON p.oid = k.confrelid WHERE k.contype = 'f'",
    )
    .await;
    let mut theirs: BTreeSet<&str> = BTreeSet::from(["patients"]);
    loop {
        let more: Vec<&str> = references
            .iter()
            .filter_map(|line| line.split_once(' '))
            .filter(|(table, to)| theirs.contains(to) && !theirs.contains(table))
            .map(|(table, _)| table)
            .collect();
        if more.is_empty() {
            break;
        }
        theirs.extend(more);
    }
    // the record's row is emptied, and the proof stays
    let stays = ["patients", "deleted_records"];
    let erased: BTreeSet<&str> = erase::tables().into_iter().collect();
    let forgotten: Vec<&&str> =
        theirs.iter().filter(|table| !erased.contains(**table) && !stays.contains(*table)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    assert!(theirs.len() > 20, "{theirs:?}");
    // tables that name a patient without a reference: see `carry::PLACES`
    for (table, ..) in postern::db::carry::PLACES {
        assert!(erased.contains(table) || stays.contains(&table) || table == "audit_events", "{table}");
    }
}

async fn what_is_in_use_or_held_stays(on: On) {
    let app = App::start(on).await;
    let (owner, clinician) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let patient = app.patient(Like::default()).await;
    let at = format!("/patients/{patient}");
    let typed = [("name", "María Mejía")];
    // only an owner may delete or hold a record
    for path in ["deletion", "hold"] {
        assert_eq!(clinician.get(&format!("{at}/{path}")).await.status, 403);
        assert_eq!(clinician.post(&format!("{at}/{path}"), &typed).await.status, 403);
    }
    assert!(!clinician.get(&at).await.ok().has_text("Legal hold"));
    // a record that is in use cannot be deleted
    assert!(owner.get(&format!("{at}/deletion")).await.ok().has_text("Archive it first."));
    assert_eq!(owner.post(&format!("{at}/deletion"), &typed).await.status, 409);
    owner.post(&format!("{at}/archiving"), &[("reason", "deceased")]).await.redirect();
    // a record with a hold cannot be deleted
    let page = owner.get(&owner.get(&at).await.ok().link("Legal hold")).await.ok();
    let empty = owner.submit(&page, "Place the hold", &[("note", "  ")]).await;
    assert_eq!(empty.status, 422);
    let long = "x".repeat(501);
    let refused = owner.submit(&page, "Place the hold", &[("note", &long)]).await;
    assert!(refused.status == 422 && refused.page().has_text(&long), "what was typed stays");
    owner.submit(&page, "Place the hold", &[("note", "Claim 7 of the estate")]).await.says();
    assert!(owner.get(&at).await.ok().has_text("User owner placed a legal hold"));
    let page = owner.get(&format!("{at}/deletion")).await.ok();
    assert!(page.has_text("Claim 7 of the estate") && !page.has_text("Delete for good"), "{}", page.text());
    let refused = owner.post(&format!("{at}/deletion"), &typed).await;
    assert!(refused.status == 409 && refused.page().has_text("It cannot be deleted"), "{}", refused.status);
    // another note changes the existing hold
    let page = owner.get(&format!("{at}/hold")).await.ok();
    owner.submit(&page, "Save", &[("note", "Claim 8")]).await.says();
    assert!(owner.get(&format!("{at}/deletion")).await.ok().has_text("Claim 8"));
    // the hold of a merged record holds the record that is left
    let kept = app.patient(Like { email: None, ..Like::default() }).await;
    owner.post(&format!("{at}/bringing-back"), &[]).await.redirect();
    let page = owner.get(&format!("/patients/{kept}/merging?with={patient}")).await.ok();
    owner.submit(&page, "Merge the charts", &[]).await;
    let chart = owner.get(&format!("/patients/{kept}")).await.ok();
    assert_eq!(owner.submit(&chart, "Undo the merge", &[]).await.says().1, "merge-held");
    owner.post(&format!("/patients/{kept}/archiving"), &[("reason", "deceased")]).await.redirect();
    assert_eq!(owner.post(&format!("/patients/{kept}/deletion"), &typed).await.status, 409);
    let page = owner.get(&format!("/patients/{kept}/hold")).await.ok();
    owner.submit(&page, "Lift the hold", &[]).await.says();
    owner.post(&format!("/patients/{kept}/deletion"), &typed).await.says();
    assert_eq!(owner.get(&format!("/patients/{kept}")).await.status, 404);
    assert_eq!(owner.post(&format!("/patients/{kept}/deletion"), &typed).await.status, 404, "once");
    assert_eq!(owner.post(&format!("/patients/{kept}/hold"), &[("note", "late")]).await.status, 404);
    assert_eq!(owner.post("/patients/999/deletion", &typed).await.status, 404);
    // a user who has not proved for a while who they are is asked first
    app.state.clock.advance(Duration::minutes(20));
    let to = owner.get(&format!("{at}/deletion")).await.redirect();
    assert!(to.starts_with("/account/confirmation"), "{to}");
}

async fn archived(app: &App, family: &'static str, birth_date: &'static str, reason: &str) -> i64 {
    let patient = app.patient(Like { name: ("Ada", family), email: None, ..Like::default() }).await;
    let born = app.state.db.write(move |tx| -> Result<_, AppError> {
        use postern::db::schema::patients;
        let row = diesel::update(patients::table.find(patient));
        Ok(row.set(patients::birth_date.eq(birth_date)).execute(tx.conn())?)
    });
    born.await.unwrap();
    let owner = app.user(Role::Owner).await;
    owner.post(&format!("/patients/{patient}/archiving"), &[("reason", reason)]).await.redirect();
    patient.0
}

async fn periods_say_what_is_due(on: On) {
    let app = App::start(on).await;
    let dead = archived(&app, "Dead", "1950-05-05", "deceased").await;
    let left = archived(&app, "Left", "1950-05-05", "left").await;
    let child = archived(&app, "Child", "2020-05-05", "left").await;
    let held = archived(&app, "Held", "1950-05-05", "left").await;
    let owner = app.user(Role::Owner).await;
    owner.post(&format!("/patients/{held}/hold"), &[("note", "A claim")]).await.redirect();
    app.state.clock.advance(Duration::days(366 * 6));
    let owner = app.user(Role::Owner).await;
    let listed = async || -> Vec<String> {
        let page = owner.get("/settings/records").await.ok();
        page.attrs_of("section input[name=patient]", "value")
    };
    assert!(listed().await.is_empty(), "nothing is due by itself");
    let page = owner.get("/settings/records").await.ok();
    let refused = owner.submit(&page, "Save", &[("keep_left_years", "101"), ("keep_until_age", "x")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("enter a number from 0 to 100"));
    assert_eq!(refused.page().attrs_of("#keep_left_years", "value"), ["101"]);
    owner.submit(&page, "Save", &[("keep_left_years", "5"), ("keep_deceased_years", "10")]).await.says();
    assert_eq!(listed().await, [left.to_string(), child.to_string()]);
    let page = owner.get("/settings/records").await.ok();
    owner.submit(&page, "Save", &[("keep_until_age", "28")]).await.says();
    assert_eq!(listed().await, [left.to_string()], "a child's record is kept for longer");
    // a record that is not due is not deleted by the list's form, even a forged one
    let all = [dead, left, child, held].map(|id| id.to_string());
    let typed: Vec<(&str, &str)> = all.iter().map(|id| ("patient", id.as_str())).collect();
    let told = owner.post("/settings/records/deletion", &typed).await.says();
    assert_eq!(told, ("/settings/records".to_owned(), "records-deleted".to_owned()));
    assert_eq!(owner.get(&format!("/patients/{left}")).await.status, 404);
    for id in [dead, child, held] {
        owner.get(&format!("/patients/{id}")).await.ok();
    }
    assert_eq!(owner.post("/settings/records/deletion", &typed).await.says().1, "no-record-deleted");
    // after ten years
    app.state.clock.advance(Duration::days(366 * 5));
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/records").await.ok();
    assert_eq!(page.attrs_of("section input[name=patient]", "value"), [dead.to_string()]);
    let told = owner.submit(&page, "Delete the chosen records for good", &[]).await.says();
    assert_eq!(told.1, "no-record-deleted", "none is chosen beforehand");
    let chosen = [("patient", &*dead.to_string())];
    owner.submit(&page, "Delete the chosen records for good", &chosen).await.says();
    assert_eq!(owner.get(&format!("/patients/{dead}")).await.status, 404);
}

/// What sources sent is deleted too, also resources without an owner, and what the source sends later.
async fn what_sources_sent_goes_too(on: On) {
    let app = App::start(on).await;
    let goal = json!({"resourceType": "Goal", "id": "g", "lifecycleStatus": "active", "subject": subject(),
        "description": {"text": "Zquorkgoal"}});
    let plan = json!({"resourceType": "CarePlan", "id": "c", "status": "active", "intent": "plan", "subject": subject(),
        "title": "Zquorkplan", "period": {"start": "2026-01-01"}, "goal": [{"reference": "Goal/g"}]});
    app.import(bundle(A, &[ann(), goal.clone(), plan.clone()]), None).await;
    let other = json!({"resourceType": "Patient", "id": "q", "name": [{"family": "Roy", "given": ["Rae"]}],
        "birthDate": "1990-01-01"});
    let shared = json!({"resourceType": "Goal", "id": "h", "lifecycleStatus": "active", "description": {"text": "Zquorkshared"}});
    let theirs = |patient: &str, id: &str| {
        json!({"resourceType": "CarePlan", "id": id, "status": "active", "intent": "plan", "title": "Plan",
            "subject": {"reference": format!("Patient/{patient}")}, "period": {"start": "2026-01-02"},
            "goal": [{"reference": "Goal/h"}]})
    };
    app.import(bundle(A, &[ann(), other, shared, theirs("p", "c1"), theirs("q", "c2")]), None).await;
    let owner = app.user(Role::Owner).await;
    let words = ["zquorkgoal", "zquorkplan"];
    assert!(in_rows(&app.state.db, &words).await.len() >= 2);
    owner.post("/patients/1/archiving", &[("reason", "left")]).await.redirect();
    owner.post("/patients/1/deletion", &[("name", "Ann Ash")]).await.says();
    assert_eq!(in_rows(&app.state.db, &words).await, [""; 0]);
    assert!(!in_rows(&app.state.db, &["zquorkshared"]).await.is_empty(), "another patient's plan names it");
    // resources about this patient alone that the source sends later are not stored, because nobody could delete them
    let late = observation("late", "Zquorklate", "2026-03-01");
    app.import(bundle(A, std::slice::from_ref(&late)), None).await;
    assert_eq!(in_rows(&app.state.db, &["zquorklate"]).await, [""; 0]);
    // when the source sends the patient too, there is a new chart
    let again = app.import(bundle(A, &[ann(), late]), None).await;
    assert_eq!(again.patients, 1, "{again:?}");
    assert_eq!(owner.get("/patients/1").await.status, 404);
    assert!(owner.get("/patients/3").await.ok().has_text("Zquorklate"));
}

/// An undone merge keeps nothing from being deleted: while two charts are one, links of one chart come to name
/// conversations of the other.
async fn an_undone_merge_keeps_nothing_from_going(on: On) {
    let app = App::start(on).await;
    let owner = app.user(Role::Owner).await;
    let (kept, merged) = (app.patient(Like::default()).await, app.patient(Like::default()).await);
    let conversation = app.message(&owner, merged, true).await;
    let page = owner.get(&format!("/patients/{kept}/merging?with={merged}")).await.ok();
    owner.submit(&page, "Merge the charts", &[]).await;
    let fields = [("key", "0123456789abcdea"), ("body", "While they are one"), ("replies_allowed", "on")];
    owner.post(&format!("{conversation}/messages"), &fields).await.redirect();
    app.drain().await;
    let chart = owner.get(&format!("/patients/{kept}")).await.ok();
    owner.submit(&chart, "Undo the merge", &[]).await.says();
    owner.post(&format!("/patients/{merged}/archiving"), &[("reason", "mistake")]).await.redirect();
    let told = owner.post(&format!("/patients/{merged}/deletion"), &[("name", "María Mejía")]).await.says();
    assert_eq!(told.1, "record-deleted");
    assert!(in_rows(&app.state.db, &["while they are one"]).await.is_empty());
    owner.get(&format!("/patients/{kept}")).await.ok();
    // the emptied record cannot be merged, and is not suggested as a similar one
    assert_eq!(owner.get(&format!("/patients/{kept}/merging?with={merged}")).await.status, 404);
    let merging = [("with", &*merged.to_string()), ("seen", "x")];
    assert_eq!(owner.post(&format!("/patients/{kept}/merging"), &merging).await.status, 404);
}

async fn no_page_left_open_reaches_another_patient(on: On) {
    let app = App::start(on).await;
    let owner = app.user(Role::Owner).await;
    let gone = app.patient(Like::default()).await;
    let old = app.message(&owner, gone, true).await;
    let open = owner.get(&old).await.ok();
    let chart = owner.get(&format!("/patients/{gone}/messages/new")).await.ok();
    owner.post(&format!("/patients/{gone}/archiving"), &[("reason", "left")]).await.redirect();
    owner.post(&format!("/patients/{gone}/deletion"), &[("name", "María Mejía")]).await.says();
    let other =
        app.patient(Like { name: ("Otto", "Other"), email: Some("otto@example.org".into()), ..Like::default() }).await;
    assert!(other.0 > gone.0);
    let new = app.message(&owner, other, true).await;
    assert_ne!(new, old, "its number is never another's");
    let before = app.mailbox.newest_first().len();
    let words = ("body", "words for Maria");
    assert_eq!(owner.submit(&open, "Send", &[words]).await.status, 404);
    assert_eq!(owner.submit(&chart, "Submit", &[("title", "For Maria"), words]).await.status, 404);
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().iter().filter(|mail| mail.to == "maria@example.org").count(), 0);
    assert!(app.mailbox.newest_first().len() <= before + 1);
    assert!(!owner.get(&new).await.ok().has_text("words for Maria"));
}

async fn a_deleted_patient_is_out_at_once(on: On) {
    let app = App::start(on).await;
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let (patient, message) = app.go_in(&link, "+16135550121").await;
    let page = patient.get(&message).await.ok();
    // another notification is waiting to be sent
    app.message(&owner, maria, true).await;
    owner.post(&format!("/patients/{maria}/archiving"), &[("reason", "left")]).await.redirect();
    owner.post(&format!("/patients/{maria}/deletion"), &[("name", "María Mejía")]).await.says();
    let sent = app.mailbox.newest_first().len();
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), sent, "nothing goes out any more");
    assert_eq!(patient.submit(&page, "Send", &[("body", "late words")]).await.status, 303);
    assert_eq!(patient.get(&message).await.status, 303);
    assert_eq!(app.anyone().get(&link).await.status, 404);
    assert!(in_rows(&app.state.db, &["late words", "mejia"]).await.is_empty());
}
