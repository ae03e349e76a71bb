//! `/emr/jwks.json`: the public halves of the keys by which Postern signs in at EMRs (RFC 7517). Anybody may read them.

use crate::emr::SigningKey;
use crate::emr_sources;
use crate::error::AppError;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use serde_json::json;

/// Shows the keys; where no EMR is configured there are none.
pub async fn show(state: web::Data<AppState>) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(emr_sources::published(conn, now)?) });
    let keys: Vec<_> = read.await?.iter().map(SigningKey::public).collect();
    Ok(HttpResponse::Ok().json(json!({ "keys": keys })))
}
