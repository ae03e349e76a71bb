//! `/patients`: finding patients; with `for=message` to write to one of them.

use crate::access::{Action, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{User, shell};
use crate::db::PatientId;
use crate::error::AppError;
use crate::http::searches::{Searches, Sought};
use crate::http::{Head, Shell, html};
use crate::patients::{self, Cursor, Patient};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 50;
/// What the page is for where one of the patients is to be written to.
const MESSAGE: &str = "message";

#[derive(Template)]
#[template(path = "clinic/patients/list.html")]
struct PatientsPage {
    shell: Shell,
    q: String,
    /// the same, sealed, for the address of the next page
    sought: String,
    archived: bool,
    /// who is chosen is written to
    to_write: bool,
    rows: Vec<Patient>,
    next: Option<String>,
    /// a search stops at a limit, and there may be more
    is_cut: bool,
    /// the reader may tick patients, and write one message to all of them
    may_send_many: bool,
}

impl PatientsPage {
    /// Where a patient's line leads.
    fn goal(&self, patient: &Patient) -> String {
        match self.to_write {
            true => format!("/patients/{}/messages/new", patient.id),
            false => format!("/patients/{}", patient.id),
        }
    }

    fn in_use(&self) -> Vec<&Patient> {
        self.rows.iter().filter(|patient| patient.archived_at.is_none()).collect()
    }

    /// Archived records, which the page lists apart.
    fn archived(&self) -> Vec<&Patient> {
        self.rows.iter().filter(|patient| patient.archived_at.is_some()).collect()
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    q: String,
    sought: String,
    archived: Option<String>,
    #[serde(rename = "for")]
    purpose: String,
    after: String,
}

/// Reads an opened cursor; the name comes last, because it may contain any character.
fn cursor(text: &str) -> Option<Cursor> {
    if let Some(shown) = text.strip_prefix('~') {
        return shown.parse().ok().map(Cursor::Found);
    }
    let (id, name_key) = text.split_once('.')?;
    Some(Cursor::Listed { id: PatientId(id.parse().ok()?), name_key: name_key.to_owned() })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    searches: web::Data<Searches>,
    query: Sought<Query>,
) -> Result<HttpResponse, AppError> {
    let Sought(mut query) = query;
    // PostgreSQL refuses NUL, and a page has no place for it
    query.q.retain(|c| c != '\0');
    let now = head.now;
    // the list's cursor contains a patient's name, so it is sealed
    query.after = searches.open(user.0.id(), now, &query.after).unwrap_or_default();
    let searched = !query.q.trim().is_empty();
    // a search also finds archived records, listed apart: otherwise a patient might be added twice
    let (after, archived) = (cursor(&query.after), query.archived.is_some() || searched);
    let reader = user.0.clone();
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let found = patients::search(conn, &query.q, archived, after, PAGE)?;
        let next = found.next.map(|cursor| match cursor {
            Cursor::Listed { id, name_key } => format!("{id}.{name_key}"),
            Cursor::Found(shown) => format!("~{shown}"),
        });
        let next = next.map(|cursor| searches.seal(user.0.id(), now, &cursor));
        Ok(PatientsPage {
            shell,
            q: query.q,
            sought: query.sought,
            archived,
            to_write: query.purpose == MESSAGE && user.0.role().may(Action::Send),
            rows: found.patients,
            next,
            is_cut: found.is_cut,
            may_send_many: query.purpose != MESSAGE && user.0.role().may(Action::SendMany),
        })
    });
    let page = page.await?;
    let trace = Entry::of_clinic(Actor::User(reader.id()), Event::PatientsSearched, Subject::None);
    state.record(if searched { trace } else { trace.with("list") }).await?;
    html(&page)
}
