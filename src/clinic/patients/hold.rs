//! `/patients/{id}/hold`: a record that must not be deleted; `/hold/removal` lifts that.

use super::deletion::chart;
use crate::access::{ConfirmedUser, rights};
use crate::clinic::guard::{Confirmed, shell};
use crate::db::PatientId;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::patients::{self, Patient};
use crate::records::{self, Hold, HoldError};
use crate::state::AppState;
use crate::text;
use actix_web::{HttpResponse, web};
use askama::Template;

/// So long a note may be, in characters.
const LONGEST: usize = 500;

#[derive(Template)]
#[template(path = "clinic/patients/hold.html")]
struct HoldPage {
    shell: Shell,
    patient: Patient,
    hold: Option<Hold>,
    note: String,
    errors: FieldErrors,
}

async fn page(
    state: &web::Data<AppState>,
    head: Head,
    by: ConfirmedUser<rights::Records>,
    patient: PatientId,
    typed: Option<(String, FieldErrors)>,
) -> Result<HoldPage, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let chart = chart(conn, &by, patient)?;
        let (shell, _) = shell(conn, &head, chart.user())?;
        let hold = records::held(conn, chart.patient())?;
        let stored = hold.as_ref().map(|hold| hold.note.clone()).unwrap_or_default();
        let (note, errors) = typed.unwrap_or((stored, FieldErrors::default()));
        Ok(HoldPage { shell, patient: patients::patient(conn, &chart)?, hold, note, errors })
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
        return unprocessable(&page(&state, head, by.0, patient, Some((typed, errors))).await?);
    };
    let user = by.0;
    match state.db.write(move |tx| records::hold(tx, now, &user, patient, &note)).await {
        Ok(()) => Ok(see_other(&format!("/patients/{patient}?notice=record-held"))),
        Err(HoldError::NotThere) => Err(AppError::NotFound),
        Err(HoldError::Db(cause)) => Err(cause.into()),
    }
}

pub async fn lift(
    state: web::Data<AppState>,
    by: Confirmed<rights::Records>,
    path: web::Path<i64>,
) -> Result<HttpResponse, AppError> {
    let (now, patient) = (state.clock.now(), PatientId(*path));
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        chart(tx, &by.0, patient)?;
        Ok(records::lift(tx, now, &by.0, patient)?)
    });
    write.await?;
    Ok(see_other(&format!("/patients/{patient}?notice=record-hold-lifted")))
}
