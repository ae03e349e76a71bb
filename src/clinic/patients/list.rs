//! `/patients`: finding patients, and adding one.

use super::demographics::{DemographicsForm, read_form};
use crate::access::rights;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{User, shell};
use crate::db::PatientId;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::patients::{self, Cursor, NewPatient, Patient};
use crate::settings;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "clinic/patients/list.html")]
struct PatientsPage {
    shell: Shell,
    q: String,
    archived: bool,
    rows: Vec<Patient>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "clinic/patients/new.html")]
struct NewPatientPage {
    shell: Shell,
    form: DemographicsForm,
    errors: FieldErrors,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    q: String,
    archived: Option<String>,
    after: String,
}

/// A cursor in an address: the name comes last, it may hold anything.
fn cursor(text: &str) -> Option<Cursor> {
    let (id, name_key) = text.split_once('.')?;
    Some(Cursor { id: PatientId(id.parse().ok()?), name_key: name_key.to_owned() })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let mut query = query.into_inner();
    // PostgreSQL refuses NUL, and a page has no place for it
    query.q.retain(|c| c != '\0');
    query.after.retain(|c| c != '\0');
    let (after, archived) = (cursor(&query.after), query.archived.is_some());
    let searched = !query.q.trim().is_empty();
    let reader = user.0.clone();
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (rows, next) = patients::search(conn, &query.q, archived, after, PAGE)?;
        let next = next.map(|c| format!("{}.{}", c.id, c.name_key));
        Ok(PatientsPage { shell, q: query.q, archived, rows, next })
    });
    let page = page.await?;
    if searched {
        let trace = Entry::of_clinic(Actor::User(reader.id()), Event::PatientsSearched, Subject::None);
        state.record(trace).await?;
    }
    html(&page)
}

pub async fn new(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let form = DemographicsForm::blank(&settings);
        Ok(NewPatientPage { shell, form, errors: FieldErrors::default() })
    });
    html(&page.await?)
}

pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let mut errors = FieldErrors::default();
    let Some(demographics) = read_form(&form, &state.config.calling_code, head.now, &mut errors) else {
        let page = state.db.read(move |conn| -> Result<_, AppError> {
            let (shell, _) = shell(conn, &head, &user.0)?;
            Ok(NewPatientPage { shell, form: DemographicsForm::typed(&form), errors })
        });
        return unprocessable(&page.await?);
    };
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // "Portal Accessibility for New Patients" decides, here and at import, and nowhere else
        let portal_access = settings::load(tx)?.portal_for_new_patients;
        let new = NewPatient { source_key: None, demographics, portal_access, archived: false };
        Ok(patients::add(tx, now, Actor::User(user.0.id()), &new)?)
    });
    Ok(see_other(&format!("/patients/{}?notice=patient-added", write.await?)))
}
