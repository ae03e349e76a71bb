//! `/portal/messages`: the patient's conversations, newest first.

use super::guard::{Visit, clinic_writer, refusal_text, shell};
use crate::access::PortalVisit;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::conversations::{self, Author, PatientExcerpt, PatientRow};
use crate::db::{self, Conn, Ts};
use crate::error::AppError;
use crate::http::{Head, Shell, html, paging};
use crate::settings::Settings;
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
    /// why the list is not shown, in words
    shut_out: Option<String>,
    rows: Vec<PatientRow>,
    settings: Settings,
    /// each conversation's last message, by the conversation's number
    excerpts: HashMap<i64, PatientExcerpt>,
    next: Option<String>,
}

impl MessagesPage {
    fn excerpt(&self, row: &PatientRow) -> &str {
        self.excerpts.get(&row.number).map_or("", |newest| newest.words.as_str())
    }

    /// Who wrote last: "You", somebody else at the portal, the user's name where the clinic shows names, else the clinic.
    fn writer<'a>(&'a self, row: &PatientRow) -> &'a str {
        let name = self.excerpts.get(&row.number).and_then(|newest| newest.by.as_deref());
        match row.last_author {
            Author::Patient => name.unwrap_or(self.shell.t("you")),
            Author::User => clinic_writer(&self.shell, &self.settings, name),
            Author::System => &self.shell.clinic_name,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    after: String,
}

fn page(
    conn: &mut Conn,
    head: &Head,
    visit: &PortalVisit,
    before: Option<(Ts, i64)>,
) -> Result<MessagesPage, AppError> {
    let (shell, settings) = shell(conn, head, None)?;
    let shut_out = visit.refusal(conn)?.map(|why| refusal_text(&shell, &why));
    let mut rows = match shut_out {
        None => conversations::patient_inbox(conn, visit, before, PAGE + 1)?,
        Some(_) => Vec::new(),
    };
    let next = db::cut(&mut rows, PAGE, |row| paging::key(row.last_message_at, row.number));
    let excerpts = conversations::excerpts(conn, visit, &rows)?;
    Ok(MessagesPage { shell, shut_out, rows, settings, excerpts, next })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    visit: Visit,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let before = paging::parse(&query.after);
    let (patient, who) = (visit.0.patient(), Actor::at_portal(visit.0.patient(), visit.0.caregiver()));
    let (now, is_probe, again) = (head.now, head.is_probe, (head.clone(), visit.0.clone()));
    let mut page = state.db.read(move |conn| page(conn, &head, &visit.0, before)).await?;
    if !is_probe && page.rows.iter().any(PatientRow::unread) {
        // what a line shows of a message counts as opened; the lines are shown as they are while that mark is held
        let (head, visit) = again;
        let listed = state.db.write(move |tx| -> Result<_, AppError> {
            loop {
                let any = conversations::list(tx, now, &visit, &page.rows)?;
                let fresh = self::page(tx, &head, &visit, before)?;
                let same = fresh.rows.iter().map(|row| row.id).eq(page.rows.iter().map(|row| row.id));
                page = fresh;
                if same && !any {
                    return Ok(page);
                }
            }
        });
        page = listed.await?;
    }
    let trace = Entry::of_patient(who, Event::MessagesListed, patient, Subject::None);
    state.record(trace).await?;
    html(&page)
}
