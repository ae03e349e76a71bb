//! A mail server answers one command late, at each stage of the dialogue in turn. The next mail must not take that
//! answer for its own: the Outbox says of each recipient what the server's log says.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::mail;
use crate::support::world::Like;
use crate::worker::smtp;
use diesel::prelude::*;
use futures_util::future::join_all;
use postern::access::Role;
use postern::clock::Clock;
use postern::config::{Smtp, Tls};
use postern::db::schema::notifications;
use postern::delivery::{Delivery, SmtpRoad};
use postern::error::AppError;
use std::collections::BTreeMap;
use std::time::Duration;

on_each!(what_the_server_says_is_what_the_outbox_says);

const STAGES: [&str; 7] = ["mail", "rcpt", "data", "body", "rset", "quit", "nothing"];

async fn what_the_server_says_is_what_the_outbox_says(on: On) {
    join_all(STAGES.map(|stage| one_late_answer(on, stage))).await;
}

async fn one_late_answer(on: On, stage: &str) {
    let name = format!("{stage}{}{}", if on == On::Sqlite { "s" } else { "p" }, std::process::id());
    let late = format!("late{stage}1");
    let from = if stage == "mail" { &late } else { "clinic" };
    let settings = Smtp {
        from: format!("{from}+{name}@postern.example"),
        timeout: Duration::from_secs(1),
        ..smtp::settings(Tls::None)
    };
    let road = SmtpRoad::new(&settings, Clock::system()).unwrap();
    let app = App::start_with(on, |_| Delivery::smtp(road)).await;
    let user = app.user(Role::Clinician).await;
    let others = ["reject", "ok", "reject", "ok", "data5", "ok"];
    let recipients: Vec<String> = std::iter::once(late.as_str())
        .chain(others)
        .enumerate()
        .map(|(n, fault)| format!("{fault}+{n}{name}@example.org"))
        .collect();
    // one after the other, so that each mail may use the connection of the one before it
    for to in &recipients {
        let patient = app.patient(Like { email: Some(to.clone()), ..Like::default() }).await;
        app.message(&user, patient, true).await;
        app.drain().await;
    }
    let after_the_first = found(&app).await;
    let cut = !["rset", "quit", "nothing"].contains(&stage);
    let first = after_the_first[&recipients[0]].clone();
    assert_eq!(first, is(if cut { "sending" } else { "sent" }, cut.then_some("timed_out")), "{stage}");
    for _ in 0..3 {
        app.state.clock.advance(time::Duration::minutes(1));
        app.drain().await;
    }
    let found = found(&app).await;
    for to in &recipients {
        let reply = mail::attempts_to(to).await.last().unwrap().reply.clone().unwrap();
        let expected = match &reply[..3] {
            "250" => is("sent", None),
            "550" => is("failed", Some("no_mailbox")),
            _ => is("failed", Some("policy")),
        };
        assert_eq!(found[to], expected, "late at {stage}: the server said {reply} to {to}");
        let taken = mail::messages_to(to).await.len();
        let copies = if stage == "body" && *to == recipients[0] { 2 } else { usize::from(reply.starts_with("250")) };
        assert_eq!(taken, copies, "{to}");
    }
}

fn is(state: &str, reason: Option<&str>) -> (String, Option<String>) {
    (state.into(), reason.map(str::to_owned))
}

/// Address, state and reason.
type Found = (Option<String>, String, Option<String>);

/// State and reason of each notification, by the address that it went to.
async fn found(app: &App) -> BTreeMap<String, (String, Option<String>)> {
    let read = app.state.db.read(|conn| -> Result<Vec<Found>, AppError> {
        Ok(notifications::table
            .select((notifications::sent_to, notifications::state, notifications::reason))
            .load(conn)?)
    });
    read.await.unwrap().into_iter().map(|(to, state, reason)| (to.unwrap(), (state, reason))).collect()
}
