//! The page of the EMRs: what is told of a connection, what is on, and the key by which Postern signs in.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::emr::{NAME, READS, clinic};
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::config::{Config, EmrSignIn, EmrSource};
use postern::db::schema::audit_events;
use postern::delivery::Delivery;
use postern::emr_sources::{Switches, key_source, source_state};
use postern::error::AppError;
use serde_json::{Value, json};
use std::time::Duration;

on_each!(
    what_works_is_told_step_by_step,
    what_charts_will_lack_is_told,
    scopes_that_are_refused_are_told,
    a_key_that_is_not_registered_is_told,
    what_is_on_is_decided_once,
    a_key_is_renewed_once,
);

/// The settings of an EMR that nobody has to ask.
fn out_of_reach() -> EmrSource {
    EmrSource {
        name: NAME.to_owned(),
        base: "http://127.0.0.1:9/fhir".parse().unwrap(),
        sign_in: EmrSignIn::Key("postern".to_owned()),
        launch_client_id: None,
        secret_files: Vec::new(),
        scopes: READS.to_owned(),
        requests_per_second: 5,
        quiet_hours: Some((22 * 60, 6 * 60)),
        timeout: Duration::from_secs(5),
        authorities: Vec::new(),
    }
}

async fn start(on: On) -> App {
    App::start_with_config(on, |config: &mut Config| config.emr = vec![out_of_reach()], Delivery::mailbox).await
}

async fn rows(app: &App, event: Event) -> i64 {
    let read = app.state.db.read(move |conn| -> Result<i64, AppError> {
        Ok(audit_events::table.filter(audit_events::action.eq(event.as_str())).count().get_result(conn)?)
    });
    read.await.unwrap()
}

async fn switches(app: &App) -> Switches {
    let read = app.state.db.read(|conn| -> Result<_, AppError> { Ok(source_state(conn, NAME)?.switches) });
    read.await.unwrap()
}

async fn what_works_is_told_step_by_step(on: On) {
    let Some((app, emr)) = clinic(on, READS, |_| ()).await else { return };
    emr.put(&json!({"resourceType": "Patient", "id": "p1", "name": [{"family": "Mejía", "given": ["María"]}]})).await;
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/emr").await.ok();
    assert!(page.has_text(NAME) && page.has_text(&emr.base) && page.has_text("never"), "{}", page.text());
    assert!(page.has_text(&format!("{}/emr/jwks.json", app.origin)), "{}", page.text());
    assert_eq!(emr.asked("GET"), 0, "to look at the page asks nobody");
    let (to, notice) = owner.submit(&page, &format!("Test connection {NAME}"), &[]).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/settings/emr", "emr-tested"));
    let page = owner.get("/settings/emr").await.ok();
    for words in [
        "It answers, and speaks FHIR R4 works",
        "Postern can sign in works",
        "It grants the rights that are needed works",
        "Patients can be read works",
    ] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    assert!(!page.has_text("does not work") && !page.has_text("not tried"), "{}", page.text());
    assert_eq!(emr.asked("GET /Patient?"), 1);
    assert_eq!(rows(&app, Event::EmrTested).await, 1);
    // a test turns nothing on
    assert_eq!(switches(&app).await, Switches::default());
}

async fn what_charts_will_lack_is_told(on: On) {
    let some = "system/Patient.rs system/Observation.rs";
    let Some((app, _emr)) = clinic(on, some, |source| source.scopes = some.to_owned()).await else { return };
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/emr").await.ok();
    owner.submit(&page, &format!("Test connection {NAME}"), &[]).await.redirect();
    let page = owner.get("/settings/emr").await.ok();
    assert!(page.has_text("It grants the rights that are needed in part"), "{}", page.text());
    assert!(page.has_text("Cannot read documents: charts will have no letters and files."), "{}", page.text());
    assert!(!page.has_text("Cannot read patients"), "{}", page.text());
    assert!(page.has_text("Patients can be read works"), "{}", page.text());
    // what writing back needs is told only where it is on
    assert!(!page.has_text("Cannot write communications"), "{}", page.text());
    owner.submit(&page, &format!("Save {NAME}"), &[("write_back_on", "on")]).await.redirect();
    let page = owner.get("/settings/emr").await.ok();
    owner.submit(&page, &format!("Test connection {NAME}"), &[]).await.redirect();
    let page = owner.get("/settings/emr").await.ok();
    assert!(page.has_text("Cannot write communications and documents"), "{}", page.text());
}

async fn scopes_that_are_refused_are_told(on: On) {
    let Some((app, emr)) = clinic(on, "system/Patient.rs", |_| ()).await else { return };
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/emr").await.ok();
    owner.submit(&page, &format!("Test connection {NAME}"), &[]).await.redirect();
    let page = owner.get("/settings/emr").await.ok();
    for words in [
        "It answers, and speaks FHIR R4 works",
        "Postern can sign in does not work It refuses what is asked for",
        "Patients can be read not tried",
    ] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    assert_eq!(emr.asked("GET /Patient?"), 0);
}

async fn a_key_that_is_not_registered_is_told(on: On) {
    let Some((app, emr)) = clinic(on, READS, |_| ()).await else { return };
    // the EMR reads the keys of another clinic
    let another = start(On::Sqlite).await;
    emr.knows(&another.origin);
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/emr").await.ok();
    owner.submit(&page, &format!("Test connection {NAME}"), &[]).await.redirect();
    let page = owner.get("/settings/emr").await.ok();
    assert!(page.has_text("It does not know this clinic or its key"), "{}", page.text());
    assert!(page.has_text("Patients can be read not tried"), "{}", page.text());
}

async fn what_is_on_is_decided_once(on: On) {
    let app = start(on).await;
    let (owner, other) = (app.user(Role::Owner).await, app.user(Role::Owner).await);
    let save = format!("Save {NAME}");
    let page = owner.get("/settings/emr").await.ok();
    assert!(!page.has("input[type=checkbox][checked]") && page.has_text("22:00–06:00"), "{}", page.text());
    let older = other.get("/settings/emr").await.ok();
    let (to, notice) = owner.submit(&page, &save, &[("sync_on", "on")]).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/settings/emr", "settings-saved"));
    assert_eq!(switches(&app).await, Switches { sync: true, write_back: false });
    // a page that saw another state turns nothing off, and asks
    let answer = other.submit(&older, &save, &[("write_back_on", "on")]).await;
    assert_eq!(answer.status, 409);
    let asked = answer.page();
    assert!(asked.has_text("Somebody else changed this meanwhile"), "{}", asked.text());
    assert!(asked.has("input[name=write_back_on][checked]") && !asked.has("input[name=sync_on][checked]"));
    assert_eq!(switches(&app).await, Switches { sync: true, write_back: false });
    other.submit(&asked, &save, &[]).await.redirect();
    assert_eq!(switches(&app).await, Switches { sync: false, write_back: true });
    assert_eq!(rows(&app, Event::EmrSwitched).await, 2);
    // a page that was made before the configuration changed names another source
    for path in ["/settings/emr/1", "/settings/emr/2", "/settings/emr/0", "/settings/emr/1/test"] {
        assert_eq!(owner.post(path, &[("source", "Another EMR"), ("sync_on", "on")]).await.status, 404, "{path}");
    }
    assert_eq!(rows(&app, Event::EmrSwitched).await, 2);
}

async fn published(app: &App) -> Vec<String> {
    let answer = app.anyone().get("/emr/jwks.json").await;
    assert_eq!(answer.status, 200);
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    let keys = said["keys"].as_array().unwrap();
    for key in keys {
        assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("EC"), &json!("P-384"), &json!("ES384")));
        assert!(key.get("d").is_none(), "the private half");
    }
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The id of the key that signs now.
async fn signs(app: &App) -> String {
    let keys = key_source(app.state.db.clone(), app.state.clock.clone());
    let read = tokio::task::spawn_blocking(move || keys().unwrap().unwrap().id().to_owned());
    read.await.unwrap()
}

async fn a_key_is_renewed_once(on: On) {
    let app = start(on).await;
    let first = published(&app).await;
    assert_eq!(first.len(), 1);
    assert_eq!(signs(&app).await, first[0]);
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/emr").await.ok();
    assert!(page.has_text(&first[0]));
    assert_eq!(owner.submit(&page, "Make a new key", &[]).await.says().1, "emr-key-renewed");
    // a second press of the same page makes no third
    assert_eq!(owner.submit(&page, "Make a new key", &[]).await.says().1, "emr-key-renewed-before");
    let both = published(&app).await;
    assert!(both.len() == 2 && both[1] == first[0] && both[0] != first[0], "{both:?}");
    assert!(owner.get("/settings/emr").await.ok().has_text(&both[0]));
    // an EMR needs time to read the new one
    assert_eq!(signs(&app).await, first[0]);
    app.state.clock.advance(time::Duration::minutes(5));
    assert_eq!(signs(&app).await, both[0]);
    app.state.clock.advance(time::Duration::hours(23));
    assert_eq!(published(&app).await, both);
    app.state.clock.advance(time::Duration::hours(1));
    assert_eq!(published(&app).await, both[..1]);
    // the one of the first start, and the new one
    assert_eq!(rows(&app, Event::EmrKeyMade).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_emr_there_is_no_key() {
    let app = App::start(On::Sqlite).await;
    assert!(published(&app).await.is_empty());
    let page = app.user(Role::Owner).await.get("/settings/emr").await.ok();
    assert!(page.has_text("No EMR is configured") && !page.has_text("Make a new key"), "{}", page.text());
    assert_eq!(rows(&app, Event::EmrKeyMade).await, 0);
}
