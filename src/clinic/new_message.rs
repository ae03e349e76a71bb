//! `/patients/{id}/messages/new`: "New Message", and the Alert that stands before it where something is missing.

use super::guard::{Chart, shell};
use super::uploads::{self, FileLines};
use crate::access::rights;
use crate::attachments::Picks;
use crate::chart::{self, Patient};
use crate::conversations::{self, Body, BodyFormat, NewConversation, StartError};
use crate::db::UserId;
use crate::delivery::Channel;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::{self, Blocks, Obstacle};
use crate::settings::Settings;
use crate::state::AppState;
use crate::users::{self, UserRow};
use crate::values::{EmailAddress, PhoneNumber, Title};
use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/new_message.html")]
struct NewMessagePage {
    shell: Shell,
    patient: Patient,
    colleagues: Vec<UserRow>,
    obstacles: Vec<Obstacle>,
    /// a channel that would work where the patient's own does not
    other_way: Option<Channel>,
    told: Vec<String>,
    form: Typed,
    files: FileLines,
    errors: FieldErrors,
}

/// What the form shows: the clinic's defaults, or as typed.
struct Typed {
    key: String,
    to: Vec<i64>,
    title: String,
    body: String,
    replies_allowed: bool,
}

impl Typed {
    fn fresh(state: &AppState, settings: &Settings) -> Typed {
        Typed {
            key: state.random.token().reveal().to_owned(),
            to: Vec::new(),
            title: String::new(),
            body: String::new(),
            replies_allowed: settings.replies_by_default,
        }
    }

    fn of(form: &Form) -> Typed {
        Typed {
            key: form.get("key").to_owned(),
            to: form.numbers("to"),
            title: form.get("title").to_owned(),
            body: form.get("body").to_owned(),
            replies_allowed: form.has("replies_allowed"),
        }
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
) -> Result<HttpResponse, AppError> {
    html(&page(&state, head, chart, None, FieldErrors::default()).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let mut errors = FieldErrors::default();
    uploads::check(&form, &mut errors);
    let Some(mut new) = read_form(&form, &mut errors) else {
        let page = page(&state, head, chart, Some(form), errors).await?;
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    new.files = uploads::picks(&state, &chart.0, &form).await?;
    let (now, random, again, access) = (state.clock.now(), state.random.clone(), chart.0.again(), chart.0);
    let write = state.db.write(move |tx| conversations::start(tx, now, &random, &access, &new));
    match write.await {
        Ok(id) => {
            state.wake.notify_one();
            return Ok(see_other(&format!("/conversations/{id}?notice=message-sent")));
        }
        // the page says what is missing
        Err(StartError::Obstacles(_)) => {}
        Err(StartError::Files(cause)) => errors.add("files", uploads::why_not(cause)?),
        Err(StartError::Db(cause)) => return Err(cause.into()),
    }
    with_status(StatusCode::CONFLICT, &page(&state, head, Chart(again), Some(form), errors).await?)
}

/// `POST /patients/{id}/messages/files`: "Add files" and "Remove" without script.
pub async fn change_files(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    chart: Chart<rights::Send>,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let (form, refused) = uploads::change(&state, &req, &chart.0, body).await?;
    let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut page = page(&state, head, chart, Some(form), FieldErrors::default()).await?;
    page.files.refused = refused;
    with_status(status, &page)
}

fn read_form(form: &Form, errors: &mut FieldErrors) -> Option<NewConversation> {
    let title = errors.need("title", "error-title", Title::parse(form.get("title")));
    let format = form.get("body_format").parse().unwrap_or(BodyFormat::Markdown);
    let body = errors.need("body", "error-body", Body::parse(form.get("body"), format));
    let key = form.get("key");
    if !(16..=64).contains(&key.len()) {
        errors.add("body", "error-form-old");
    }
    if !errors.is_empty() {
        return None;
    }
    Some(NewConversation {
        title: title?,
        body: body?,
        replies_allowed: form.has("replies_allowed"),
        participants: form.numbers("to").into_iter().map(UserId).collect(),
        key: key.to_owned(),
        files: Picks::default(),
    })
}

async fn page(
    state: &web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    typed: Option<Form>,
    errors: FieldErrors,
) -> Result<NewMessagePage, AppError> {
    let data = state.clone();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, chart.0.user())?;
        let patient = chart::patient(conn, &chart.0)?;
        let blocks = notifications::blocks(conn, &patient)?;
        let me = chart.0.user().id();
        let colleagues = users::active(conn)?.into_iter().filter(|user| user.id != me).collect();
        let obstacles = notifications::obstacles(&settings, &patient, &blocks);
        let told = told(&shell, &data, &patient, &blocks);
        let other_way = notifications::other_way(&patient, &blocks, &data.delivery);
        let action = format!("/patients/{}/messages/files", chart.0.patient());
        let named = typed.clone().unwrap_or_default();
        let files = FileLines::of(conn, &data.desk, &chart.0, &named, action)?;
        let form = typed.as_ref().map_or_else(|| Typed::fresh(&data, &settings), Typed::of);
        Ok(NewMessagePage { shell, patient, colleagues, obstacles, other_way, told, form, files, errors })
    });
    read.await
}

/// How the patient will be told, a line for each road, with masked addresses.
fn told(shell: &Shell, state: &AppState, patient: &Patient, blocks: &Blocks) -> Vec<String> {
    let plan = notifications::plan(patient, blocks);
    let mut lines: Vec<String> = plan
        .links
        .iter()
        .map(|link| {
            let passcode = notifications::passcode_channel(patient, blocks, &state.delivery, *link);
            let key = match (link, passcode) {
                (Channel::Email, Channel::Sms) => "told-email-sms",
                (Channel::Email, Channel::Email) => "told-email-email",
                (Channel::Sms, Channel::Email) => "told-sms-email",
                (Channel::Sms, Channel::Sms) => "told-sms-sms",
            };
            let email = patient.email.as_ref().map(EmailAddress::masked).unwrap_or_default();
            let phone = patient.phone.as_ref().map(PhoneNumber::masked).unwrap_or_default();
            shell.t2(key, "email", email, "phone", phone)
        })
        .collect();
    if plan.links.contains(&Channel::Sms) && !state.delivery.has(Channel::Sms) {
        lines.push(shell.t("told-no-gateway").to_owned());
    }
    for (channel, key) in [(Channel::Email, "told-email-bad"), (Channel::Sms, "told-texts-stopped")] {
        if blocks.of(channel).is_some() {
            lines.push(shell.t(key).to_owned());
        }
    }
    if patient.email.is_none() || patient.phone.is_none() {
        lines.push(shell.t("told-one-channel").to_owned());
    }
    lines
}
