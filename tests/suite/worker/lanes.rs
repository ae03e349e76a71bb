//! A job that hangs delays no other, a worker that is told to stop stops, and a dead worker is noticed.

use crate::support::app::{Actor, App, On};
use crate::support::mail;
use crate::support::program::Program;
use crate::support::world::{BORN, Like};
use crate::worker::smtp;
use crate::{on_both, on_each};
use diesel::prelude::*;
use postern::access::Role;
use postern::clock::Clock;
use postern::config::{Smtp, Tls};
use postern::db::schema::{jobs, notifications};
use postern::delivery::{Delivery, SmtpRoad};
use postern::error::AppError;
use postern::outbox;
use std::time::Duration;

on_each!(
    one_that_hangs_holds_up_neither_notices_nor_passcodes,
    a_worker_that_is_told_to_stop_hands_back_what_it_has,
    a_log_that_nobody_reads_ends_nothing,
    a_cut_answer_is_told_as_it_is
);
on_both!(a_dead_worker_is_noticed);

fn name(on: On, what: &str) -> String {
    format!("{what}{}{}", if on == On::Sqlite { "s" } else { "p" }, std::process::id())
}

async fn clinic(on: On, timeout: Duration) -> (App, Actor) {
    let settings = Smtp { timeout, ..smtp::settings(Tls::None) };
    let road = SmtpRoad::new(&settings, Clock::system()).unwrap();
    let app = App::start_with(on, |_| Delivery::smtp(road)).await;
    let user = app.user(Role::Clinician).await;
    (app, user)
}

async fn told(app: &App, user: &Actor, to: &str) -> String {
    let patient = app.patient(Like { email: Some(to.to_owned()), phone: None, ..Like::default() }).await;
    app.message(user, patient, true).await
}

/// The path of the link in the newest mail to an address.
async fn link_to(to: &str) -> String {
    let mails = mail::messages_to(to).await;
    let text = mails.iter().rev().filter_map(|mail| mail.text.clone()).find(|text| text.contains("/portal/link/"));
    let text = text.unwrap();
    text[text.find("/portal/link/").unwrap()..].split_whitespace().next().unwrap().to_owned()
}

async fn one_that_hangs_holds_up_neither_notices_nor_passcodes(on: On) {
    // these jobs hang for minutes
    let (app, user) = clinic(on, Duration::from_secs(300)).await;
    for n in 0..20 {
        told(&app, &user, &format!("hang+{n}{}@hanging.example", name(on, "h"))).await;
    }
    for n in 0..3 {
        told(&app, &user, &format!("hang+{n}{}@hanging{n}.example", name(on, "o"))).await;
    }
    let healthy = format!("ok+{}@example.org", name(on, "healthy"));
    told(&app, &user, &healthy).await;
    let check = async {
        mail::wait_for_messages(&healthy, 1).await;
        let (link, patient) = (link_to(&healthy).await, app.anyone());
        patient.submit(&patient.get(&link).await.ok(), "Send me my passcode", &[]).await.redirect();
        mail::wait_for_messages(&healthy, 2).await;
        told(&app, &user, &format!("ok+after{}@hanging9.example", name(on, "h"))).await;
        mail::wait_for_messages(&format!("ok+after{}@hanging9.example", name(on, "h")), 1).await;
    };
    tokio::select! {
        () = postern::worker::run(app.state.clone(), std::future::pending()) => panic!("the worker ended"),
        () = check => {}
    }
}

async fn a_worker_that_is_told_to_stop_hands_back_what_it_has(on: On) {
    let (app, user) = clinic(on, Duration::from_secs(2)).await;
    app.at_present();
    let user = {
        drop(user);
        app.user(Role::Clinician).await
    };
    let hanging: Vec<String> = (0..24).map(|n| format!("hang+{n}{}@stop.example", name(on, "t"))).collect();
    for to in &hanging {
        told(&app, &user, to).await;
    }
    let mut worker = Program::worker(&app, &[("POSTERN_SMTP_TIMEOUT_SECONDS", "40")]);
    for _ in 0..600 {
        if !mail::attempts_to(&hanging[0]).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worker.signal("HUP");
    // the worker is still there and goes on working
    let after = format!("ok+{}@example.org", name(on, "hup"));
    told(&app, &user, &after).await;
    mail::wait_for_messages(&after, 1).await;
    worker.signal("TERM");
    let ended = tokio::task::spawn_blocking(move || worker.ends_within(Duration::from_secs(15))).await.unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    let read = app.state.db.read(|conn| -> Result<(i64, i64), AppError> {
        let waiting = jobs::table.filter(jobs::kind.eq("send_notification"));
        Ok((waiting.count().get_result(conn)?, waiting.filter(jobs::lease.is_not_null()).count().get_result(conn)?))
    });
    assert_eq!(read.await.unwrap(), (24, 0), "all are free for the next worker, and none is lost");
}

async fn a_log_that_nobody_reads_ends_nothing(on: On) {
    let (app, user) = clinic(on, Duration::from_secs(2)).await;
    app.at_present();
    let user = {
        drop(user);
        app.user(Role::Clinician).await
    };
    let mut worker = Program::worker_with_closed_log(&app);
    for n in 0..3 {
        // a refusal is logged
        let refused = format!("reject+{n}{}@example.org", name(on, "log"));
        told(&app, &user, &refused).await;
        let taken = format!("ok+{n}{}@example.org", name(on, "log"));
        told(&app, &user, &taken).await;
        mail::wait_for_messages(&taken, 1).await;
    }
    worker.signal("TERM");
    let ended = tokio::task::spawn_blocking(move || worker.ends_within(Duration::from_secs(15))).await.unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
}

async fn a_dead_worker_is_noticed(app: App) {
    let owner = app.user(Role::Owner).await;
    let ready = async |app: &App| {
        let answer = app.anyone().get("/readyz").await;
        (answer.status, answer.body)
    };
    // another process has to work this queue: the answer says that none does, and pages work
    let (status, words) = ready(&app).await;
    assert!(status == 200 && words.contains("no worker has looked"), "{words}");
    let page = owner.get("/settings/gateways").await.ok();
    assert!(page.has_text("no worker is running"), "{}", page.text());
    assert!(!postern::metrics::text(&app.state).await.unwrap().contains("postern_queue_look_age"));
    tokio::select! {
        () = postern::worker::run(app.state.clone(), std::future::pending()) => panic!("the worker ended"),
        () = async {
            while !ready(&app).await.1.contains("looked at the queue 0 s ago") {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    assert!(!owner.get("/settings/gateways").await.ok().has_text("no worker is running"));
    app.state.clock.advance(outbox::ALIVE + time::Duration::seconds(30));
    let (status, words) = ready(&app).await;
    assert!(status == 200 && words.contains("looked at the queue 90 s ago"), "{words}");
    let text = postern::metrics::text(&app.state).await.unwrap();
    assert!(text.contains("postern_queue_look_age_seconds 90.0\n"), "{text}");
    assert!(owner.get("/settings/gateways").await.ok().has_text("no worker is running"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_its_own_worker_is_not_ready() {
    let app = App::start_with_config(On::Sqlite, |config| config.run_worker = true, Delivery::mailbox).await;
    assert_eq!(app.anyone().get("/readyz").await.status, 503);
    let now = app.state.clock.now();
    app.state.db.write(move |tx| -> Result<_, AppError> { Ok(outbox::looked(tx, now)?) }).await.unwrap();
    assert_eq!(app.anyone().get("/readyz").await.status, 200);
    app.state.clock.advance(outbox::ALIVE);
    let answer = app.anyone().get("/readyz").await;
    assert!(answer.status == 503 && answer.body.contains("the worker is not looking"), "{}", answer.body);
}

async fn states(app: &App) -> Vec<(String, Option<String>)> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let columns = (notifications::state, notifications::reason);
        let notices = notifications::table.filter(notifications::kind.eq("message_waiting"));
        Ok(notices.order(notifications::id).select(columns).load(conn)?)
    });
    read.await.unwrap()
}

async fn a_cut_answer_is_told_as_it_is(on: On) {
    let (app, user) = clinic(on, Duration::from_secs(1)).await;
    let is = |state: &str, reason: &str| (state.to_owned(), Some(reason.to_owned()));
    // the server has accepted the mail, and its answer came too late
    let (cancelled, read) =
        (format!("latebody1+c{}@example.org", name(on, "u")), format!("latebody1+r{}@example.org", name(on, "u")));
    let first = told(&app, &user, &cancelled).await;
    let second = told(&app, &user, &read).await;
    app.drain().await;
    assert_eq!(states(&app).await, vec![is("sending", "timed_out"); 2]);
    for page in [user.get(&first).await.ok(), user.get("/outbox").await.ok()] {
        assert!(page.has_text("it may already have been sent"), "{}", page.text());
    }
    // one is cancelled, the other read by its patient before it is tried again
    let page = user.get("/outbox?state=sending&patient=1").await.ok();
    user.submit(&page, "Cancel", &[]).await.redirect();
    let (link, patient) = (link_to(&read).await, app.anyone());
    patient.submit(&patient.get(&link).await.ok(), "Send me my passcode", &[]).await.redirect();
    app.drain().await;
    let mails = mail::messages_to(&read).await;
    let text = mails.iter().filter_map(|mail| mail.text.clone()).find(|text| !text.contains("/portal/link/")).unwrap();
    let passcode = text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6).unwrap().to_owned();
    let (year, month, day) = (&BORN[..4], &BORN[5..7], &BORN[8..]);
    let fields = [("passcode", passcode.as_str()), ("day", day), ("month", month), ("year", year)];
    let page = patient.get(&link).await.ok();
    let message = patient.submit(&page, "Login", &fields).await.redirect();
    patient.get(&message).await.ok();
    app.state.clock.advance(time::Duration::minutes(2));
    app.drain().await;
    assert_eq!(states(&app).await, [is("unsure", "cancelled_by_user"), is("unsure", "already_read")]);
    for path in [first.as_str(), second.as_str(), "/outbox?state=unsure"] {
        let page = user.get(path).await.ok();
        assert!(page.has_text("May have been sent") && !page.has_text("Cancelled,"), "{path}: {}", page.text());
    }
    assert_eq!(mail::messages_to(&cancelled).await.len(), 1, "and it had been");
}
