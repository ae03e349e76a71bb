//! `/patients/{id}/deletion`: deletes an archived record permanently. An owner reads what is deleted and types the
//! family name.

use crate::access::{self, ChartAccess, ConfirmedUser, rights};
use crate::clinic::guard::{Confirmed, shell};
use crate::db::erase::Contents;
use crate::db::{Conn, PatientId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::patients::{self, Patient};
use crate::records::{self, DeleteError, Hold};
use crate::settings;
use crate::state::AppState;
use crate::text;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/patients/deletion.html")]
struct DeletionPage {
    shell: Shell,
    patient: Patient,
    contents: Contents,
    /// messages that are to go out later, or were not sent
    scheduled: i64,
    hold: Option<Hold>,
    /// whether the clinic's retention period is over
    is_due: bool,
    /// what is to be typed
    expected: String,
    typed: String,
    errors: FieldErrors,
}

/// What is to be typed: the name, or of a record without one the date of birth.
fn expected(record: &Patient) -> String {
    Some(record.name()).filter(|name| !name.is_empty()).unwrap_or_else(|| record.birth_date.iso())
}

/// The proof for the chart in the path, of a user who has said once more who they are.
pub(super) fn chart(
    conn: &mut Conn,
    by: &ConfirmedUser<rights::Records>,
    patient: PatientId,
) -> Result<ChartAccess<rights::Records>, AppError> {
    access::chart(conn, by.user().clone(), patient)?.ok_or(AppError::NotFound)
}

async fn page(
    state: &web::Data<AppState>,
    head: Head,
    by: ConfirmedUser<rights::Records>,
    patient: PatientId,
    (typed, errors): (String, FieldErrors),
) -> Result<DeletionPage, AppError> {
    let now = state.clock.now();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let chart = chart(conn, &by, patient)?;
        let (shell, settings) = shell(conn, &head, chart.user())?;
        let patient = patients::patient(conn, &chart)?;
        Ok(DeletionPage {
            shell,
            expected: expected(&patient),
            patient,
            contents: records::contents(conn, chart.patient())?,
            scheduled: records::scheduled_to(conn, chart.patient())?,
            hold: records::held(conn, chart.patient())?,
            is_due: records::is_due(conn, now, settings.retention, chart.patient())?,
            typed,
            errors,
        })
    });
    read.await
}

pub async fn ask(
    state: web::Data<AppState>,
    head: Head,
    by: Confirmed<rights::Records>,
    path: web::Path<i64>,
) -> Result<HttpResponse, AppError> {
    html(&page(&state, head, by.0, PatientId(*path), Default::default()).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    by: Confirmed<rights::Records>,
    path: web::Path<i64>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, patient, typed) = (state.clock.now(), PatientId(*path), form.get("name").to_owned());
    let (user, said) = (by.0.clone(), typed.clone());
    let write = state.db.write(move |tx| -> Result<_, DeleteError> {
        let chart = access::chart(tx, user.user().clone(), patient)?.ok_or(DeleteError::NotThere)?;
        let record = patients::patient(tx, &chart)?;
        // who typed another name looks at another record than they think
        let (expected, said) = (expected(&record), said.trim());
        if expected != said && (text::squeezed(said).is_empty() || text::squeezed(&expected) != text::squeezed(said)) {
            return Ok(false);
        }
        records::delete(tx, now, &user, chart.patient())?;
        Ok(true)
    });
    let error = match write.await {
        Ok(true) => return Ok(see_other("/settings/records?notice=record-deleted")),
        Ok(false) => "error-deletion-name",
        Err(DeleteError::NotThere) => return Err(AppError::NotFound),
        Err(DeleteError::Db(cause)) => return Err(cause.into()),
        // the page says so above the form
        Err(DeleteError::NotArchived | DeleteError::Held) => {
            let page = page(&state, head, by.0, patient, (typed, FieldErrors::default())).await?;
            return with_status(StatusCode::CONFLICT, &page);
        }
    };
    let mut errors = FieldErrors::default();
    errors.need("name", error, None::<()>);
    unprocessable(&page(&state, head, by.0, patient, (typed, errors)).await?)
}

/// `/settings/records/deletion`: deletes the due records that the page listed. A record that is not due any more stays.
pub async fn submit_due(
    state: web::Data<AppState>,
    by: Confirmed<rights::Records>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let chosen: Vec<PatientId> = form.all("patient").filter_map(|id| id.parse().ok().map(PatientId)).collect();
    let mut deleted = 0;
    for patient in chosen.into_iter().take(records::MOST_DUE) {
        let by = by.0.clone();
        // a transaction for each record: a large chart keeps others waiting only briefly, and a failure undoes no other
        // deletion
        let write = state.db.write(move |tx| -> Result<_, DeleteError> {
            let settings = settings::load(tx)?;
            if !records::is_due(tx, now, settings.retention, patient)? {
                return Ok(0);
            }
            records::delete(tx, now, &by, patient)?;
            Ok(1)
        });
        match write.await {
            Ok(one) => deleted += one,
            Err(DeleteError::NotThere | DeleteError::NotArchived | DeleteError::Held) => {}
            // the others still can be
            Err(DeleteError::Db(cause)) => tracing::error!(%cause, "a record that is due could not be deleted"),
        }
    }
    let notice = if deleted == 0 { "no-record-deleted" } else { "records-deleted" };
    Ok(see_other(&format!("/settings/records?notice={notice}")))
}
