//! `POST /portal/logout`: ends this session.

use crate::access;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::error::AppError;
use crate::http::{Head, signed_out};
use crate::state::AppState;
use actix_session::Session;
use actix_web::{HttpResponse, web};

pub async fn submit(state: web::Data<AppState>, head: Head, session: Session) -> Result<HttpResponse, AppError> {
    if let Some(visit) = head.holder.as_ref().and_then(access::portal_visit) {
        let patient = visit.patient();
        let trace = Entry::of_patient(
            Actor::at_portal(patient, visit.caregiver()),
            Event::PortalSignedOut,
            patient,
            Subject::None,
        );
        state.record(trace).await?;
    }
    session.purge();
    Ok(signed_out("/portal?notice=logged-out"))
}
