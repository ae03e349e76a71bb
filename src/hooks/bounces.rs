//! Returned mail, posted whole by a mail server that keeps no mailbox for it.

use crate::delivery::bounce;
use crate::error::AppError;
use crate::http::body::Body;
use crate::notifications;
use crate::state::AppState;
use actix_web::{HttpResponse, web};

pub async fn receive(state: web::Data<AppState>, path: web::Path<String>, raw: Body) -> Result<HttpResponse, AppError> {
    let (now, code, random) = (state.clock.now(), path.into_inner(), state.random.clone());
    let Some(bounces) = state.config.bounces.as_ref() else { return Err(AppError::NotFound) };
    // the code is checked first: no mail from a stranger is read
    let known =
        state.db.read(move |conn| -> Result<bool, AppError> { Ok(super::key(conn)?.is_path("bounces", &code)) });
    if !known.await? {
        return Err(AppError::NotFound);
    }
    match bounce::parse(&raw.0, &bounces.address) {
        Ok(Some(returned)) => {
            let write = state
                .db
                .write(move |tx| -> Result<_, AppError> { Ok(notifications::returned(tx, now, &random, &returned)?) });
            write.await?;
        }
        Ok(None) => {}
        // it is accepted nevertheless, or it would be posted for ever
        Err(cause) => tracing::warn!(?cause, "a returned mail was not read"),
    }
    Ok(HttpResponse::NoContent().finish())
}
