//! Message templates for one patient: a list for the picker's script, and the same by a form without script.

use super::new_message::{self, Showing};
use crate::access::{ChartAccess, rights};
use crate::clinic::guard::{Chart, shell};
use crate::db::TemplateId;
use crate::error::AppError;
use crate::http::{Form, Head, html};
use crate::message_templates::{self, Filled};
use crate::patients;
use crate::state::AppState;
use crate::text::CleanHtml;
use actix_web::{HttpResponse, web};
use serde::Serialize;

/// A template as `template-picker.js` wants it.
#[derive(Serialize)]
struct Offered {
    id: TemplateId,
    title: String,
    category: String,
    language: String,
    subject: String,
    body_html: String,
    replies_allowed: Option<bool>,
}

/// `GET /patients/{id}/message-templates`: every template filled in for this patient, those in the patient's language
/// first.
pub async fn list(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
) -> Result<HttpResponse, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (_, settings) = shell(conn, &head, chart.0.user())?;
        let patient = patients::patient(conn, &chart.0)?;
        let mut all = message_templates::readable(conn, chart.0.user(), false)?;
        all.sort_by_key(|template| template.language != patient.language);
        let user = chart.0.user().name();
        let offered = all.into_iter().map(|template| {
            let filled = message_templates::filled(&template, &patient, user, &settings, head.now);
            let Filled { title, body_html, replies_allowed } = filled;
            let (id, language) = (template.id, template.language);
            Offered {
                id,
                title: template.name,
                category: template.category,
                language,
                subject: title,
                body_html,
                replies_allowed,
            }
        });
        Ok(offered.collect::<Vec<_>>())
    });
    Ok(HttpResponse::Ok().json(read.await?))
}

/// `POST /patients/{id}/messages/template`: the form again, filled from the chosen template.
pub async fn fill_in(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (access, form) = filled_in(&state, head.clone(), chart.0, form).await?;
    html(&new_message::page(&state, head, access, Showing::typed(form)).await?)
}

/// A form of a message to this patient with the text of the template that was chosen in it; as it was where there is none. Changes
/// nothing that is kept. Without script there is no question before typed text is replaced, so there are two buttons: one
/// replaces, one adds to the end.
pub async fn filled_in(
    state: &AppState,
    head: Head,
    chart: ChartAccess<rights::Send>,
    form: Form,
) -> Result<(ChartAccess<rights::Send>, Form), AppError> {
    let id = TemplateId(form.get("template").parse().unwrap_or_default());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let Some(template) = message_templates::template(conn, chart.user(), id)? else {
            return Ok((chart, form));
        };
        let (_, settings) = shell(conn, &head, chart.user())?;
        let patient = patients::patient(conn, &chart)?;
        let filled = message_templates::filled(&template, &patient, chart.user().name(), &settings, head.now);
        let form = if form.has("append") { appended(form, &filled) } else { replaced(form, filled) };
        Ok((chart, form))
    });
    read.await
}

fn appended(mut form: Form, filled: &Filled) -> Form {
    let body = CleanHtml::stored(filled.body_html.clone()).to_markdown();
    let joined = format!("{}\n\n{body}", form.get("body").trim_end());
    form.set("body", joined.trim_start());
    form
}

/// A reply has neither a title nor the box that lets the patient answer: what is said of them is shown nowhere.
fn replaced(mut form: Form, filled: Filled) -> Form {
    form.set("title", &filled.title);
    form.set("body_format", "html");
    form.set("body", &filled.body_html);
    match filled.replies_allowed {
        Some(true) => form.set("replies_allowed", "on"),
        Some(false) => form.remove("replies_allowed"),
        None => {}
    }
    form
}
