//! Files of the chart: `/patients/{id}/items/{item}/file` opens one, `/patients/{id}/files` adds one.

use super::lines::FileLines;
use super::{sent_along, uploads};
use crate::access::{ChartAccess, rights};
use crate::attachments::{self, AttachError, ToChart};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::{self, ChartFile, ItemKind};
use crate::clinic::guard::{Chart, number, shell};
use crate::db::{ChartItemId, Ts, UploadId};
use crate::error::AppError;
use crate::http::files::{How, send};
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::patients::{self, Patient};
use crate::settings;
use crate::state::AppState;
use crate::storage;
use crate::text::{Zone, one_line};
use crate::values::{BirthDate, Title};
use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use time::Duration;

#[derive(Template)]
#[template(path = "clinic/files/chart_file.html")]
struct NewFilePage {
    shell: Shell,
    patient: Patient,
    form: Form,
    files: FileLines,
    errors: FieldErrors,
}

/// Answers with the file of an item, to save or to view.
pub async fn open(
    state: web::Data<AppState>,
    req: HttpRequest,
    chart: Chart<rights::Read>,
    how: web::Query<How>,
) -> Result<HttpResponse, AppError> {
    let item = ChartItemId(number(&req, "item")?);
    let who = Actor::User(chart.0.user().id());
    let trace = Entry::of_patient(who, Event::ChartItemViewed, chart.0.patient(), Subject::ChartItem(item.0));
    let find = state.db.read(move |conn| -> Result<_, AppError> {
        let file = chart::file(conn, &chart.0, item)?.ok_or(AppError::NotFound)?;
        let blob = storage::blob(conn, file.blob)?;
        Ok((file, blob))
    });
    let (file, blob): (ChartFile, _) = find.await?;
    let out = how.file(&file.file_name, &file.media_type);
    let (response, sent) = send(&req, &state.intake, blob, out).await?;
    state.record_opening(trace.with("file"), sent).await?;
    Ok(response)
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
) -> Result<HttpResponse, AppError> {
    html(&page(&state, head, chart.0, None, FieldErrors::default()).await?)
}

/// Adds a file. Where something is missing in the form, the file is kept as an upload while the form is shown again.
pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    chart: Chart<rights::Send>,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let access = chart.0;
    let (form, refused) = uploads::change(&state, &req, &access, body).await?;
    let settings = state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?) }).await?;
    let (now, mut errors) = (state.clock.now(), FieldErrors::default());
    let new = read_form(&form, settings.zone(), now, &mut errors).filter(|_| refused.is_empty());
    let Some(new) = new else {
        if !refused.is_empty() {
            errors = FieldErrors::default();
        }
        let status = match uploads::status(&refused) {
            StatusCode::OK => StatusCode::UNPROCESSABLE_ENTITY,
            refused => refused,
        };
        let mut page = page(&state, head, access, Some(form), errors).await?;
        page.files.refused = refused;
        page.files.name_refused(&mut page.errors);
        return with_status(status, &page);
    };
    let (patient, again) = (access.patient(), access.again());
    let write = state.db.write(move |tx| attachments::add_to_chart(tx, now, &access, &new));
    match write.await {
        Ok(item) => Ok(see_other(&format!("/patients/{patient}/items/{item}?notice=file-added"))),
        Err(AttachError::Db(cause)) => Err(cause.into()),
        Err(cause) => {
            errors.add("files", sent_along::why_not(cause)?);
            with_status(errors.status(), &page(&state, head, again, Some(form), errors).await?)
        }
    }
}

fn read_form(form: &Form, zone: Zone, now: Ts, errors: &mut FieldErrors) -> Option<ToChart> {
    let title = errors.need("title", "error-title", Title::parse(form.get("title")));
    let kind = match form.get("kind") {
        "letter" => ItemKind::Letter,
        _ => ItemKind::File,
    };
    let day = errors.need("date", "error-filter-date", BirthDate::parse(&one_line(form.get("date"))));
    // a file of an earlier day counts as of noon, one of today as of now
    let occurred_at = day.map(|day| match day.0 == zone.local(now).date() {
        true => now,
        false => zone.start_of(day.0).plus(Duration::hours(12)),
    });
    let upload = errors.need("files", "error-file-missing", form.numbers("upload").first().copied());
    let confirmed = sent_along::confirmed(form);
    Some(ToChart { confirmed, upload: UploadId(upload?), kind, occurred_at: occurred_at?, title: title?.to_string() })
}

async fn page(
    state: &web::Data<AppState>,
    head: Head,
    access: ChartAccess<rights::Send>,
    typed: Option<Form>,
    errors: FieldErrors,
) -> Result<NewFilePage, AppError> {
    let (intake, now) = (state.intake.clone(), state.clock.now());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, access.user())?;
        let patient = patients::patient(conn, &access)?;
        let today = settings.zone().local(now).date().to_string();
        let form = typed.unwrap_or_else(|| Form::filled(&[("date", &today), ("kind", "file")]));
        let mut files = FileLines::read(conn, &intake, &access, &form)?;
        files.action = format!("/patients/{}/files", access.patient());
        Ok(NewFilePage { shell, patient, form, files, errors })
    });
    read.await
}
