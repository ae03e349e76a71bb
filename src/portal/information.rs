//! `/portal/information`: what the clinic holds on the patient.

use super::guard::{Visit, shell};
use crate::chart::{self, Patient};
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "portal/information.html")]
struct InformationPage {
    shell: Shell,
    patient: Patient,
}

pub async fn show(state: web::Data<AppState>, head: Head, visit: Visit) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, None)?;
        Ok(InformationPage { shell, patient: chart::patient_by_id(conn, visit.0.patient())? })
    });
    html(&page.await?)
}
