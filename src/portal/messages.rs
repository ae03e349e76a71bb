//! `/portal/messages`: the patient's conversations, newest first.

use super::guard::{Visit, shell};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::conversations::{self, PatientRow};
use crate::error::AppError;
use crate::http::{Head, Shell, html, paging};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use std::collections::HashMap;

/// Lines on a page.
const PAGE: i64 = 30;

#[derive(Template)]
#[template(path = "portal/messages.html")]
struct MessagesPage {
    shell: Shell,
    open: bool,
    rows: Vec<PatientRow>,
    /// by number
    excerpts: HashMap<i64, String>,
    next: Option<String>,
}

impl MessagesPage {
    fn excerpt(&self, row: &PatientRow) -> &str {
        self.excerpts.get(&row.number).map_or("", String::as_str)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    after: String,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    visit: Visit,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let before = paging::parse(&query.after);
    let (now, patient) = (head.now, visit.0.patient());
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, None)?;
        let open = visit.0.is_open(conn)?;
        let mut rows = if open { conversations::patient_inbox(conn, &visit.0, before, PAGE + 1)? } else { Vec::new() };
        let more = rows.len() as i64 > PAGE;
        rows.truncate(PAGE as usize);
        let next = rows.last().filter(|_| more).map(|row| paging::key(row.last_message_at, row.number));
        let excerpts = conversations::excerpts(conn, &visit.0, &rows)?;
        Ok(MessagesPage { shell, open, rows, excerpts, next })
    });
    let page = page.await?;
    let trace = Entry::of_patient(Actor::Patient(patient), Event::MessagesListed, patient, Subject::None);
    state.db.write(move |tx| -> Result<_, AppError> { Ok(audit::append(tx, now, trace)?) }).await?;
    html(&page)
}
