//! `/patients/new`: adding a patient. Where the clinic may have the patient already, the page shows both and the user
//! decides.

use super::demographics::{DemographicsForm, read_form};
use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::db::PatientId;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::patients::{self, Added, Demographics, Patient, TypedPatient};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/patients/new.html")]
struct NewPatientPage {
    shell: Shell,
    form: DemographicsForm,
    /// the form's idempotency key
    key: String,
    /// what was typed, and the patients who may be the same person
    asked: Option<(Demographics, Vec<Patient>)>,
    errors: FieldErrors,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let key = state.random.token().reveal().to_owned();
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let form = DemographicsForm::blank(&settings);
        Ok(NewPatientPage { shell, form, key, asked: None, errors: FieldErrors::default() })
    });
    html(&page.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (mut errors, mut asked) = (FieldErrors::default(), None);
    if let Some(demographics) = read_form(&form, &state.config.calling_code, head.now, &mut errors) {
        let others = if form.has("anyway") { form.numbers("other") } else { Vec::new() };
        let typed = TypedPatient {
            demographics: demographics.clone(),
            key: form.get("key").to_owned(),
            others: others.into_iter().map(PatientId).collect(),
        };
        let (now, by) = (state.clock.now(), user.0.clone());
        let added = state.db.write(move |tx| -> Result<_, AppError> { Ok(patients::add_typed(tx, now, &by, &typed)?) });
        match added.await? {
            Added::Added(id) => return Ok(see_other(&format!("/patients/{id}?notice=patient-added"))),
            Added::Asked(found) => asked = Some((demographics, found)),
        }
    }
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let key = form.get("key").to_owned();
        Ok(NewPatientPage { shell, form: DemographicsForm::typed(&form), key, asked, errors })
    });
    unprocessable(&page.await?)
}
