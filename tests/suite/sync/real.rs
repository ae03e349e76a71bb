//! The same with a real FHIR server behind a real authorization server: its pages, its export, its history, and the trouble that
//! servers make.

use super::{a_few, items, parts, synthea, titled};
use crate::chart::later_files::bundle;
use crate::on_each;
use crate::support::app::{App, On};
use crate::support::emr::{NAME, READS, RealEmr, Trouble as Made, clinic};
use postern::sync::{self, KINDS, Outcome, Trouble};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_each!(
    a_real_server_gives_the_charts_of_an_import,
    what_a_real_server_deletes_is_withdrawn,
    trouble_on_the_way_loses_nothing
);

async fn round(app: &App) -> Outcome {
    // two rounds at the same moment would count as one delivery
    app.state.clock.advance(time::Duration::milliseconds(1));
    sync::run(&parts(app), Arc::new(app.state.emr[0].clone()), None).await.unwrap()
}

/// Rounds until one comes to its end: a server that makes an export is looked at until it is ready.
async fn done(app: &App) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match round(app).await {
            Outcome::Done => return,
            Outcome::Stopped(Trouble::Later, _) => {}
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "the export is never ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn fill(emr: &RealEmr, resources: &[Value]) {
    for resource in resources {
        emr.put(resource).await;
    }
}

/// Stores those of these resources that the server takes: it checks each against the standard.
async fn fill_as_taken(emr: &RealEmr, resources: Vec<Value>) -> Vec<Value> {
    let (all, mut taken) = (resources.len(), Vec::new());
    for resource in resources {
        let path = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let (status, said) = emr.send("PUT", &path, &resource.to_string()).await;
        match status {
            200 | 201 => taken.push(resource),
            400 | 409 | 422 => {}
            _ => panic!("{path}: {status} {said}"),
        }
    }
    assert!(taken.len() > all / 2, "it took {} of {all}", taken.len());
    taken
}

async fn a_real_server_gives_the_charts_of_an_import(on: On) {
    for by_export in [false, true] {
        let Some((app, emr)) = clinic(on, READS, |_| {}).await else { return };
        let mut all = synthea();
        all.retain(|one| KINDS.contains(&one["resourceType"].as_str().unwrap()));
        let all = fill_as_taken(&emr, all).await;
        let imported = App::start(on).await;
        imported.at_present();
        imported.import(bundle(&emr.base, &all), Some(NAME)).await;
        if !by_export {
            emr.trouble("$export", Made::Status(404));
        }
        done(&app).await;
        let (one, other) = (items(&imported).await, items(&app).await);
        assert!(one.len() > 5, "{}", one.len());
        assert_eq!(one, other, "by export: {by_export}");
    }
}

async fn what_a_real_server_deletes_is_withdrawn(on: On) {
    let Some((app, emr)) = clinic(on, READS, |_| {}).await else { return };
    fill(&emr, &a_few()).await;
    done(&app).await;
    assert_eq!(titled(&app, "current").await.len(), 11);
    emr.remove("Observation/o1").await;
    emr.put(&crate::chart::later_files::observation("new", "New", "2026-03-01T09:00:00Z")).await;
    done(&app).await;
    assert_eq!(titled(&app, "withdrawn").await, ["Test 1"]);
    assert!(titled(&app, "current").await.contains(&"New".to_owned()));
}

async fn trouble_on_the_way_loses_nothing(on: On) {
    let Some((app, emr)) = clinic(on, READS, |_| {}).await else { return };
    fill(&emr, &a_few()).await;
    emr.trouble("$export", Made::Status(404));
    // a token that is not taken any more is asked for again, and the round goes on
    emr.trouble("Encounter?_count", Made::Status(401));
    emr.trouble("Observation?_count", Made::Wait(429, 30));
    let outcome = round(&app).await;
    let until = app.state.clock.now().plus(time::Duration::seconds(30));
    assert_eq!(outcome, Outcome::Stopped(Trouble::Later, until));
    for made in [Made::Status(503), Made::Cut] {
        emr.trouble("Observation?_count", made);
        let outcome = round(&app).await;
        assert!(matches!(outcome, Outcome::Stopped(Trouble::Away, _)), "{outcome:?}");
    }
    done(&app).await;
    assert_eq!(titled(&app, "current").await.len(), 11);
    assert_eq!(emr.asked("Patient?_count"), 1, "it went on where it was");
}
