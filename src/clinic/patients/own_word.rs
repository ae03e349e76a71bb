//! `/patients/{id}/own-word`: the word by which the patient knows the clinic's notifications.

use crate::access::{ChartAccess, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{Chart, shell};
use crate::db::Conn;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::patients::{self, OwnWord, Patient};
use crate::settings;
use crate::state::AppState;
use crate::text;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/patients/own_word.html")]
struct OwnWordPage {
    shell: Shell,
    patient: Patient,
    /// as typed, or as stored
    word: String,
    /// whether the clinic shows such words
    is_shown: bool,
    errors: FieldErrors,
    seen: Seen,
}

/// What the form edits, as it is stored.
fn stored(word: Option<&OwnWord>) -> Stored {
    Stored::default().text("word", "own-word", word.map_or("", OwnWord::as_str))
}

fn page(
    conn: &mut Conn,
    head: &Head,
    chart: &ChartAccess<rights::EditPatients>,
    typed: Option<(String, FieldErrors, Seen)>,
) -> Result<OwnWordPage, AppError> {
    let (shell, _) = shell(conn, head, chart.user())?;
    let patient = patients::patient(conn, chart)?;
    let held = patients::own_word(conn, patient.id)?;
    let is_shown = settings::shows_own_word(conn)?;
    let (word, errors, seen) = typed.unwrap_or_else(|| {
        let word = held.as_ref().map_or("", OwnWord::as_str);
        (word.to_owned(), FieldErrors::default(), stored(held.as_ref()).seen())
    });
    Ok(OwnWordPage { shell, patient, word, is_shown, errors, seen })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let (reader, patient) = (Actor::User(chart.0.user().id()), chart.0.patient());
    let trace = Entry::of_patient(reader, Event::ChartViewed, patient, Subject::None).with("own_word");
    let page = state.db.read(move |conn| page(conn, &head, &chart.0, None)).await?;
    state.record(trace).await?;
    html(&page)
}

/// Stores the word; an empty field takes it away.
pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, patient) = (state.clock.now(), chart.0.patient());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let held = chart.0.held(tx)?;
        let (typed, before) = (text::one_line(form.get("word")), patients::own_word(tx, held.patient())?);
        let (word, mut errors) = (OwnWord::parse(&typed), FieldErrors::default());
        if word.is_none() && !typed.is_empty() {
            errors.add("word", "error-own-word");
        }
        let (status, seen) = match stored(before.as_ref()).newer(&form) {
            _ if !errors.is_empty() => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form)),
            Some(newer) => (StatusCode::CONFLICT, newer),
            None => {
                patients::set_own_word(tx, now, &held, word.as_ref())?;
                return Ok(None);
            }
        };
        Ok(Some((status, page(tx, &head, &held, Some((typed, errors, seen)))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other(&format!("/patients/{patient}?notice=information-saved"))),
    }
}
