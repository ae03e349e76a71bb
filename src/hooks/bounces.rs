//! Returned mail, posted whole by a mail server that does not want to keep a mailbox for it.

use crate::delivery::bounce;
use crate::error::AppError;
use crate::notifications;
use crate::state::AppState;
use actix_web::{HttpResponse, web};

pub async fn receive(
    state: web::Data<AppState>,
    path: web::Path<String>,
    raw: web::Bytes,
) -> Result<HttpResponse, AppError> {
    let (now, code) = (state.clock.now(), path.into_inner());
    let Some(bounces) = state.config.bounces.as_ref() else { return Err(AppError::NotFound) };
    let bounce = bounce::parse(&raw, &bounces.address);
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        if !super::key(tx)?.is_path("bounces", &code) {
            return Err(AppError::NotFound);
        }
        if let Some(bounce) = bounce {
            notifications::bounced(tx, now, &bounce)?;
        }
        Ok(())
    });
    write.await?;
    Ok(HttpResponse::NoContent().finish())
}
