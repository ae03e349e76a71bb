//! `/patients/{id}/merging`: shows two charts of one person side by side, and merges them; `/unmerging` undoes it.

use crate::access::{self, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{Chart, shell};
use crate::db::PatientId;
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::searches::Sought;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::merging::{self, Field, MergeError, MergeWish, UndoError};
use crate::patients::{self, Apart, Patient};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// The most charts that the search for the other chart shows.
const FOUND: i64 = 20;

#[derive(Template)]
#[template(path = "clinic/patients/merging.html")]
struct MergingPage {
    shell: Shell,
    patient: Patient,
    /// the chart that is merged into this one, and a mark of both as they are shown
    other: Option<(Patient, String)>,
    /// a user has said that they are two people
    is_apart: bool,
    /// the fields in which they differ
    differing: Vec<Field>,
    /// the fields chosen from the other chart, where the page is shown again
    taken: Option<Vec<Field>>,
    /// a record was changed since the page was made
    is_changed: bool,
    q: String,
    /// charts to choose the other one from
    candidates: Vec<Patient>,
}

impl MergingPage {
    fn value(&self, field: &Field, patient: &Patient) -> String {
        match (field, field.value_in(patient)) {
            (_, None) => self.shell.t("not-set").to_owned(),
            (Field::BirthDate, _) => self.shell.born(&patient.birth_date),
            (Field::Language, Some(code)) => self.shell.t_of("language", &code).to_owned(),
            (Field::Method, Some(word)) => self.shell.t_of("method", &word).to_owned(),
            (_, Some(text)) => text,
        }
    }

    /// Whether the other chart's value is chosen: as the user chose, else where this chart has none.
    fn takes(&self, field: &Field) -> bool {
        self.taken.as_ref().map_or_else(|| field.is_missing(&self.patient), |taken| taken.contains(field))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    with: Option<i64>,
    q: String,
}

async fn page(
    state: &web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    query: Query,
    again: Option<Vec<Field>>,
) -> Result<MergingPage, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, chart.0.user())?;
        let patient = patients::patient(conn, &chart.0)?;
        let mut page = MergingPage {
            shell,
            patient,
            other: None,
            is_apart: false,
            differing: Vec::new(),
            is_changed: again.is_some(),
            taken: again,
            q: query.q.replace('\0', ""),
            candidates: Vec::new(),
        };
        if let Some(with) = query.with {
            let with = access::survivor(conn, PatientId(with))?;
            let other = patients::patient_if_there(conn, with)?.filter(|other| other.id != page.patient.id);
            let other = other.ok_or(AppError::NotFound)?;
            page.is_apart = Apart::among(conn, &[page.patient.id, other.id])?.are(page.patient.id, other.id);
            page.differing = Field::differing(&page.patient, &other);
            page.other = Some((other.clone(), merging::seen(&page.patient, &other)));
        } else if page.q.trim().is_empty() {
            page.candidates = patients::doubles_of(conn, &page.patient)?.0;
        } else {
            page.candidates = patients::search(conn, &page.q, true, None, FOUND)?.patients;
            page.candidates.retain(|other| other.id != page.patient.id);
        }
        Ok(page)
    });
    read.await
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    query: Sought<Query>,
) -> Result<HttpResponse, AppError> {
    let user = Actor::User(chart.0.user().id());
    let page = page(&state, head, chart, query.0, None).await?;
    if let Some((other, _)) = &page.other {
        for whose in [page.patient.id, other.id] {
            state.record(Entry::of_patient(user, Event::ChartViewed, whose, Subject::None)).await?;
        }
    } else if !page.q.trim().is_empty() {
        state.record(Entry::of_clinic(user, Event::PatientsSearched, Subject::None).with("merging")).await?;
    }
    html(&page)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let other: i64 = form.get("with").parse().map_err(|_| AppError::BadRequest)?;
    let taken: Vec<Field> = Field::ALL.iter().copied().filter(|field| form.get(field.as_str()) == "other").collect();
    let wish = MergeWish { taken: taken.clone(), seen: form.get("seen").to_owned() };
    let (now, access) = (state.clock.now(), chart.0.again());
    let merged = state.db.write(move |tx| {
        let merged = merging::merge(tx, now, &access, PatientId(other), &wish)?;
        Ok::<_, MergeError>(merged)
    });
    match merged.await {
        Ok(_) => Ok(see_other(&format!("/patients/{}?notice=charts-merged", chart.0.patient()))),
        Err(MergeError::NotTwo) => Err(AppError::NotFound),
        Err(MergeError::Changed) => {
            let query = Query { with: Some(other), q: String::new() };
            with_status(StatusCode::CONFLICT, &page(&state, head, chart, query, Some(taken)).await?)
        }
        Err(MergeError::Db(cause)) => Err(cause.into()),
    }
}

pub async fn undo(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let merge: i64 = form.get("merge").parse().map_err(|_| AppError::BadRequest)?;
    let (now, id) = (state.clock.now(), chart.0.patient());
    match state.db.write(move |tx| merging::undo(tx, now, &chart.0, merge)).await {
        Ok(back) => Ok(see_other(&format!("/patients/{back}?notice=charts-unmerged"))),
        Err(UndoError::TooLate) => Ok(see_other(&format!("/patients/{id}?notice=merge-for-good"))),
        Err(UndoError::Held) => Ok(see_other(&format!("/patients/{id}?notice=merge-held"))),
        Err(UndoError::NotThere) => Err(AppError::NotFound),
        Err(UndoError::Db(cause)) => Err(cause.into()),
    }
}
