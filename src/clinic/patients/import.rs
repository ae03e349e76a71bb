//! `/patients/import`: a list of patients, pasted from a spreadsheet or a CSV file: checked first, then imported.

use crate::access::rights;
use crate::audit::Actor;
use crate::clinic::guard::{User, shell};
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::patients::csv_list::{self, LineError, ListOptions, ListSummary, PatientList};
use crate::settings;
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// Patients taken at once here; `postern import` takes more.
const MOST: usize = 2_000;
/// Lines that are told as wrong at once.
const MOST_ERRORS: usize = 50;

#[derive(Template)]
#[template(path = "clinic/patients/import.html")]
struct ImportPage {
    shell: Shell,
    list: String,
    errors: Vec<LineError>,
    more_errors: usize,
    ignored: usize,
    /// what the import would do, where the list has been checked and is good
    checked: Option<ListSummary>,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (list, errors) = (String::new(), Vec::new());
        Ok(ImportPage { shell, list, errors, more_errors: 0, ignored: 0, checked: None })
    });
    html(&page.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let settings = state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?) }).await?;
    let (typed, calling_code) = (form.get("list").to_owned(), state.config.calling_code.clone());
    let options = ListOptions { calling_code, language: settings.lang(), now: head.now, most: MOST };
    let read = web::block(move || {
        let list = csv_list::read_list(typed.as_bytes(), &options);
        (list, typed)
    });
    let (list, typed) = read.await.map_err(|_| AppError::Internal("no thread".into()))?;
    if form.has("confirmed") && list.errors.is_empty() {
        let (now, actor) = (state.clock.now(), Actor::User(user.0.id()));
        let write = state
            .db
            .write(move |tx| -> Result<_, AppError> { Ok(csv_list::store_list(tx, now, actor, &settings, &list)?) });
        write.await?;
        return Ok(see_other("/patients?notice=patients-imported"));
    }
    checked(&state, head, user, list, typed).await
}

/// The list again, with what is wrong or with what importing it would do.
async fn checked(
    state: &AppState,
    head: Head,
    user: User<rights::EditPatients>,
    list: PatientList,
    typed: String,
) -> Result<HttpResponse, AppError> {
    let good = list.errors.is_empty();
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let checked = if list.errors.is_empty() { Some(csv_list::compare(conn, &list)?) } else { None };
        let mut errors = list.errors;
        let more_errors = errors.len().saturating_sub(MOST_ERRORS);
        errors.truncate(MOST_ERRORS);
        Ok(ImportPage { shell, list: typed, errors, more_errors, ignored: list.ignored_columns, checked })
    });
    with_status(if good { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &page.await?)
}
