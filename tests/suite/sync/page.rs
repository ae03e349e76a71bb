//! `/settings/sync`: how it stands, what was left out, "Sync now"; in both languages, narrow and wide.

use super::stand::Stand;
use super::{NAME, a_few, count_of_requests_until, done, holding, round};
use crate::on_each;
use crate::patients::email_of_the_user;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use postern::access::{Operator, Role};
use postern::config::{EmrSignIn, EmrSource};
use postern::db::schema::audit_events;
use postern::delivery::Delivery;
use postern::emr_sources::{Switches, save_switches};
use postern::error::AppError;
use postern::sync::{Outcome, Refusal, Trouble};
use serde_json::json;
use std::sync::Arc;

on_each!(the_page_says_how_it_stands, a_round_is_asked_for, a_round_ends_when_the_sync_is_turned_off);

/// A clinic whose configuration names an EMR, which nobody asks by itself.
async fn clinic(on: On) -> App {
    let emr = EmrSource {
        name: NAME.into(),
        base: "https://emr.example/fhir".parse().unwrap(),
        sign_in: EmrSignIn::Bearer("a-token-of-a-test".into()),
        launch_client_id: None,
        secret_files: Vec::new(),
        scopes: String::new(),
        requests_per_second: 5,
        quiet_hours: None,
        timeout: std::time::Duration::from_secs(5),
        authorities: Vec::new(),
    };
    App::start_with_config(on, |config| config.emr = vec![emr], Delivery::mailbox).await
}

async fn switch_on(app: &App) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let on = Switches { sync: true, write_back: false };
        Ok(save_switches(tx, now, &Operator::of_the_command_line(), NAME, on)?)
    });
    write.await.unwrap();
}

/// A round that is refused on its second page of observations.
async fn stands_still(app: &App) -> Arc<Stand> {
    let mut all = a_few();
    all.push(json!({"resourceType": "Observation", "id": "nobodys", "status": "final", "code": {"text": "Nobody's"}}));
    let emr = holding(&all);
    let at = count_of_requests_until(&emr, "Observation?cursor").await;
    emr.fail(at, Refusal::NotAllowed);
    emr.fail(at + 1, Refusal::Away);
    let outcome = round(app, &emr, None).await;
    assert!(matches!(outcome, Outcome::Stopped(Trouble::Away, _)), "{outcome:?}");
    emr
}

async fn the_page_says_how_it_stands(on: On) {
    let app = clinic(on).await;
    let owner = app.user(Role::Owner).await;
    let path = "/settings/sync";
    let page = owner.get(path).await.ok();
    assert!(page.has_text("Nothing was read yet.") && page.has_text(NAME), "{}", page.text());
    switch_on(&app).await;
    let emr = stands_still(&app).await;
    let page = owner.get(path).await.ok();
    assert!(page.has_text("The source does not answer."), "{}", page.text());
    assert!(page.has_text("Observation 7 of 11"), "{}", page.text());
    assert!(page.has_text("The source does not let Postern read it"), "{}", page.text());
    done(&app, &emr).await;
    let page = owner.get(path).await.ok();
    assert!(page.has_text("but for the kinds of records that cannot be read"), "{}", page.text());
    assert!(page.has_text("Patient 1 of 1") && !page.has_text("does not answer"), "{}", page.text());
    assert!(owner.get("/patients/1").await.ok().has_text("Some kinds of records cannot be read"));
    // they are lacking until they are read
    done(&app, &emr).await;
    let page = owner.get(path).await.ok();
    assert!(page.has_text("The charts are up to date."), "{}", page.text());
    assert!(!owner.get("/patients/1").await.ok().has_text("Some kinds of records cannot be read"));
    let clinician = app.user(Role::Clinician).await;
    assert_eq!(clinician.get(path).await.status, 403);
    // the chart says as of when it is, and whether news have stopped
    let chart = clinician.get("/patients/1").await.ok();
    assert!(chart.has_text("EMR as of") && !chart.has_text("Nothing newer comes"), "{}", chart.text());
    emr.fail(1, Refusal::Away);
    assert!(matches!(round(&app, &emr, None).await, Outcome::Stopped(Trouble::Away, _)));
    let chart = clinician.get("/patients/1").await.ok();
    assert!(chart.has_text("EMR as of") && chart.has_text("Nothing newer comes"), "{}", chart.text());
}

async fn a_round_is_asked_for(on: On) {
    let app = clinic(on).await;
    let owner = app.user(Role::Owner).await;
    let path = "/settings/sync";
    // a page of before it was switched off
    let off = owner.post(path, &[("source", NAME), ("wanted", "news")]).await;
    assert_eq!(off.says(), (path.to_owned(), "sync-off".to_owned()));
    switch_on(&app).await;
    let emr = holding(&a_few());
    done(&app, &emr).await;
    for (wanted, status) in [("all", 303), ("news", 303), ("x", 400)] {
        assert_eq!(owner.post(path, &[("source", NAME), ("wanted", wanted)]).await.status, status, "{wanted}");
    }
    assert_eq!(owner.post(path, &[("source", "another"), ("wanted", "all")]).await.status, 404);
    let page = owner.get(path).await.ok();
    assert!(page.has_text("It begins in a moment."), "{}", page.text());
    let told = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(audit_events::table.filter(audit_events::action.eq("sync_asked")).count().get_result(conn)?)
    });
    assert_eq!(told.await.unwrap(), 2);
    // every record was asked for first, and is read
    emr.asked();
    done(&app, &emr).await;
    assert!(emr.asked().iter().all(|target| !target.contains("_lastUpdated")));
    assert!(owner.get(path).await.ok().has_text("The charts are up to date."));
}

async fn a_round_ends_when_the_sync_is_turned_off(on: On) {
    let app = clinic(on).await;
    let owner = app.user(Role::Owner).await;
    switch_on(&app).await;
    let emr = holding(&a_few());
    let (came, let_go) = emr.hang(1);
    let under_way = async { round(&app, &emr, None).await };
    let off = async {
        came.await.unwrap();
        let page = owner.get("/settings/emr").await.ok();
        assert!(page.has("input[name=sync_on][checked]"), "{}", page.text());
        owner.post("/settings/emr/1", &[("source", NAME)]).await.redirect();
        let_go.send(()).unwrap();
    };
    let (outcome, ()) = tokio::join!(under_way, off);
    assert_eq!(outcome, Outcome::NotNow);
    let page = owner.get("/settings/sync").await.ok();
    assert!(page.has_text("The sync is off.") && !page.has_text("Stands still since"), "{}", page.text());
    // it is whole once it is on again
    switch_on(&app).await;
    done(&app, &emr).await;
    assert!(owner.get("/settings/sync").await.ok().has_text("The charts are up to date."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_well_made() {
    let app = clinic(On::Sqlite).await;
    app.user(Role::Owner).await;
    switch_on(&app).await;
    stands_still(&app).await;
    for language in ["en", "fr"] {
        let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
        let email = email_of_the_user(&app, language).await;
        let words = |en, fr| if language == "fr" { fr } else { en };
        for scripts in [true, false] {
            if !scripts {
                browser.without_javascript().await;
            } else {
                browser.goto("/sign-in").await;
                browser.fill(words("Email", "Courriel"), &email).await;
                browser.fill(words("Password", "Mot de passe"), PASSWORD).await;
                browser.click_text(words("Sign in", "Se connecter")).await;
                browser.wait_path("/inbox").await;
            }
            browser.goto("/settings/sync").await;
            browser.wait_text(words("Sync with EMRs", "Synchronisation avec les DME")).await;
            browser.inspect_at(&[320, 390, 1280], &format!("sync-{language}-{scripts}")).await;
        }
    }
}
