//! A message to many goes out: to each once, as a click would have sent it, beside everything else.

use super::{all_out, crowd, in_state, numbered, rows, written_to};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use futures_util::future::join_all;
use postern::access::Role;
use postern::broadcasts;
use postern::db::schema::{audit_events, jobs, plan_steps, users};
use postern::db::{DbError, PatientId, PlanStepId};
use postern::error::AppError;
use postern::notifications;
use postern::outbox;
use std::collections::BTreeSet;

on_both!(
    each_gets_a_conversation_of_their_own,
    two_presses_send_it_once,
    it_is_stopped_in_the_middle,
    a_worker_that_dies_sends_nothing_twice,
    what_has_changed_since_is_told_for_each,
    two_records_of_one_person_get_it_once,
    a_record_that_had_it_is_merged_before_the_others_turn,
    whoever_may_not_send_any_more_sends_nothing,
    nobody_else_waits_for_it,
    nobody_else_waits_for_its_reminders,
    a_thousand_get_it,
    it_goes_with_a_record_that_is_deleted,
    after_a_restore_it_is_stopped,
    french_is_spoken,
);

/// As many as are begun at a time.
const ROUND: usize = 20;

async fn each_gets_a_conversation_of_their_own(app: App) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let ada = Like { name: ("Ada <b>", "Roy & Co"), email: Some("ada@example.org".into()), ..Like::default() };
    let ada = app.patient(ada).await;
    let path = app.broadcast(&user, &[maria, ada]).await;
    let page = user.get(&path).await.ok();
    let (to, notice) = user.submit(&page, "Send to 2 patients", &[]).await.says();
    assert_eq!((to, notice), (path.clone(), "many-going".to_owned()));
    assert!(user.get(&path).await.ok().has_text("It is going out"));
    all_out(&app).await;
    assert_eq!(written_to(&app).await, [maria, ada]);
    assert_eq!(app.mailbox.newest_first().len(), 2);
    let page = user.get(&path).await.ok();
    assert!(page.has_text("All done") && page.has_text("Sent by User clinician"), "{}", page.text());
    // what one patient reads
    let (browser, message) = app.go_in(&app.link_to("ada@example.org"), "+16135550121").await;
    let read = browser.get(&message).await.ok();
    assert!(read.has_text("Flu shots for Ada <b>") && read.has_text("Dear Ada <b>, come any day."), "{}", read.text());
    assert!(!read.has_text("María") && !read.has_text("many"), "{}", read.text());
    assert!(!read.has("textarea"), "replies are off");
    let listed = browser.get("/portal/messages").await.ok();
    assert!(!listed.has_text("Flu shots for María"));
    let read = user.get("/conversations/1").await.ok();
    assert!(read.has_text("Dear María, come any day.") && !read.has_text("Ada"), "{}", read.text());
    let traces = app.state.db.read(|conn| -> Result<Vec<Option<String>>, AppError> {
        let started = audit_events::table.filter(audit_events::action.eq("conversation_started"));
        Ok(started.select(audit_events::detail).load(conn)?)
    });
    assert_eq!(traces.await.unwrap(), [Some("broadcast".to_owned()), Some("broadcast".to_owned())]);
}

async fn two_presses_send_it_once(app: App) {
    let (user, other) = (app.user(Role::Clinician).await, app.user(Role::Owner).await);
    let all = crowd(&app, 3).await;
    let path = app.broadcast(&user, &all).await;
    let goal = format!("{path}/sending");
    join_all([&user, &other, &user, &other].map(|by| by.post(&goal, &[]))).await;
    join_all((0..4).map(|_| all_out(&app))).await;
    assert_eq!(written_to(&app).await, all);
    user.post(&goal, &[]).await.redirect();
    all_out(&app).await;
    assert_eq!(written_to(&app).await.len(), 3);
    assert_eq!(user.post(&format!("{path}/removal"), &[]).await.says().1, "many-nothing");
    let sent = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(audit_events::table.filter(audit_events::action.eq("broadcast_sent")).count().get_result(conn)?)
    });
    assert_eq!(sent.await.unwrap(), 1);
}

async fn it_is_stopped_in_the_middle(app: App) {
    let (user, other) = (app.user(Role::Clinician).await, app.user(Role::Owner).await);
    let path = app.broadcast(&user, &crowd(&app, 45).await).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    app.drain().await;
    assert_eq!(in_state(&app, "sent").await, ROUND);
    let page = other.get(&path).await.ok();
    let (_, notice) = other.submit(&page, "Stop", &[]).await.says();
    assert_eq!(notice, "many-stopped");
    app.state.clock.advance(time::Duration::minutes(2));
    all_out(&app).await;
    assert_eq!((in_state(&app, "sent").await, written_to(&app).await.len()), (ROUND, ROUND));
    let page = user.get(&path).await.ok();
    for words in ["Stopped: the rest does not go out", "Stopped by User owner", "Stopped before their turn"] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    assert_eq!(other.post(&format!("{path}/stopping"), &[]).await.says().1, "many-nothing");
    // its words can be used again, for another list
    let again = user.get(&format!("/broadcasts/new?from={}", path.rsplit('/').next().unwrap())).await.ok();
    let form = again.form_with("Check who gets it");
    assert_eq!(form.value("title").as_deref(), Some("Flu shots for {{patient.given_name}}"));
    assert_eq!(form.value("recipients").unwrap_or_default().trim(), "");
}

async fn a_worker_that_dies_sends_nothing_twice(app: App) {
    let user = app.user(Role::Clinician).await;
    let all = crowd(&app, 30).await;
    let path = app.broadcast(&user, &all).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    app.drain().await;
    app.state.clock.advance(time::Duration::seconds(1));
    // claimed, some of it done, and never heard of again
    let (now, random) = (app.state.clock.now(), app.state.random.clone());
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let claimed = outbox::claim(tx, now, &random, outbox::Lane::Many, 9, &[])?;
        assert_eq!(claimed.len(), 1);
        let id = postern::db::BroadcastId(1);
        let broadcasts::Next::These(these) = broadcasts::next(tx, now, id)? else { panic!("it is over") };
        for one in &these[..3] {
            broadcasts::send_one(tx, now, &random, id, *one).map_err(|e| AppError::Internal(e.to_string()))?;
        }
        Ok(these[0])
    });
    let done = write.await.unwrap();
    app.drain().await;
    assert_eq!(in_state(&app, "sent").await, ROUND + 3, "the claim holds");
    // one that was done is not done again, whoever asks
    let (now, random) = (app.state.clock.now(), app.state.random.clone());
    let again = app.state.db.write(move |tx| broadcasts::send_one(tx, now, &random, postern::db::BroadcastId(1), done));
    assert!(matches!(again.await, Err(broadcasts::OneError::Passed)));
    app.state.clock.advance(time::Duration::seconds(61));
    all_out(&app).await;
    let written = written_to(&app).await;
    assert_eq!(written, all, "each once, and nobody left out");
    assert_eq!(app.mailbox.newest_first().len(), 30);
}

async fn what_has_changed_since_is_told_for_each(app: App) {
    let user = app.user(Role::Owner).await;
    let ada = numbered(&app, "A1", Like { name: ("Ada", "Roy"), ..Like::default() }).await;
    let bea = numbered(&app, "A2", Like { name: ("Bea", "Roy"), ..Like::default() }).await;
    let cyd = numbered(&app, "A3", Like { name: ("Cyd", "Roy"), ..Like::default() }).await;
    let path = app.broadcast(&user, &[ada, bea, cyd]).await;
    user.post(&format!("/patients/{ada}/archiving"), &[("reason", "deceased")]).await.redirect();
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    let page = user.get(&format!("/patients/{cyd}/information")).await.ok();
    user.submit(&page, "Save", &[("portal_access", "off")]).await.redirect();
    all_out(&app).await;
    let told = |state: &str, reason: Option<&str>| (state.to_owned(), reason.map(str::to_owned));
    let found: Vec<_> = rows(&app).await.into_iter().map(|row| (row.1, row.2)).collect();
    assert_eq!(found, [told("not_sent", Some("archived")), told("sent", None), told("not_sent", Some("no_access"))]);
    assert_eq!(written_to(&app).await, [bea]);
    let page = user.get(&format!("{path}?show=not_sent")).await.ok();
    for words in ["Ada Roy", "The record is archived. The patient has died.", "Cyd Roy", "no access", "All done"] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
}

async fn two_records_of_one_person_get_it_once(app: App) {
    let user = app.user(Role::Owner).await;
    let one = numbered(&app, "A1", Like { name: ("Ada", "Roy"), ..Like::default() }).await;
    let two = numbered(&app, "A2", Like { name: ("Ada", "Roy"), ..Like::default() }).await;
    let alone = numbered(&app, "A3", Like { name: ("Bea", "Roy"), ..Like::default() }).await;
    let beside = numbered(&app, "A4", Like { name: ("Bea", "Roy"), ..Like::default() }).await;
    let path = app.broadcast(&user, &[one, two, alone]).await;
    let merge = async |kept: PatientId, merged: PatientId| {
        let page = user.get(&format!("/patients/{kept}/merging?with={merged}")).await.ok();
        assert_eq!(user.submit(&page, "Merge the charts", &[]).await.status, 303);
    };
    merge(one, two).await;
    merge(beside, alone).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    all_out(&app).await;
    assert_eq!(written_to(&app).await, [one, beside], "the person gets it in the record that is left");
    let found: Vec<_> = rows(&app).await.into_iter().map(|row| (row.1, row.2)).collect();
    assert_eq!(found[1], ("not_sent".to_owned(), Some("same_person".to_owned())));
    assert_eq!((found[0].0.as_str(), found[2].0.as_str()), ("sent", "sent"));
}

async fn a_record_that_had_it_is_merged_before_the_others_turn(app: App) {
    let user = app.user(Role::Owner).await;
    let one = numbered(&app, "A1", Like { name: ("Ada", "Roy"), ..Like::default() }).await;
    let two = numbered(&app, "A2", Like { name: ("Ada", "Roy"), ..Like::default() }).await;
    let path = app.broadcast(&user, &[one, two]).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    let (now, random) = (app.state.clock.now(), app.state.random.clone());
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        let id = postern::db::BroadcastId(1);
        let broadcasts::Next::These(these) = broadcasts::next(tx, now, id)? else { panic!("it is over") };
        let sent = broadcasts::send_one(tx, now, &random, id, these[0]);
        sent.map(drop).map_err(|e| AppError::Internal(e.to_string()))
    });
    write.await.unwrap();
    let page = user.get(&format!("/patients/{two}/merging?with={one}")).await.ok();
    assert_eq!(user.submit(&page, "Merge the charts", &[]).await.status, 303);
    all_out(&app).await;
    assert_eq!(written_to(&app).await, [two], "what the other record got has moved here");
    let found: Vec<_> = rows(&app).await.into_iter().map(|row| (row.1, row.2)).collect();
    assert_eq!(found[1], ("not_sent".to_owned(), Some("same_person".to_owned())));
}

async fn whoever_may_not_send_any_more_sends_nothing(app: App) {
    let (owner, user) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let path = app.broadcast(&user, &crowd(&app, 25).await).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    app.drain().await;
    let page = owner.get("/settings/users/2").await.ok();
    owner.submit(&page, "Save", &[("role", "staff")]).await.redirect();
    app.state.clock.advance(time::Duration::seconds(2));
    all_out(&app).await;
    assert_eq!(in_state(&app, "sent").await, ROUND);
    let page = owner.get(&path).await.ok();
    assert!(page.has_text("whoever sent it may not send to many any more"), "{}", page.text());
}

async fn nobody_else_waits_for_it(app: App) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let path = app.broadcast(&user, &crowd(&app, 150).await).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    // rounds, of which no notification is handed over
    let mut rounds = 0;
    loop {
        let now = app.state.clock.now();
        let random = app.state.random.clone();
        let write = app.state.db.write(move |tx| -> Result<bool, AppError> {
            let id = postern::db::BroadcastId(1);
            let broadcasts::Next::These(these) = broadcasts::next(tx, now, id)? else { return Ok(false) };
            for one in these {
                broadcasts::send_one(tx, now, &random, id, one).map_err(|e| AppError::Internal(e.to_string()))?;
            }
            Ok(true)
        });
        if !write.await.unwrap() {
            break;
        }
        rounds += 1;
    }
    assert_eq!(rounds, 5, "no more is begun while a hundred wait");
    app.message(&user, maria, false).await;
    let (now, random) = (app.state.clock.now(), app.state.random.clone());
    let claimed = app
        .state
        .db
        .write(move |tx| -> Result<_, DbError> { Ok(outbox::claim(tx, now, &random, outbox::Lane::Email, 64, &[])?) });
    let claimed = claimed.await.unwrap();
    assert_eq!(claimed.len(), 1, "in the lane of everybody else there is that one message alone: {claimed:?}");
    let lanes = app.state.db.read(|conn| -> Result<Vec<String>, AppError> {
        Ok(jobs::table.filter(jobs::kind.eq("send_notification")).select(jobs::lane).load(conn)?)
    });
    let many = lanes.await.unwrap().into_iter().filter(|lane| lane == "many").count();
    assert_eq!(many, 100);
    all_out(&app).await;
    assert_eq!(in_state(&app, "sent").await, 150);
}

async fn nobody_else_waits_for_its_reminders(app: App) {
    let user = app.user(Role::Clinician).await;
    let path = app.broadcast(&user, &crowd(&app, 1).await).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    all_out(&app).await;
    let (now, random) = (app.state.clock.now(), app.state.random.clone());
    let write = app.state.db.write(move |tx| -> Result<Vec<String>, AppError> {
        let remind = plan_steps::table.filter(plan_steps::step.eq("remind")).select(plan_steps::id);
        let step: PlanStepId = remind.first(tx.conn())?;
        notifications::follow_up(tx, now, &random, step)?;
        Ok(jobs::table.filter(jobs::kind.eq("send_notification")).select(jobs::lane).load(tx.conn())?)
    });
    assert_eq!(write.await.unwrap(), ["many"]);
}

async fn a_thousand_get_it(app: App) {
    let user = app.user(Role::Clinician).await;
    let all = crowd(&app, 1_000).await;
    let path = app.broadcast(&user, &all).await;
    let page = user.get(&path).await.ok();
    assert!(page.has_text("1000 patients will be told."), "{}", page.text());
    assert_eq!(page.count(".list li"), 50, "a page at a time");
    // page by page each patient once
    let (mut seen, mut at, mut pages) = (BTreeSet::new(), path.clone(), 0);
    loop {
        let page = user.get(&at).await.ok();
        seen.extend(page.links().into_iter().map(|link| link.href).filter(|href| href.starts_with("/patients/")));
        pages += 1;
        match page.links().into_iter().find(|link| link.href.contains("after=")) {
            Some(link) => at = link.href,
            None => break,
        }
    }
    assert_eq!((pages, seen.len()), (20, 1_000));
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    all_out(&app).await;
    assert_eq!(written_to(&app).await, all);
    assert_eq!(app.mailbox.newest_first().len(), 1_000);
}

async fn it_goes_with_a_record_that_is_deleted(app: App) {
    let owner = app.user(Role::Owner).await;
    let (maria, ada) = (app.patient(Like::default()).await, app.patient(Like::default()).await);
    let sent = app.broadcast(&owner, &[maria, ada]).await;
    owner.post(&format!("{sent}/sending"), &[]).await.redirect();
    all_out(&app).await;
    app.broadcast(&owner, &[maria]).await;
    assert_eq!(rows(&app).await.len(), 3);
    owner.post(&format!("/patients/{maria}/archiving"), &[("reason", "left")]).await.redirect();
    owner.post(&format!("/patients/{maria}/deletion"), &[("name", "María Mejía")]).await.redirect();
    let left = rows(&app).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].0, ada);
    assert!(owner.get(&sent).await.ok().has_text("All done"));
    // also while it goes out
    let going = app.broadcast(&owner, &[ada]).await;
    owner.post(&format!("{going}/sending"), &[]).await.redirect();
    owner.post(&format!("/patients/{ada}/archiving"), &[("reason", "left")]).await.redirect();
    owner.post(&format!("/patients/{ada}/deletion"), &[("name", "María Mejía")]).await.redirect();
    all_out(&app).await;
    assert!(rows(&app).await.is_empty() && owner.get(&going).await.ok().has_text("All done"));
}

async fn after_a_restore_it_is_stopped(app: App) {
    let user = app.user(Role::Clinician).await;
    let all = crowd(&app, 25).await;
    let (path, unsent) = (app.broadcast(&user, &all).await, app.broadcast(&user, &all[..1]).await);
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    app.drain().await;
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        outbox::after_restore(tx)?;
        Ok(broadcasts::after_restore(tx, now)?)
    });
    assert_eq!(write.await.unwrap(), 2);
    // what was prepared may have been sent too
    user.post(&format!("{unsent}/sending"), &[]).await.redirect();
    app.state.clock.advance(time::Duration::seconds(2));
    all_out(&app).await;
    assert_eq!(in_state(&app, "sent").await, ROUND);
    for path in [&path, &unsent] {
        let page = user.get(path).await.ok();
        assert!(page.has_text("a backup was restored") && !page.has_text("Send to"), "{}", page.text());
    }
    let again = user.get(&format!("/broadcasts/new?from={}", unsent.rsplit('/').next().unwrap())).await.ok();
    assert_eq!(again.form_with("Check who gets it").value("recipients").unwrap_or_default().trim(), "");
}

async fn french_is_spoken(app: App) {
    app.user(Role::Owner).await;
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq("fr")).execute(tx.conn())?;
        Ok(users::table.select(users::email).first(tx.conn())?)
    });
    let (email, user) = (write.await.unwrap(), app.anyone());
    user.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    numbered(&app, "A1", Like { portal_access: false, ..Like::default() }).await;
    numbered(&app, "A2", Like::default()).await;
    let page = user.get("/broadcasts/new").await.ok();
    let fields =
        [("recipients", "A1\nA2\nA3"), ("title", "Vaccin"), ("body", "Bonjour {{patient.given_name}}, le {{today}}")];
    let path = user.submit(&page, "Vérifier qui le reçoit", &fields).await.redirect();
    let page = user.get(&path).await.ok();
    for words in
        ["1 patient sera avisé.", "1 patient ne peut pas être avisé", "n’est celui de personne", "le 4 mars 2026"]
    {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    user.submit(&page, "Envoyer à 1 patient", &[]).await.redirect();
    all_out(&app).await;
    assert!(user.get(&path).await.ok().has_text("Tout est fait"));
}
