//! Mail through a real Postfix, and returned mail read from a real Dovecot.

use crate::on_each;
use crate::support::app::{Actor, App, On};
use crate::support::mail_system::MailSystem;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::clock::Clock;
use postern::config::Tls;
use postern::db::schema::notifications;
use postern::delivery::{Delivery, SmtpRoad};
use postern::error::AppError;
use std::time::Duration;

async fn clinic(on: On, system: &MailSystem, tls: Tls) -> (App, Actor) {
    let bounces = system.bounces();
    let road = SmtpRoad::with_bounces(&system.smtp(tls), Clock::system(), Some(bounces.address.clone())).unwrap();
    let change = |config: &mut postern::config::Config| config.bounces = Some(bounces);
    let app = App::start_with_config(on, change, |_| Delivery::smtp(road)).await;
    let user = app.user(Role::Clinician).await;
    (app, user)
}

async fn send(app: &App, user: &Actor, to: &str) -> String {
    let patient = app.patient(Like { email: Some(to.into()), ..Like::default() }).await;
    app.message(user, patient, true).await
}

async fn states(app: &App) -> Vec<(String, Option<String>)> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let columns = (notifications::state, notifications::reason);
        Ok(notifications::table.order(notifications::id).select(columns).load(conn)?)
    });
    read.await.unwrap()
}

fn are(expected: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    expected.iter().map(|(state, reason)| ((*state).to_owned(), reason.map(str::to_owned))).collect()
}

/// Waits until a mailbox has `count` mails, and gives them: Postfix delivers at any time.
async fn wait_for(system: &MailSystem, address: &str, count: usize) -> Vec<String> {
    for _ in 0..200 {
        let mails = system.mails_of(address);
        if mails.len() >= count {
            return mails;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{address} has {} of {count} mails", system.mails_of(address).len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_takes_puts_off_and_refuses() {
    let Some(system) = MailSystem::start() else { return };
    for tls in [Tls::StartTls, Tls::Implicit] {
        let (app, user) = clinic(On::Sqlite, &system, tls).await;
        let name = if tls == Tls::Implicit { "b" } else { "a" };
        let people = [format!("ok{name}"), format!("flaky1{name}"), format!("reject{name}"), format!("full{name}")];
        for person in &people {
            send(&app, &user, &format!("{person}@mail.test")).await;
        }
        app.drain().await;
        let (sent, later) = (("sent", None), ("sending", Some("deferred")));
        let refused = ("failed", Some("no_mailbox"));
        assert_eq!(states(&app).await, are(&[sent, later, refused, later]));
        app.state.clock.advance(time::Duration::seconds(30));
        app.drain().await;
        assert_eq!(states(&app).await, are(&[sent, sent, refused, later]));
        let mails = wait_for(&system, &format!("ok{name}@mail.test"), 1).await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains("Return-Path: <bounces+") && !mails[0].contains("results"), "{}", mails[0]);
        assert_eq!(wait_for(&system, &format!("flaky1{name}@mail.test"), 1).await.len(), 1);
        app.state.clock.advance(time::Duration::hours(25));
        app.drain().await;
        assert_eq!(states(&app).await[3], are(&[("failed", Some("gave_up"))])[0]);
    }
}

on_each!(a_mail_server_that_was_away_loses_and_doubles_nothing);

async fn a_mail_server_that_was_away_loses_and_doubles_nothing(on: On) {
    let Some(mut system) = MailSystem::start() else { return };
    let (app, user) = clinic(on, &system, Tls::StartTls).await;
    system.tell("stop");
    for n in 0..6 {
        send(&app, &user, &format!("away{n}@mail.test")).await;
    }
    app.drain().await;
    assert_eq!(states(&app).await, are(&[("sending", Some("unreachable")); 6]));
    assert!(user.get("/outbox").await.ok().has_text("could not be reached"));
    system.tell("start");
    for _ in 0..4 {
        app.state.clock.advance(time::Duration::minutes(2));
        app.drain().await;
    }
    assert_eq!(states(&app).await, are(&[("sent", None); 6]));
    for n in 0..6 {
        assert_eq!(wait_for(&system, &format!("away{n}@mail.test"), 1).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_is_read_from_the_mailbox() {
    let Some(system) = MailSystem::start() else { return };
    let (app, user) = clinic(On::Sqlite, &system, Tls::StartTls).await;
    let gone = send(&app, &user, "maria@gone.test").await;
    send(&app, &user, "ada@full.test").await;
    send(&app, &user, "ben@policy.test").await;
    send(&app, &user, "clara@mail.test").await;
    app.drain().await;
    assert_eq!(states(&app).await, are(&[("sent", None); 4]));
    wait_for(&system, "bounces@clinic.test", 3).await;
    assert_eq!(postern::worker::read_returned_mail(&app.state).await, Ok(3));
    let bounced = |reason| ("bounced", Some(reason));
    let expected =
        are(&[bounced("no_mailbox"), bounced("mailbox_full"), bounced("policy"), ("sent", None), ("queued", None)]);
    // the full mailbox is tried again the next day
    assert_eq!(states(&app).await, expected);
    // returned mail is removed after reading, because it names patients
    assert!(system.mails_of("bounces@clinic.test").is_empty());
    assert_eq!(postern::worker::read_returned_mail(&app.state).await, Ok(0));
    assert!(user.get(&gone).await.ok().has_text("the notification came back"));
    // only the address whose mailbox does not exist is blocked
    assert!(user.get("/patients/1").await.ok().has_text("Mail came back on"));
    assert!(!user.get("/patients/2").await.ok().has_text("Mail came back on"));

    // a wrong password is reported, and nothing breaks
    let mut bounces = system.bounces();
    bounces.imap.as_mut().unwrap().password = "wrong".into();
    let change = |config: &mut postern::config::Config| config.bounces = Some(bounces);
    let app = App::start_with_config(On::Sqlite, change, Delivery::mailbox).await;
    let cause = postern::worker::read_returned_mail(&app.state).await.unwrap_err();
    assert!(cause.contains("refused") && !cause.contains("wrong"), "{cause}");
}
