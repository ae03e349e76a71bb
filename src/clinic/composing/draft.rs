//! `/patients/{id}/messages/draft`: keeps on the server what is being written.

use super::new_message::{self, Showing};
use crate::access::rights;
use crate::clinic::files::sent_along;
use crate::clinic::guard::{Chart, shell};
use crate::conversations::{self, DraftError, OwnDraft};
use crate::db::PatientId;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, html, see_other};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded::Serializer;

/// Saves the form. A script gets JSON: the next draft version, and words that say when it was saved; 409 where there is
/// a newer draft. A browser without script gets the chart, or the chart browser where that was asked for, or the form
/// again with what to do.
pub async fn save(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    form: Form,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let by_script = req.headers().get(ACCEPT).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let mut errors = FieldErrors::default();
    sent_along::check(&form, &mut errors);
    if !errors.is_empty() {
        let page = new_message::page(&state, head, chart.0, Showing { errors, ..Showing::typed(form) }).await?;
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let (now, access) = (state.clock.now(), chart.0);
    let version = form.get("draft_version").parse().unwrap_or_default();
    let (mut pairs, words) = (form.without("draft_version"), head.clone());
    pairs.retain(|(name, _)| name != "browse");
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // saved or refused, the answer below needs the proof or the words
        let saved = match conversations::save_draft(tx, now, OwnDraft::new_message(&access), version, &pairs) {
            Err(DraftError::Db(cause)) => return Err(cause.into()),
            other => other,
        };
        let (shell, _) = shell(tx, &words, access.user())?;
        let when = shell.t1("draft-saved-at", "when", shell.time(&now));
        Ok((saved, when, access))
    });
    let (saved, when, access) = write.await?;
    match saved {
        Ok(version) if by_script => {
            Ok(HttpResponse::Ok().json(serde_json::json!({ "version": version, "saved_at": when })))
        }
        Ok(_) if form.has("browse") => Ok(see_other(&browser(access.patient(), &form))),
        Ok(_) => Ok(see_other(&format!("/patients/{}?notice=draft-saved", access.patient()))),
        Err(_) if by_script => Ok(HttpResponse::Conflict().finish()),
        Err(DraftError::TooLong) => {
            let mut showing = Showing::typed(form);
            showing.errors.add("body", "error-too-long");
            with_status(StatusCode::UNPROCESSABLE_ENTITY, &new_message::page(&state, head, access, showing).await?)
        }
        Err(_) => {
            let showing = Showing { conflict: true, ..Showing::typed(form) };
            with_status(StatusCode::CONFLICT, &new_message::page(&state, head, access, showing).await?)
        }
    }
}

/// The address of the chart browser with the chart items of the form ticked; from there the user returns to the draft.
fn browser(patient: PatientId, form: &Form) -> String {
    let mut query = Serializer::new(String::new());
    for id in form.numbers("chart_item") {
        query.append_pair("chart_item", &id.to_string());
    }
    format!("/patients/{patient}/chart-browser?{}", query.finish())
}

/// Throws the draft away.
pub async fn discard(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, access) = (state.clock.now(), chart.0);
    let version = form.get("draft_version").parse().unwrap_or_default();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        conversations::drop_draft(tx, now, OwnDraft::new_message(&access), version)?;
        Ok(access)
    });
    let access = write.await?;
    match head.fragment {
        true => html(&new_message::page(&state, head, access, Showing::default()).await?),
        false => Ok(see_other(&format!("/patients/{}?notice=draft-discarded", access.patient()))),
    }
}
