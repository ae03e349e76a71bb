//! A worker is killed after the mail server has accepted the mail and before that is stored. The program cannot know
//! whether the mail was accepted, so it sends again when the claim has ended: one copy too many rather than none, both
//! with the same Message-ID, by which mail programs show only one.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::mail;
use crate::support::program::Program;
use crate::support::world::Like;
use crate::worker::smtp;
use diesel::prelude::*;
use postern::access::Role;
use postern::clock::Clock;
use postern::config::Tls;
use postern::db::schema::{jobs, notification_states, notifications};
use postern::delivery::{Delivery, SmtpRoad};
use postern::error::AppError;

on_each!(killed_between_the_mail_server_and_the_row, killed_before_the_mail_server);

/// State and Message-ID of the notification, the states that it went through, and the number of waiting jobs.
type Found = ((String, String), Vec<String>, i64);

async fn found(app: &App) -> Found {
    let read = app.state.db.read(|conn| -> Result<Found, AppError> {
        let row = notifications::table.select((notifications::state, notifications::message_uid)).first(conn)?;
        let steps = notification_states::table.order(notification_states::id).select(notification_states::state);
        let waiting = jobs::table.filter(jobs::kind.eq("send_notification")).count();
        Ok((row, steps.load(conn)?, waiting.get_result(conn)?))
    });
    read.await.unwrap()
}

/// A clinic with a message for this address, whose worker is killed as soon as `seen` says so.
async fn killed(on: On, to: &str, seen: impl AsyncFn() -> bool) -> App {
    let road = SmtpRoad::new(&smtp::settings(Tls::None), Clock::system()).unwrap();
    let app = App::start_with(on, |_| Delivery::smtp(road)).await;
    app.at_present();
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(Like { email: Some(to.to_owned()), ..Like::default() }).await;
    app.message(&user, patient, true).await;
    let worker = Program::worker(&app, &[]);
    for _ in 0..600 {
        if seen().await {
            worker.kill();
            return app;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the worker did not send: {}", worker.log());
}

/// Lets the dead worker's claim end, on the clock that it had, so that another worker takes over.
async fn taken_over(app: &App) {
    assert_eq!(app.drain().await, 0, "nobody else has it while the claim lasts");
    app.at_present();
    app.state.clock.advance(time::Duration::seconds(90));
    app.drain().await;
}

async fn killed_between_the_mail_server_and_the_row(on: On) {
    let name = if on == On::Sqlite { "sqlite" } else { "postgres" };
    // the server has accepted the mail, and is slow to say so
    let to = format!("late1+killed{name}{}@example.org", std::process::id());
    let app = killed(on, &to, async || !mail::messages_to(&to).await.is_empty()).await;
    let ((state, uid), _, waiting) = found(&app).await;
    assert_eq!((state.as_str(), waiting), ("sending", 1), "not lost, and not said to be sent");
    taken_over(&app).await;
    let ((state, same), steps, waiting) = found(&app).await;
    assert_eq!((state.as_str(), waiting, same == uid), ("sent", 0, true));
    assert_eq!(steps, ["sending", "sent"]);
    let mails = mail::messages_to(&to).await;
    assert_eq!(mails.len(), 2, "one copy too many at most");
    assert_eq!(mails[0].header("message-id"), mails[1].header("message-id"));
    assert!(mails[0].header("message-id").contains(&uid));
    // nothing more is sent later
    app.state.clock.advance(time::Duration::days(1));
    app.drain().await;
    assert_eq!(mail::messages_to(&to).await.len(), 2);
}

async fn killed_before_the_mail_server(on: On) {
    let name = if on == On::Sqlite { "sqlite" } else { "postgres" };
    // the worker waits for an answer to RCPT: the server has nothing yet
    let to = format!("hang1+killed{name}{}@example.org", std::process::id());
    let app = killed(on, &to, async || !mail::attempts_to(&to).await.is_empty()).await;
    assert!(mail::messages_to(&to).await.is_empty());
    taken_over(&app).await;
    assert_eq!(found(&app).await.0.0, "sent");
    assert_eq!(mail::messages_to(&to).await.len(), 1, "once");
}
