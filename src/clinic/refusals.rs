//! Writes to the audit log what a signed-in user was refused: somebody who tries other people's pages leaves a trace.

use crate::access::session::Holder;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::db::DbError;
use crate::error::AppError;
use crate::http::Head;
use crate::state::AppState;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, web};

/// Notes each 403 and 404 of a page of ours, with the page's pattern and the caller's address. The pattern contains no
/// patient's number; an address that matches no page is not noted.
///
/// # Errors
/// Those of the page.
pub async fn note_refusals(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let head = Head::from_request(req.request());
    let state = req.app_data::<web::Data<AppState>>().cloned();
    let asked = (req.method().clone(), req.match_pattern());
    let res = next.call(req).await?;
    let refused = matches!(res.status(), StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
    if let (true, Some(Holder::User { id, .. }), Some(state), (method, Some(pattern))) =
        (refused, &head.holder, state, asked)
    {
        let words = format!("{} {method} {pattern} {}", res.status().as_u16(), head.from);
        let entry = Entry::of_clinic(Actor::User(*id), Event::AccessRefused, Subject::None).with(words);
        // the answer goes out also where noting fails: it shows nothing
        match state.record(entry).await {
            // a stale request was refused nothing: it is served again with a fresh session
            Ok(()) | Err(AppError::Db(DbError::Stale)) => {}
            Err(cause) => tracing::error!(%cause, "a refusal was not written to the audit log"),
        }
    }
    Ok(res)
}
