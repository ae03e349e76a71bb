//! `/patients/{id}/archiving`: archives a record, which is then only kept; `/bringing-back` undoes that.

use crate::access::rights;
use crate::clinic::guard::{Chart, shell};
use crate::db::carry;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::notifications;
use crate::patients::{self, ArchiveReason, Patient};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/patients/archiving.html")]
struct ArchivingPage {
    shell: Shell,
    patient: Patient,
    errors: FieldErrors,
}

async fn page(
    state: &web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    errors: FieldErrors,
) -> Result<ArchivingPage, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, chart.0.user())?;
        Ok(ArchivingPage { shell, patient: patients::patient(conn, &chart.0)?, errors })
    });
    read.await
}

pub async fn ask(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    html(&page(&state, head, chart, FieldErrors::default()).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let chosen = form.get("reason").parse().ok().filter(|reason| ArchiveReason::BY_HAND.contains(reason));
    let mut errors = FieldErrors::default();
    let Some(reason) = errors.need("reason", "error-archive-reason", chosen) else {
        return unprocessable(&page(&state, head, chart, errors).await?);
    };
    let (now, id, user) = (state.clock.now(), chart.0.patient(), chart.0.user().clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // conversations come before patients, as for a deletion
        carry::lock_conversations(tx, id)?;
        if patients::archive(tx, now, &user, id, reason)? {
            notifications::stop_all(tx, now, id)?;
        }
        Ok(())
    });
    write.await?;
    Ok(see_other(&format!("/patients/{id}?notice=patient-archived")))
}

pub async fn bring_back(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let (now, id, user) = (state.clock.now(), chart.0.patient(), chart.0.user().clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(patients::bring_back(tx, now, &user, id)?) });
    write.await?;
    Ok(see_other(&format!("/patients/{id}?notice=patient-brought-back")))
}
