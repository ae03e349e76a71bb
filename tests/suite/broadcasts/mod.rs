//! One message to many patients: checked first, sent a few at a time, each patient once, and nobody sees anybody else.

mod browser;
mod draft;
mod files;
mod killed;
mod list;
mod sending;

use crate::support::app::App;
use crate::support::world::{BORN, Like};
use diesel::prelude::*;
use postern::access::Operator;
use postern::db::PatientId;
use postern::db::schema::{broadcast_recipients as r, conversations, jobs};
use postern::error::AppError;
use postern::patients::{self, Demographics, NewPatient};
use postern::values::{BirthDate, EmailAddress, PhoneNumber};

/// A patient with this health number.
pub async fn numbered(app: &App, number: &str, like: Like) -> PatientId {
    let (now, new) = (app.state.clock.now(), new_patient(number, like));
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(patients::add(tx, now, &Operator::of_the_command_line(), &new)?)
    });
    write.await.unwrap()
}

fn new_patient(number: &str, like: Like) -> NewPatient {
    NewPatient {
        source_key: None,
        demographics: Demographics {
            given_name: like.name.0.into(),
            family_name: like.name.1.into(),
            preferred_name: None,
            birth_date: BirthDate::parse(BORN).unwrap(),
            health_number: Some(number.into()),
            email: like.email.as_deref().map(|e| EmailAddress::parse(e).unwrap()),
            phone: like.phone.as_deref().map(|p| PhoneNumber::parse(p, "1").unwrap()),
            language: like.language.into(),
            method: like.method,
        },
        portal_access: like.portal_access,
        archived: false,
    }
}

/// So many patients, in one transaction; their addresses are `p1@example.org`, `p2@example.org` …
pub async fn crowd(app: &App, count: usize) -> Vec<PatientId> {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let mut all = Vec::new();
        for n in 1..=count {
            let like = Like { email: Some(format!("p{n}@example.org")), phone: None, ..Like::default() };
            let new = new_patient(&format!("H{n:06}"), like);
            all.push(patients::add(tx, now, &Operator::of_the_command_line(), &new)?);
        }
        Ok(all)
    });
    write.await.unwrap()
}

/// Patient, state, reason and whether there is a conversation, of all rows in the order of the list.
pub async fn rows(app: &App) -> Vec<(PatientId, String, Option<String>, bool)> {
    type Row = (PatientId, String, Option<String>, Option<i64>);
    let read = app.state.db.read(|conn| -> Result<Vec<Row>, AppError> {
        Ok(r::table.order(r::id).select((r::patient_id, r::state, r::reason, r::conversation_id)).load(conn)?)
    });
    let rows = read.await.unwrap().into_iter();
    rows.map(|(patient, state, reason, conversation)| (patient, state, reason, conversation.is_some())).collect()
}

/// How many rows are in this state.
pub async fn in_state(app: &App, state: &str) -> usize {
    rows(app).await.iter().filter(|row| row.1 == state).count()
}

/// The patients of all conversations.
pub async fn written_to(app: &App) -> Vec<PatientId> {
    let read = app.state.db.read(|conn| -> Result<Vec<PatientId>, AppError> {
        Ok(conversations::table.order(conversations::id).select(conversations::patient_id).load(conn)?)
    });
    read.await.unwrap()
}

async fn is_going(app: &App) -> bool {
    let read = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(jobs::table.filter(jobs::kind.eq("send_many")).count().get_result(conn)?)
    });
    read.await.unwrap() > 0
}

/// Works until no message to many goes out any more.
pub async fn all_out(app: &App) {
    for _ in 0..2_000 {
        app.drain().await;
        if !is_going(app).await {
            return;
        }
        app.state.clock.advance(time::Duration::seconds(1));
    }
    panic!("it goes on and on");
}
