//! A caregiver's access ends, or their address changes, at the very moment at which they read, reply, or are told. On PostgreSQL the
//! meeting is made certain: their row is held while both set out. Whoever is first is done before the other looks.

use super::caregivers::{KEY, MARIA, ana, ana_in};
use super::caregivers_apart::links_to;
use crate::conversations::scheduled_met::meet_at;
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::db::schema::{audit_events, messages};
use postern::db::{DatabaseUrl, PatientId, Ts};
use postern::error::AppError;
use std::future::Future;
use time::Duration;

on_both!(
    a_reply_meets_the_end,
    a_look_meets_the_end,
    an_address_changes_as_its_notification_goes,
    the_patients_address_changes_as_the_notification_goes,
);

/// Whether the one that sets out first is surely first.
fn is_certain(app: &App) -> bool {
    matches!(app.state.config.database, DatabaseUrl::Postgres(_))
}

/// Both meet at the caregivers' rows, in either order; gives the answer to the end, and what the other gave.
async fn meet<B>(
    app: &App,
    end_first: bool,
    end: impl Future<Output = Answer>,
    other: impl Future<Output = B>,
) -> (Answer, B) {
    match end_first {
        true => meet_at(app, "caregivers", end, other).await,
        false => {
            let (other, end) = meet_at(app, "caregivers", other, end).await;
            (end, other)
        }
    }
}

struct Meeting {
    staff: Actor,
    browser: Actor,
    maria: PatientId,
    conversation: String,
    ending: String,
}

/// A caregiver who is signed in and has opened nothing.
async fn begin(app: &App) -> Meeting {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let path = ana(&staff, maria).await;
    let conversation = app.message(&staff, maria, true).await;
    app.drain().await;
    let browser = ana_in(app).await;
    Meeting { staff, browser, maria, conversation, ending: format!("{path}/ending") }
}

async fn a_reply_meets_the_end(app: App) {
    for end_first in [true, false] {
        let Meeting { staff, browser, maria, conversation, ending } = begin(&app).await;
        let key = format!("{KEY}-{end_first}");
        let fields = [("body", "We will come on Friday"), ("key", key.as_str())];
        let end = staff.post(&ending, &[]);
        let reply = browser.post("/portal/messages/1/replies", &fields);
        let (ended, answer) = meet(&app, end_first, end, reply).await;
        assert_eq!(ended.status, 303, "{}", ended.page().text());
        let accepted = answer.status == 303 && answer.location.starts_with("/portal/messages/1");
        assert!(accepted || matches!(answer.status, 303 | 404 | 409), "{end_first}: {}", answer.status);
        let done = app.state.db.read(move |conn| -> Result<Vec<String>, AppError> {
            let both = [Event::ReplySent.as_str(), Event::CaregiverEnded.as_str()];
            let rows = audit_events::table.filter(audit_events::chain.eq(maria.0));
            let rows = rows.filter(audit_events::action.eq_any(both)).order(audit_events::position);
            Ok(rows.select(audit_events::action).load(conn)?)
        });
        let mut done = done.await.unwrap();
        assert_eq!(done.pop().as_deref(), Some("caregiver_ended"), "a reply came after the end");
        assert_eq!(done.len(), usize::from(accepted), "{end_first}: {done:?}");
        let stored = staff.get(&conversation).await.body.contains("We will come on Friday");
        assert_eq!(stored, accepted, "{end_first}");
        assert!(!is_certain(&app) || accepted != end_first, "{end_first}: {}", answer.status);
        app.state.clock.advance(Duration::minutes(1));
    }
}

async fn a_look_meets_the_end(app: App) {
    for end_first in [true, false] {
        let Meeting { staff, browser, ending, .. } = begin(&app).await;
        let end = staff.post(&ending, &[]);
        let look = browser.get("/portal/messages/1");
        let (ended, answer) = meet(&app, end_first, end, look).await;
        assert_eq!(ended.status, 303, "{}", ended.page().text());
        let is_shown = answer.status == 200 && answer.body.contains("All is");
        let read = app.state.db.read(|conn| -> Result<Option<Ts>, AppError> {
            let newest = messages::table.order(messages::id.desc()).select(messages::read_by_patient_at);
            Ok(newest.first(conn)?)
        });
        // what counts as read was shown, and what was shown counts as read: the patient's reminders rest on it
        assert_eq!(read.await.unwrap().is_some(), is_shown, "{end_first}: {}", answer.status);
        assert!(!is_certain(&app) || is_shown != end_first, "{end_first}: {}", answer.status);
        app.state.clock.advance(Duration::minutes(1));
    }
}

/// A link is made for the address that holds, or it is dead when the other one holds.
async fn an_address_changes_as_its_notification_goes(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let list = format!("/patients/{maria}/caregivers");
    let page = staff.get(&list).await.ok();
    let fields = [
        ("name", "Ana Roy"),
        ("relation", "parent"),
        ("day", "1"),
        ("month", "2"),
        ("year", "1980"),
        ("email", "ana0@example.org"),
    ];
    staff.submit(&page, "Add a caregiver", &fields).await.redirect();
    let path = staff.get(&list).await.ok().attrs_of("ul.list a.item", "href").remove(0);
    let addresses = ["ana0@example.org", "ana1@example.org", "ana2@example.org"];
    for (two, change_first) in addresses.windows(2).zip([false, true]) {
        let (old, new) = (two[0], two[1]);
        let count = || links_to(&app, old).len() + links_to(&app, new).len();
        let before = count();
        app.message(&staff, maria, true).await;
        let page = staff.get(&path).await.ok();
        let fields = [("email", new)];
        let change = staff.submit(&page, "Save", &fields);
        let (changed, _) = meet(&app, change_first, change, app.drain()).await;
        assert_eq!(changed.status, 303, "{}", changed.page().text());
        app.drain().await;
        assert_eq!(count(), before + 1, "she is told once, wherever");
        for link in links_to(&app, old) {
            assert_eq!(app.anyone().get(&link).await.status, 404, "{change_first}: a link to the old address works");
        }
        for link in links_to(&app, new) {
            assert_eq!(app.anyone().get(&link).await.status, 200, "{change_first}");
        }
        assert!(!is_certain(&app) || links_to(&app, new).is_empty() != change_first, "{change_first}");
    }
}

/// The same for the patient's own address: both meet at the patients' rows.
async fn the_patients_address_changes_as_the_notification_goes(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let addresses = [MARIA, "maria1@example.org", "maria2@example.org"];
    for (two, change_first) in addresses.windows(2).zip([false, true]) {
        let (old, new) = (two[0], two[1]);
        app.message(&staff, maria, true).await;
        let page = staff.get(&format!("/patients/{maria}/information")).await.ok();
        let fields = [("email", new)];
        let change = staff.submit(&page, "Save", &fields);
        let changed = match change_first {
            true => meet_at(&app, "patients", change, app.drain()).await.0,
            false => meet_at(&app, "patients", app.drain(), change).await.1,
        };
        assert_eq!(changed.status, 303, "{}", changed.page().text());
        app.drain().await;
        for link in links_to(&app, old) {
            assert_eq!(app.anyone().get(&link).await.status, 404, "{change_first}: a link to the old address works");
        }
        for link in links_to(&app, new) {
            assert_eq!(app.anyone().get(&link).await.status, 200, "{change_first}");
        }
        assert!(!is_certain(&app) || links_to(&app, new).is_empty() != change_first, "{change_first}");
    }
}
