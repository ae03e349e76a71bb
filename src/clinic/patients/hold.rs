//! `/patients/{id}/hold`: a legal hold keeps a record from being deleted; `/hold/removal` lifts it.

use super::deletion::chart;
use crate::access::{ConfirmedUser, rights};
use crate::clinic::guard::{Confirmed, shell};
use crate::db::{PatientId, lock_row};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::patients::{self, Patient};
use crate::records::{self, Hold, HoldError};
use crate::state::AppState;
use crate::text;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// The longest note, in characters.
const LONGEST: usize = 500;

#[derive(Template)]
#[template(path = "clinic/patients/hold.html")]
struct HoldPage {
    shell: Shell,
    patient: Patient,
    hold: Option<Hold>,
    note: String,
    errors: FieldErrors,
    seen: Seen,
}

/// What the form edits, as it is stored.
fn stored(hold: Option<&Hold>) -> Stored {
    Stored::default().text("note", "hold-note", hold.map(|hold| hold.note.clone()).unwrap_or_default())
}

async fn page(
    state: &web::Data<AppState>,
    head: Head,
    by: ConfirmedUser<rights::Records>,
    patient: PatientId,
    typed: Option<(String, FieldErrors, Seen)>,
) -> Result<HoldPage, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let chart = chart(conn, &by, patient)?;
        let (shell, _) = shell(conn, &head, chart.user())?;
        let hold = records::held(conn, chart.patient())?;
        let (note, errors, seen) = typed.unwrap_or_else(|| {
            let note = hold.as_ref().map(|hold| hold.note.clone()).unwrap_or_default();
            (note, FieldErrors::default(), stored(hold.as_ref()).seen())
        });
        Ok(HoldPage { shell, patient: patients::patient(conn, &chart)?, hold, note, errors, seen })
    });
    read.await
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    by: Confirmed<rights::Records>,
    path: web::Path<i64>,
) -> Result<HttpResponse, AppError> {
    html(&page(&state, head, by.0, PatientId(*path), None).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    by: Confirmed<rights::Records>,
    path: web::Path<i64>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, patient, typed) = (state.clock.now(), PatientId(*path), form.get("note").to_owned());
    let note = text::one_line(&typed);
    let mut errors = FieldErrors::default();
    let fits = Some(note).filter(|note| !note.is_empty() && note.chars().count() <= LONGEST);
    let Some(note) = errors.need("note", "error-hold-note", fits) else {
        let seen = Seen::from_form(&form);
        return unprocessable(&page(&state, head, by.0, patient, Some((typed, errors, seen))).await?);
    };
    let user = by.0.clone();
    let write = state.db.write(move |tx| -> Result<_, HoldError> {
        // of two owners who write at the same moment the second waits here, and is shown what the first one wrote
        lock_row(tx, "patients", patient.0)?;
        if let Some(newer) = stored(records::held(tx, patient)?.as_ref()).newer(&form) {
            return Ok(Some(newer));
        }
        records::hold(tx, now, &user, patient, &note).map(|()| None)
    });
    match write.await {
        Ok(None) => Ok(see_other(&format!("/patients/{patient}?notice=record-held"))),
        Ok(Some(newer)) => {
            let again = Some((typed, FieldErrors::default(), newer));
            with_status(StatusCode::CONFLICT, &page(&state, head, by.0, patient, again).await?)
        }
        Err(HoldError::NotThere) => Err(AppError::NotFound),
        Err(HoldError::Db(cause)) => Err(cause.into()),
    }
}

pub async fn lift(
    state: web::Data<AppState>,
    head: Head,
    by: Confirmed<rights::Records>,
    path: web::Path<i64>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, patient, user) = (state.clock.now(), PatientId(*path), by.0.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        chart(tx, &user, patient)?;
        // the hold may be for another reason since
        lock_row(tx, "patients", patient.0)?;
        if let Some(newer) = stored(records::held(tx, patient)?.as_ref()).newer(&form) {
            return Ok(Some(newer));
        }
        records::lift(tx, now, &user, patient)?;
        Ok(None)
    });
    if write.await?.is_some() {
        return with_status(StatusCode::CONFLICT, &page(&state, head, by.0, patient, None).await?);
    }
    Ok(see_other(&format!("/patients/{patient}?notice=record-hold-lifted")))
}
