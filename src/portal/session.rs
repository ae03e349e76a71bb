//! `POST /portal/session`: one press, and the session lasts its full time again.

use super::guard::{Visit, return_path};
use crate::error::AppError;
use crate::http::{Form, Head, see_other};
use crate::state::AppState;
use crate::{audit, audit::Event};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

#[derive(Serialize)]
struct Left {
    expires_in: i64,
}

/// The request itself is what keeps the session: see `access::session`. The audit row records it.
pub async fn stay(
    state: web::Data<AppState>,
    head: Head,
    visit: Visit,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let patient = visit.0.patient();
    let actor = audit::Actor::at_portal(patient, visit.0.caregiver());
    let entry = audit::Entry::of_patient(actor, Event::PortalSessionKept, patient, audit::Subject::None);
    state.record(entry).await?;
    let expires_in = head.holder.as_ref().map_or(0, |holder| holder.lasts().left);
    let is_script = req.headers().get(header::ACCEPT).is_some_and(|accept| accept == "application/json");
    match is_script {
        true => Ok(HttpResponse::Ok().json(Left { expires_in })),
        false => Ok(see_other(return_path(form.get("back")).unwrap_or("/portal/messages"))),
    }
}
