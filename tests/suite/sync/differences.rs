//! Where an EMR and the clinic say different things of a patient: a user chooses, or a rule decides.

use super::stand::Stand;
use super::{NAME, done, holding};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::{BORN, Like};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::audit_events;
use postern::error::AppError;
use postern::patients::{self, Patient};
use serde_json::{Value, json};
use std::sync::Arc;

on_both!(
    what_the_emr_says_is_shown_and_taken,
    what_a_user_keeps_stays_until_the_emr_says_something_else,
    a_rule_decides_by_field,
    of_two_emrs_neither_overwrites_the_other,
    what_another_charts_record_says_is_not_offered,
    what_was_entered_meanwhile_is_not_overwritten,
    what_the_patient_has_confirmed_is_not_overwritten,
);

/// The patient of [`Like::default`], as the EMR has her.
fn maria(family: &str, email: &str) -> Value {
    json!({"resourceType": "Patient", "id": "m", "name": [{"family": family, "given": ["MARIA"]}], "birthDate": BORN,
        "telecom": [{"system": "email", "value": email}]})
}

async fn record(app: &App, id: PatientId) -> Patient {
    app.state.db.read(move |conn| -> Result<_, AppError> { Ok(patients::patient_by_id(conn, id)?) }).await.unwrap()
}

async fn email(app: &App, id: PatientId) -> String {
    record(app, id).await.email.as_ref().map_or(String::new(), |email| email.as_str().to_owned())
}

/// The details of the audit rows with this word.
async fn told(app: &App, word: &'static str) -> Vec<Option<String>> {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let rows = audit_events::table.filter(audit_events::action.eq(word)).order(audit_events::id);
        Ok(rows.select(audit_events::detail).load(conn)?)
    });
    read.await.unwrap()
}

/// A clinic with a patient who has signed in to the portal, and an EMR that has another email of hers.
async fn clinic(app: &App) -> (Actor, PatientId, Actor, Arc<Stand>) {
    let owner = app.user(Role::Owner).await;
    let id = app.patient(Like::default()).await;
    app.message(&owner, id, true).await;
    app.drain().await;
    let (visitor, _) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    (owner, id, visitor, holding(&[maria("Mejia", "new@example.org")]))
}

async fn is_in(visitor: &Actor) -> bool {
    visitor.get("/portal/messages").await.status == 200
}

async fn what_the_emr_says_is_shown_and_taken(app: App) {
    let (owner, id, visitor, emr) = clinic(&app).await;
    done(&app, &emr).await;
    assert_eq!(email(&app, id).await, "maria@example.org", "nothing is overwritten in silence");
    assert!(is_in(&visitor).await);
    let chart = format!("/patients/{id}");
    let page = owner.get(&chart).await.ok();
    assert!(page.has_text("An EMR says otherwise") && page.has_text("Email · new@example.org"), "{}", page.text());
    // capitals and accents make no other name
    assert!(!page.has_text("Given names ·") && !page.has_text("Family name ·"), "{}", page.text());
    assert!(!app.user(Role::Viewer).await.get(&chart).await.ok().has_text("An EMR says otherwise"));
    let answer = owner.submit(&page, "Take it from EMR Email", &[]).await;
    assert_eq!(answer.says(), (chart.clone(), "difference-chosen".to_owned()));
    assert_eq!(email(&app, id).await, "new@example.org");
    assert!(!is_in(&visitor).await, "an address that changes ends sessions");
    assert!(!owner.get(&chart).await.ok().has_text("An EMR says otherwise"));
    // of two who choose the second is told
    let late = owner.submit(&page, "Keep what is here Email", &[]).await;
    assert_eq!(late.says(), (chart, "difference-newer".to_owned()));
    assert_eq!(told(&app, "difference_kept").await, Vec::<Option<String>>::new());
}

async fn what_a_user_keeps_stays_until_the_emr_says_something_else(app: App) {
    let (owner, id, visitor, emr) = clinic(&app).await;
    done(&app, &emr).await;
    let chart = format!("/patients/{id}");
    let older = owner.get(&chart).await.ok();
    owner.submit(&older, "Keep what is here Email", &[]).await.redirect();
    assert_eq!(told(&app, "difference_kept").await, [Some("email".to_owned())]);
    // the EMR writes her record anew, with the same email
    emr.put(&maria("Mejia", "new@example.org"));
    done(&app, &emr).await;
    assert!(!owner.get(&chart).await.ok().has_text("An EMR says otherwise"));
    emr.put(&maria("Mejia", "third@example.org"));
    done(&app, &emr).await;
    let page = owner.get(&chart).await.ok();
    assert!(page.has_text("Email · third@example.org") && !page.has_text("new@example.org"), "{}", page.text());
    // a page that showed the one before takes nothing
    let late = owner.submit(&older, "Take it from EMR Email", &[]).await;
    assert_eq!(late.says().1, "difference-newer");
    assert_eq!(email(&app, id).await, "maria@example.org");
    // once both say the same there is nothing to ask
    emr.put(&maria("Mejia", "Maria@Example.org"));
    done(&app, &emr).await;
    assert!(!owner.get(&chart).await.ok().has_text("An EMR says otherwise"));
    assert!(is_in(&visitor).await);
    for wrong in [("choice", "x"), ("choice", "")] {
        let answer = owner.post(&format!("{chart}/differences"), &[("difference", "1"), ("noted", "1"), wrong]).await;
        assert_eq!(answer.status, 400);
    }
}

async fn a_rule_decides_by_field(app: App) {
    let (owner, id, visitor, emr) = clinic(&app).await;
    done(&app, &emr).await;
    // nobody has confirmed the email that is here
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        Ok(diesel::sql_query("UPDATE patients SET confirmed_email = NULL, confirmed_phone = NULL")
            .execute(tx.conn())?)
    });
    write.await.unwrap();
    owner.post("/settings/sync/rules", &[("email", "emr"), ("family_name", "clinic")]).await.redirect();
    emr.put(&maria("Roy", "new@example.org"));
    done(&app, &emr).await;
    let now = record(&app, id).await;
    assert_eq!((now.family_name.as_str(), email(&app, id).await.as_str()), ("Mejía", "new@example.org"));
    assert_eq!(told(&app, "patient_changed").await.last(), Some(&Some("email".to_owned())));
    assert!(!is_in(&visitor).await, "an address that changes ends sessions");
    assert!(!owner.get(&format!("/patients/{id}")).await.ok().has_text("An EMR says otherwise"));
    assert!(owner.get("/settings/sync").await.ok().form_with("Save").value("email").is_some_and(|rule| rule == "emr"));
}

async fn of_two_emrs_neither_overwrites_the_other(app: App) {
    let owner = app.user(Role::Owner).await;
    let id = app.patient(Like::default()).await;
    owner.post("/settings/sync/rules", &[("email", "emr")]).await.redirect();
    done(&app, &holding(&[maria("Mejia", "new@example.org")])).await;
    assert_eq!(email(&app, id).await, "new@example.org");
    let laboratory = Stand::new("Laboratory");
    laboratory.put(&maria("Mejia", "older@example.org"));
    done(&app, &Arc::new(laboratory)).await;
    assert_eq!(email(&app, id).await, "new@example.org");
    let page = owner.get(&format!("/patients/{id}")).await.ok();
    assert!(page.has_text("Email · older@example.org"), "{}", page.text());
}

async fn what_the_patient_has_confirmed_is_not_overwritten(app: App) {
    let (owner, id, visitor, emr) = clinic(&app).await;
    owner.post("/settings/sync/rules", &[("email", "emr")]).await.redirect();
    done(&app, &emr).await;
    assert_eq!(email(&app, id).await, "maria@example.org");
    assert!(is_in(&visitor).await);
    let page = owner.get(&format!("/patients/{id}")).await.ok();
    assert!(page.has_text("Email · new@example.org") && page.has_text(NAME), "{}", page.text());
}

async fn what_another_charts_record_says_is_not_offered(app: App) {
    let (owner, id, _, emr) = clinic(&app).await;
    done(&app, &emr).await;
    let chart = format!("/patients/{id}");
    let page = owner.get(&chart).await.ok();
    assert!(page.has_text("An EMR says otherwise"), "{}", page.text());
    // the record goes to another chart, as it does when a merge is undone
    let other =
        app.patient(Like { name: ("Ann", "Oak"), email: Some("ann@example.org".into()), ..Like::default() }).await;
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(diesel::sql_query(format!("UPDATE patient_sources SET patient_id = {other}")).execute(tx.conn())?)
    });
    write.await.unwrap();
    assert!(!owner.get(&chart).await.ok().has_text("An EMR says otherwise"));
    let late = owner.submit(&page, "Take it from EMR Email", &[]).await;
    assert_eq!(late.says().1, "difference-newer");
    assert_eq!(email(&app, id).await, "maria@example.org");
}

async fn what_was_entered_meanwhile_is_not_overwritten(app: App) {
    let (owner, id, _, emr) = clinic(&app).await;
    done(&app, &emr).await;
    let page = owner.get(&format!("/patients/{id}")).await.ok();
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        Ok(diesel::sql_query("UPDATE patients SET email = 'entered@example.org'").execute(tx.conn())?)
    });
    write.await.unwrap();
    for choice in ["Take it from EMR Email", "Keep what is here Email"] {
        let late = owner.submit(&page, choice, &[]).await;
        assert_eq!(late.says().1, "difference-newer", "{choice}");
    }
    assert_eq!(email(&app, id).await, "entered@example.org");
    let page = owner.get(&format!("/patients/{id}")).await.ok();
    owner.submit(&page, "Take it from EMR Email", &[]).await.redirect();
    assert_eq!(email(&app, id).await, "new@example.org");
}
