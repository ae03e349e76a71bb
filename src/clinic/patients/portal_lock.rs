//! `POST /patients/{id}/portal-unlocking`: lets a patient who tried too often, and has called the clinic, try again.

use crate::access::rights;
use crate::clinic::guard::Chart;
use crate::error::AppError;
use crate::http::see_other;
use crate::portal_links;
use crate::state::AppState;
use actix_web::{HttpResponse, web};

pub async fn lift(state: web::Data<AppState>, chart: Chart<rights::EditPatients>) -> Result<HttpResponse, AppError> {
    let (now, patient) = (state.clock.now(), chart.0.patient());
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(portal_links::unlock(tx, now, &chart.0)?) });
    write.await?;
    Ok(see_other(&format!("/patients/{patient}?notice=portal-unlocked")))
}
