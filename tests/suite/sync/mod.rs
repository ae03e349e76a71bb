//! The charts follow an EMR: as an import of the same records would make them, whatever breaks on the way.

mod differences;
mod page;
mod real;
mod stand;

use crate::chart::later_files::{ann, bundle, observation, subject, with};
use crate::support::app::{App, On};
use crate::{on_both, on_each};
use diesel::prelude::*;
use flate2::read::GzDecoder;
use postern::access::Role;
use postern::db::schema::{
    audit_events, chart_files, chart_items, emr_refused, emr_waiting_charts, patients, source_resources,
};
use postern::db::sealed::{Opened, OpenedIfAny};
use postern::db::{PatientId, Ts};
use postern::error::AppError;
use postern::sync::{self, Outcome, Parts, Refusal, Source, Trouble, Wanted};
use serde_json::{Value, json};
use stand::{BASE, Stand};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::task::Poll;
use time::Duration;

on_each!(
    the_charts_are_those_of_an_import,
    a_round_that_is_killed_at_any_point_goes_on,
    an_export_makes_the_same_charts,
);
on_both!(
    what_has_changed_comes_with_the_next_round,
    what_is_committed_late_is_not_missed,
    what_was_deleted_is_withdrawn_and_may_come_back,
    a_source_that_asks_to_wait_is_left_alone,
    of_two_workers_one_reads,
    a_worker_that_lost_its_lease_stores_nothing,
    a_type_that_may_not_be_read_is_told,
    somebody_elses_records_reach_no_chart,
    whoever_was_refused_is_asked_for_in_turn,
    every_record_is_read_again_when_asked,
    a_deleted_record_comes_back_by_an_import_alone,
    what_is_no_fhir_changes_nothing,
    an_odd_record_is_left_out_alone,
    an_export_that_is_gone_is_read_page_by_page,
    an_export_that_never_comes_is_given_up,
    files_come_with_the_documents_that_name_them,
);

const NAME: &str = "EMR";

fn parts(app: &App) -> Parts {
    Parts {
        db: app.state.db.clone(),
        clock: app.state.clock.clone(),
        random: app.state.random.clone(),
        intake: app.state.intake.clone(),
        calling_code: "1".into(),
    }
}

/// One round of this EMR, some minutes after what was before.
async fn round(app: &App, emr: &Arc<Stand>, wanted: Option<Wanted>) -> Outcome {
    round_after(app, emr, wanted, Duration::minutes(3)).await
}

async fn round_after(app: &App, emr: &Arc<Stand>, wanted: Option<Wanted>, pause: Duration) -> Outcome {
    // two rounds at the same moment would count as one delivery
    app.state.clock.advance(pause);
    emr.wait(pause);
    sync::run(&parts(app), emr.clone() as Arc<dyn Source>, wanted).await.unwrap()
}

async fn done(app: &App, emr: &Arc<Stand>) {
    assert_eq!(round(app, emr, None).await, Outcome::Done);
}

fn practitioner() -> Value {
    json!({"resourceType": "Practitioner", "id": "d", "name": [{"family": "Moreau", "given": ["Luc"]}]})
}

fn encounter(id: &str, at: &str) -> Value {
    json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"}, "subject": subject(),
        "type": [{"text": "Check-up"}], "period": {"start": at, "end": at},
        "participant": [{"individual": {"reference": "Practitioner/d"}}]})
}

/// A patient with more records than fit on a page.
fn a_few() -> Vec<Value> {
    let mut all = vec![ann(), practitioner(), encounter("e", "2026-01-05T09:00:00Z")];
    for number in 0..10 {
        let (id, at) = (format!("o{number}"), format!("2026-02-{:02}T09:00:00Z", number + 1));
        all.push(observation(&id, &format!("Test {number}"), &at));
    }
    all
}

fn holding(resources: &[Value]) -> Arc<Stand> {
    let emr = Stand::new(NAME);
    resources.iter().for_each(|resource| emr.put(resource));
    Arc::new(emr)
}

/// An item: whose, kind, time, title, author, body, state, status.
type Item = (String, String, Ts, String, Option<String>, String, String, Option<String>);

/// The items of all charts that a reader sees.
async fn items(app: &App) -> Vec<Item> {
    let read = app.state.db.read(|conn| -> Result<Vec<Item>, AppError> {
        let names: Vec<(PatientId, String, String)> =
            patients::table.select((patients::id, patients::given_name, patients::family_name)).load(conn)?;
        let names: BTreeMap<PatientId, String> =
            names.into_iter().map(|(id, given, family)| (id, format!("{given} {family}"))).collect();
        let columns = (
            chart_items::patient_id,
            chart_items::kind,
            chart_items::occurred_at,
            chart_items::title,
            chart_items::author,
            chart_items::body,
            chart_items::state,
            chart_items::status,
        );
        type Row = (PatientId, String, Ts, Opened, OpenedIfAny, Opened, String, OpenedIfAny);
        let rows: Vec<Row> = chart_items::table.filter(chart_items::state.ne("moved")).select(columns).load(conn)?;
        let item = |(patient, kind, at, title, author, body, state, status): Row| {
            (names[&patient].clone(), kind, at, title.into(), author.into(), body.into(), state, status.into())
        };
        let mut found: Vec<Item> = rows.into_iter().map(item).collect();
        found.sort();
        Ok(found)
    });
    read.await.unwrap()
}

/// The titles of the items in a state.
async fn titled(app: &App, state: &str) -> Vec<String> {
    items(app).await.into_iter().filter(|item| item.6 == state).map(|item| item.3).collect()
}

async fn left_out(app: &App) -> Vec<sync::Left> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> { Ok(sync::left_out(conn, NAME, 100)?) });
    read.await.unwrap()
}

async fn is_due(app: &App) -> bool {
    let now = app.state.clock.now();
    app.state.db.read(move |conn| -> Result<_, AppError> { Ok(sync::is_due(conn, now, NAME)?) }).await.unwrap()
}

/// How many rows the audit log has about imported charts.
async fn imports(app: &App) -> i64 {
    let read = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(audit_events::table.filter(audit_events::action.eq("patients_imported")).count().get_result(conn)?)
    });
    read.await.unwrap()
}

/// A chart of Synthea, as a server has it: references name resources by type and id.
fn synthea() -> Vec<Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/fhir");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".json.gz"));
    files.sort_by_key(|file| (std::fs::metadata(file).unwrap().len(), file.clone()));
    let mut all = Vec::new();
    for file in files.iter().take(2) {
        let mut text = String::new();
        GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        for entry in read["entry"].as_array().unwrap() {
            let (url, kind) = (entry["fullUrl"].as_str().unwrap(), entry["resource"]["resourceType"].as_str().unwrap());
            let id = entry["resource"]["id"].as_str().unwrap();
            text = text.replace(&format!("\"reference\": \"{url}\""), &format!("\"reference\": \"{kind}/{id}\""));
        }
        let read: Value = serde_json::from_str(&text).unwrap();
        all.extend(read["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone()));
    }
    all
}

async fn the_charts_are_those_of_an_import(on: On) {
    let (imported, synced) = (App::start(on).await, App::start(on).await);
    let read = synthea();
    assert!(read.len() > 20, "{}", read.len());
    // what no server is asked for is in no chart either
    let all: Vec<Value> =
        read.into_iter().filter(|one| sync::KINDS.contains(&one["resourceType"].as_str().unwrap())).collect();
    imported.import(bundle(BASE, &all), Some(NAME)).await;
    let emr = holding(&all);
    done(&synced, &emr).await;
    let (one, other) = (items(&imported).await, items(&synced).await);
    assert!(one.len() > 5, "{}", one.len());
    assert_eq!(one, other);
    // a quiet round changes nothing
    let before = imports(&synced).await;
    done(&synced, &emr).await;
    assert_eq!((imports(&synced).await, items(&synced).await), (before, other));
}

/// Polls a future so many times, then drops it, as a process that is killed does.
async fn killed<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

async fn a_round_that_is_killed_at_any_point_goes_on(on: On) {
    let (imported, synced) = (App::start(on).await, App::start(on).await);
    imported.import(bundle(BASE, &a_few()), Some(NAME)).await;
    let emr = holding(&a_few());
    let mut kills = 0;
    // each time a little further, so that it is killed at every sort of step
    let parts = parts(&synced);
    for polls in [6, 8, 11, 15, 20, 28, 40].into_iter().cycle() {
        let run = sync::run(&parts, emr.clone() as Arc<dyn Source>, None);
        match killed(run, polls).await {
            Some(outcome) if outcome.as_ref().is_ok_and(|outcome| *outcome == Outcome::Done) => break,
            // what the dead one had given to the database may have held its lease a last time
            Some(outcome) => assert_eq!(outcome.unwrap(), Outcome::NotNow),
            None => kills += 1,
        }
        assert!(kills < 500, "it never comes to its end");
        // nobody works at it until the lease of the dead one has ended
        synced.state.clock.advance(Duration::minutes(6));
    }
    assert!(kills > 5, "{kills}");
    assert_eq!(items(&imported).await, items(&synced).await);
    let waiting = synced
        .state
        .db
        .read(|conn| -> Result<i64, AppError> { Ok(emr_waiting_charts::table.count().get_result(conn)?) });
    assert_eq!(waiting.await.unwrap(), 0, "charts that were never made");
    // it went on: the first page was not read by every process
    let asked = emr.asked();
    let count = |begin: &str| asked.iter().filter(|target| target.starts_with(begin)).count();
    let (patients, processes) = (count("Patient?_count"), count("metadata"));
    assert!(patients + 3 <= processes, "{patients} of {processes}: {asked:?}");
}

async fn what_has_changed_comes_with_the_next_round(app: App) {
    let emr = holding(&a_few());
    done(&app, &emr).await;
    assert_eq!(titled(&app, "current").await.len(), 11, "{:?}", items(&app).await);
    let (before, asked) = (imports(&app).await, emr.asked());
    assert!(asked.iter().all(|target| !target.contains("_lastUpdated")), "{asked:?}");
    emr.put(&observation("o3", "Corrected", "2026-02-04T09:00:00Z"));
    emr.put(&observation("new", "New", "2026-03-01T09:00:00Z"));
    // a name that many items show belongs to nobody's chart
    emr.put(&with(&practitioner(), json!({"name": [{"family": "Roy", "given": ["Luc"]}]})));
    done(&app, &emr).await;
    let asked = emr.asked();
    assert!(asked.iter().any(|target| target.starts_with("Observation?") && target.contains("_lastUpdated=ge")));
    let found = items(&app).await;
    let titles: Vec<&str> = found.iter().map(|item| item.3.as_str()).collect();
    assert!(titles.contains(&"Corrected") && titles.contains(&"New") && !titles.contains(&"Test 3"), "{titles:?}");
    assert!(found.iter().any(|item| item.4.as_deref().is_some_and(|author| author.contains("Roy"))), "{found:?}");
    assert_eq!(imports(&app).await, before + 1, "one chart was made, once");
}

async fn what_is_committed_late_is_not_missed(app: App) {
    let emr = holding(&a_few());
    done(&app, &emr).await;
    // it was under way while the EMR was asked, and says so in its date
    emr.put_late(&observation("late", "Late", "2026-03-02T09:00:00Z"), Duration::seconds(60));
    done(&app, &emr).await;
    assert!(titled(&app, "current").await.contains(&"Late".to_owned()));
}

async fn what_was_deleted_is_withdrawn_and_may_come_back(app: App) {
    let emr = holding(&a_few());
    // rounds so soon after one another that each reads what the one before has read
    let next = async || {
        let outcome = round_after(&app, &emr, None, Duration::seconds(20)).await;
        assert_eq!(outcome, Outcome::Done);
    };
    next().await;
    emr.delete("Observation", "o1");
    emr.delete("Observation", "o2");
    // made again before anybody asked
    emr.put(&observation("o2", "Test 2", "2026-02-03T09:00:00Z"));
    next().await;
    assert_eq!(titled(&app, "withdrawn").await, ["Test 1"]);
    emr.put(&observation("o1", "Test 1", "2026-02-02T09:00:00Z"));
    next().await;
    assert_eq!(titled(&app, "withdrawn").await, Vec::<String>::new());
    // a patient's record that is deleted is told, and the chart stays
    emr.delete("Patient", "p");
    next().await;
    let left = left_out(&app).await;
    assert!(left.contains(&("Patient".to_owned(), "deleted".to_owned(), 1)), "{left:?}");
    assert_eq!(titled(&app, "current").await.len(), 11);
}

async fn a_source_that_asks_to_wait_is_left_alone(app: App) {
    let emr = holding(&a_few());
    // the first page of observations is there, the second is refused
    let all = count_of_requests_until(&emr, "Observation?cursor").await;
    emr.fail(all, Refusal::Later(std::time::Duration::from_secs(120)));
    let outcome = round(&app, &emr, None).await;
    let until = app.state.clock.now().plus(Duration::seconds(120));
    assert_eq!(outcome, Outcome::Stopped(Trouble::Later, until));
    emr.asked();
    assert!(!is_due(&app).await);
    app.state.clock.advance(Duration::seconds(121));
    assert!(is_due(&app).await);
    emr.fail(2, Refusal::Refused(503));
    let Outcome::Stopped(Trouble::Away, next) = round(&app, &emr, None).await else { panic!("it went on") };
    assert!(next > app.state.clock.now() && !is_due(&app).await);
    let asked = emr.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].contains("cursor"), "it goes on with the page that was refused: {asked:?}");
    done(&app, &emr).await;
    assert!(emr.asked().iter().all(|target| !target.starts_with("Patient?_count")), "patients were read once");
    assert_eq!(titled(&app, "current").await.len(), 11);
}

/// The number of the first request whose target has these words, counted in a clinic of its own.
async fn count_of_requests_until(emr: &Arc<Stand>, words: &str) -> usize {
    let app = App::start(On::Sqlite).await;
    done(&app, emr).await;
    let words: Vec<&str> = words.split('?').collect();
    let asked = emr.asked();
    let found = asked.iter().position(|target| words.iter().all(|word| target.contains(word)));
    found.unwrap_or_else(|| panic!("{words:?} in {asked:?}")) + 1
}

async fn of_two_workers_one_reads(app: App) {
    let emr = holding(&a_few());
    let (came, let_go) = emr.hang(1);
    let parts = parts(&app);
    let slow = async { sync::run(&parts, emr.clone() as Arc<dyn Source>, None).await.unwrap() };
    let quick = async {
        came.await.unwrap();
        let outcome = sync::run(&parts, emr.clone() as Arc<dyn Source>, None).await.unwrap();
        let is_due = is_due(&app).await;
        let_go.send(()).unwrap();
        (outcome, is_due)
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!(quick, (Outcome::NotNow, false));
    assert!(matches!(slow, Outcome::Stopped(Trouble::Away, _)), "{slow:?}");
    done(&app, &emr).await;
}

async fn a_worker_that_lost_its_lease_stores_nothing(app: App) {
    let emr = holding(&a_few());
    let first_page = count_of_requests_until(&emr, "Patient?_count=").await;
    let (came, let_go) = emr.hang(first_page);
    let parts = parts(&app);
    let slow = async { sync::run(&parts, emr.clone() as Arc<dyn Source>, None).await.unwrap() };
    let quick = async {
        came.await.unwrap();
        // longer than a lease lasts
        app.state.clock.advance(Duration::minutes(6));
        done(&app, &emr).await;
        let_go.send(()).unwrap();
    };
    let (slow, ()) = tokio::join!(slow, quick);
    assert_eq!(slow, Outcome::NotNow);
    let round = app.state.db.read(|conn| -> Result<_, AppError> { Ok(sync::round(conn, NAME)?) }).await.unwrap();
    let round = round.unwrap();
    assert!(!round.is_under_way() && round.trouble.is_none() && round.failures == 0, "the other one's end stays");
}

async fn a_type_that_may_not_be_read_is_told(app: App) {
    let emr = holding(&a_few());
    emr.close("Observation");
    done(&app, &emr).await;
    assert_eq!(titled(&app, "current").await.len(), 1);
    let left = left_out(&app).await;
    assert!(left.contains(&("Observation".to_owned(), "not_readable".to_owned(), 1)), "{left:?}");
    let shut = holding(&a_few());
    shut.close("Patient");
    let outcome = round(&app, &shut, None).await;
    assert!(matches!(outcome, Outcome::Stopped(Trouble::NotAllowed, _)), "{outcome:?}");
}

async fn somebody_elses_records_reach_no_chart(app: App) {
    app.import(bundle(BASE, &[ann()]), Some(NAME)).await;
    // another person has that id in the EMR now, and her records come on pages of their own
    let other = json!({"name": [{"family": "Oak", "given": ["Bea"]}], "birthDate": "1950-01-01"});
    let emr = holding(&[with(&ann(), other), observation("o", "Hers", "2026-02-01T09:00:00Z")]);
    done(&app, &emr).await;
    assert_eq!(items(&app).await, Vec::<Item>::new());
    let left = left_out(&app).await;
    assert!(left.contains(&("Patient".to_owned(), "other_person".to_owned(), 1)), "{left:?}");
    assert!(left.contains(&("Observation".to_owned(), "other_person".to_owned(), 1)), "{left:?}");
    let stored = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(source_resources::table.filter(source_resources::kind.eq("Observation")).count().get_result(conn)?)
    });
    assert_eq!(stored.await.unwrap(), 0);
    // once the EMR has put its record right, what was passed over comes too
    emr.put(&ann());
    done(&app, &emr).await;
    assert!(is_due(&app).await, "the next round does not wait");
    done(&app, &emr).await;
    assert_eq!(titled(&app, "current").await, ["Hers"]);
}

async fn whoever_was_refused_is_asked_for_in_turn(app: App) {
    // a name of its own, because the process remembers by it how far it came
    let name = format!("EMR of {}", app.origin);
    let people = |given: &str, day: &str| -> Vec<Value> {
        let person = |number: usize| {
            json!({"resourceType": "Patient", "id": format!("p{number}"), "birthDate": format!("{}-{day}", 1930 + number),
                "name": [{"family": format!("{given}son{number}"), "given": [given]}]})
        };
        (0..51).map(person).collect()
    };
    app.import(bundle(BASE, &people("Ann", "01-01")), Some(&name)).await;
    let emr = Stand::new(&name);
    people("Bea", "02-02").iter().for_each(|other| emr.put(other));
    let emr = Arc::new(emr);
    done(&app, &emr).await;
    let mut asked = emr.asked();
    for _ in 0..2 {
        done(&app, &emr).await;
        asked.extend(emr.asked());
    }
    let again = asked.iter().filter(|target| target.starts_with("Patient?_id="));
    assert_eq!(again.map(|target| target.split(',').count()).collect::<Vec<_>>(), [50, 1], "{asked:?}");
}

async fn every_record_is_read_again_when_asked(app: App) {
    let emr = holding(&a_few());
    done(&app, &emr).await;
    emr.asked();
    assert_eq!(round(&app, &emr, Some(Wanted::All)).await, Outcome::Done);
    let asked = emr.asked();
    assert!(asked.iter().all(|target| !target.contains("_lastUpdated")), "{asked:?}");
    assert_eq!(titled(&app, "current").await.len(), 11);
    // and what was deleted since the round before is asked for all the same
    emr.delete("Observation", "o1");
    assert_eq!(round(&app, &emr, Some(Wanted::All)).await, Outcome::Done);
    assert_eq!(titled(&app, "withdrawn").await, ["Test 1"]);
}

async fn a_deleted_record_comes_back_by_an_import_alone(app: App) {
    let emr = holding(&a_few());
    done(&app, &emr).await;
    let owner = app.user(Role::Owner).await;
    owner.post("/patients/1/archiving", &[("reason", "left")]).await.redirect();
    owner.post("/patients/1/deletion", &[("name", "Ann Ash")]).await.says();
    assert_eq!(round(&app, &emr, Some(Wanted::All)).await, Outcome::Done);
    assert_eq!(items(&app).await, Vec::<Item>::new());
    let left = left_out(&app).await;
    assert!(left.contains(&("Patient".to_owned(), "record_deleted".to_owned(), 1)), "{left:?}");
    let kept = app.state.db.read(|conn| -> Result<(i64, i64), AppError> {
        let theirs = source_resources::table.filter(source_resources::owner_id.is_not_null());
        Ok((emr_refused::table.count().get_result(conn)?, theirs.count().get_result(conn)?))
    });
    assert_eq!(kept.await.unwrap(), (0, 0));
    app.state.clock.advance(Duration::minutes(3));
    app.import(bundle(BASE, &a_few()), Some(NAME)).await;
    assert_eq!(titled(&app, "current").await.len(), 11);
}

async fn what_is_no_fhir_changes_nothing(app: App) {
    struct Page;
    impl Source for Page {
        fn name(&self) -> &str {
            NAME
        }
        fn get(&self, _: &str, _: u64) -> Result<Vec<u8>, Refusal> {
            Ok(b"<html>Sign in</html>".to_vec())
        }
        fn quiet_hours(&self) -> Option<(i64, i64)> {
            None
        }
    }
    let outcome = sync::run(&parts(&app), Arc::new(Page), None).await.unwrap();
    assert!(matches!(outcome, Outcome::Stopped(Trouble::Untrue, _)), "{outcome:?}");
    assert_eq!(items(&app).await, Vec::<Item>::new());
}

async fn an_odd_record_is_left_out_alone(app: App) {
    let mut all = a_few();
    all.insert(5, with(&observation("odd", "Odd", "2026-02-20T09:00:00Z"), json!({"comments": "as in DSTU2"})));
    let emr = holding(&all);
    done(&app, &emr).await;
    assert_eq!(titled(&app, "current").await.len(), 11);
    let left = left_out(&app).await;
    assert!(left.contains(&("Observation".to_owned(), "malformed".to_owned(), 1)), "{left:?}");
}

async fn an_export_makes_the_same_charts(on: On) {
    let (imported, synced) = (App::start(on).await, App::start(on).await);
    imported.import(bundle(BASE, &a_few()), Some(NAME)).await;
    let emr = holding(&a_few());
    emr.make_exports(1);
    let outcome = round(&synced, &emr, None).await;
    assert!(matches!(outcome, Outcome::Stopped(Trouble::Later, _)), "{outcome:?}");
    // after the list of its files, those of patients and practitioners, it breaks off
    emr.fail(5, Refusal::Away);
    let outcome = round(&synced, &emr, None).await;
    assert!(matches!(outcome, Outcome::Stopped(Trouble::Away, _)), "{outcome:?}");
    done(&synced, &emr).await;
    assert_eq!(items(&imported).await, items(&synced).await);
    let asked = emr.asked();
    let pages = |kind: &str| asked.iter().filter(|target| target.starts_with(&format!("{kind}?_count"))).count();
    for kind in ["Patient", "Practitioner", "Encounter", "Observation"] {
        assert_eq!(pages(kind), 0, "{asked:?}");
    }
    assert_eq!(pages("Invoice"), 1, "a type without a file may be one that is not exported: {asked:?}");
    assert_eq!(asked.iter().filter(|target| target.contains("/Patient.")).count(), 1, "read once: {asked:?}");
    // from then on it asks for news
    emr.put(&observation("new", "New", "2026-03-01T09:00:00Z"));
    done(&synced, &emr).await;
    assert!(titled(&synced, "current").await.contains(&"New".to_owned()));
    assert!(emr.asked().iter().any(|target| target.contains("_lastUpdated=ge")));
}

async fn an_export_that_is_gone_is_read_page_by_page(app: App) {
    let emr = holding(&a_few());
    emr.make_exports(0);
    // what is asked, the export, the list of its files, those of patients; then the next one is not there
    emr.fail(5, Refusal::Refused(404));
    done(&app, &emr).await;
    let asked = emr.asked();
    assert!(asked.iter().any(|target| target.starts_with("Observation?_count")), "{asked:?}");
    assert!(asked.iter().all(|target| !target.starts_with("Patient?_count")), "patients are there: {asked:?}");
    assert_eq!(titled(&app, "current").await.len(), 11);
}

async fn an_export_that_never_comes_is_given_up(app: App) {
    let emr = holding(&a_few());
    emr.make_exports(usize::MAX);
    assert!(matches!(round(&app, &emr, None).await, Outcome::Stopped(Trouble::Later, _)));
    emr.fail(2, Refusal::Away);
    let outcome = round_after(&app, &emr, None, Duration::hours(1)).await;
    assert!(matches!(outcome, Outcome::Stopped(Trouble::Away, _)), "{outcome:?}");
    assert_eq!(round_after(&app, &emr, None, Duration::hours(24)).await, Outcome::Done);
    assert!(emr.asked().iter().any(|target| target.starts_with("Patient?_count")));
    assert_eq!(titled(&app, "current").await.len(), 11);
}

fn document(id: &str, url: &str) -> Value {
    json!({"resourceType": "DocumentReference", "id": id, "status": "current", "subject": subject(),
        "date": "2026-02-20T09:00:00Z", "type": {"text": format!("Letter {id}")},
        "content": [{"attachment": {"contentType": "text/plain", "url": url}}]})
}

async fn files_come_with_the_documents_that_name_them(app: App) {
    let text = data_encoding::BASE64.encode(b"Dear colleague, thank you for seeing Ann.");
    let binary = |id: &str| json!({"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": text});
    let documents = [
        document("near", "Binary/near"),
        document("far", &format!("{BASE}/Binary/far")),
        document("lost", "Binary/lost"),
        document("elsewhere", "https://else.example/letter.txt"),
    ];
    let emr = holding(&[vec![ann(), binary("near"), binary("far")], documents.to_vec()].concat());
    done(&app, &emr).await;
    let files = app.state.db.read(|conn| -> Result<i64, AppError> { Ok(chart_files::table.count().get_result(conn)?) });
    assert_eq!(files.await.unwrap(), 2, "{:?}", items(&app).await);
    assert_eq!(titled(&app, "current").await.len(), 4, "a document without its file says so");
    let left = left_out(&app).await;
    assert!(left.contains(&("Binary".to_owned(), "not_readable".to_owned(), 1)), "{left:?}");
    let asked = emr.asked();
    assert_eq!(asked.iter().filter(|target| target.contains("Binary/")).count(), 3, "{asked:?}");
    // the file of a document that is written anew may be another one, and is asked for once
    let corrected = b"Dear colleague, it was not Ann.";
    let data = data_encoding::BASE64.encode(corrected);
    emr.put(&json!({"resourceType": "Binary", "id": "near", "contentType": "text/plain", "data": data}));
    emr.put(&documents[0]);
    done(&app, &emr).await;
    let asked = emr.asked();
    assert_eq!(asked.iter().filter(|target| target.contains("Binary/")).count(), 1, "{asked:?}");
    let sizes = app
        .state
        .db
        .read(|conn| -> Result<Vec<i64>, AppError> { Ok(chart_files::table.select(chart_files::size).load(conn)?) });
    let sizes = sizes.await.unwrap();
    assert!(sizes.len() == 2 && sizes.contains(&(corrected.len() as i64)), "{sizes:?}");
}
