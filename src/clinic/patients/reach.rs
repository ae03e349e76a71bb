//! Small changes to how a patient is reached, made where they are needed: the Alert switches to the other channel, and
//! the chart marks an address as working again.

use crate::access::rights;
use crate::caregivers;
use crate::clinic::guard::{Chart, number};
use crate::db::CaregiverId;
use crate::delivery::Channel;
use crate::error::AppError;
use crate::http::{Form, see_other};
use crate::notifications;
use crate::patients::{self, Change, Demographics, Method};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};

/// Sets the notification method, and leads to the message.
pub async fn set_method(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let method: Method = form.get("method").parse().map_err(|_| AppError::BadRequest)?;
    let (now, id) = (state.clock.now(), chart.0.patient());
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        let patient = patients::patient(tx, &chart.0)?;
        let demographics = Demographics { method, ..patient.demographics };
        let change = Change { demographics, portal_access: patient.portal_access };
        Ok(patients::update(tx, now, &chart.0, &change)?)
    });
    write.await?;
    Ok(see_other(&format!("/patients/{id}/messages/new?notice=information-saved")))
}

/// Marks an address as working again.
pub async fn release(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let channel: Channel = form.get("channel").parse().map_err(|_| AppError::BadRequest)?;
    let (now, id) = (state.clock.now(), chart.0.patient());
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(notifications::release(tx, now, &chart.0, None, channel)?) });
    write.await?;
    Ok(see_other(&format!("/patients/{id}?notice=information-saved")))
}

/// Marks an address of a caregiver as working again.
pub async fn release_of_caregiver(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let caregiver = CaregiverId(number(&req, "caregiver")?);
    let (now, id) = (state.clock.now(), chart.0.patient());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        if caregivers::one_of_chart(tx, &chart.0, caregiver)?.is_none() {
            return Err(AppError::NotFound);
        }
        let channel: Channel = form.get("channel").parse().map_err(|_| AppError::BadRequest)?;
        Ok(notifications::release(tx, now, &chart.0, Some(caregiver), channel)?)
    });
    write.await?;
    Ok(see_other(&format!("/patients/{id}/caregivers/{caregiver}?notice=information-saved")))
}
