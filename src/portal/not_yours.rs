//! The answer to a request from somebody else's page: see [`crate::http::whose`].

use super::guard::shell;
use crate::access::portal_visit;
use crate::error::AppError;
use crate::http::Shell;
use crate::http::page::with_status;
use crate::http::whose::{self, Refusal};
use crate::patients;
use crate::state::AppState;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use askama::Template;

/// Routes that act for whoever holds the link, or for this browser: a page for nobody may send to them.
const FOR_NOBODY: &[&str] =
    &["/portal/entry", "/portal/link/{token}/passcode", "/portal/link/{token}/session", "/portal/language"];

#[derive(Template)]
#[template(path = "portal/not_yours.html")]
struct NotYoursPage {
    shell: Shell,
    /// who is signed in; empty: nobody
    name: String,
    kept: Vec<(&'static str, String)>,
    files: bool,
}

/// Lets a request through only where its page belongs to the person who is signed in.
///
/// # Errors
/// Those of the page.
pub async fn of_their_own(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    whose::check(req, next, (FOR_NOBODY, 0), page).await
}

async fn page(req: HttpRequest, refused: Refusal) -> Result<HttpResponse, AppError> {
    let state = req.app_data::<web::Data<AppState>>().ok_or_else(|| AppError::Internal("no state".into()))?;
    let Refusal { head, kept, files } = refused;
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, None)?;
        let name = match head.holder.as_ref().and_then(portal_visit) {
            Some(_) if !shell.acting.is_empty() => shell.acting.clone(),
            Some(visit) => patients::patient_by_id(conn, visit.patient())?.name(),
            None => String::new(),
        };
        Ok(NotYoursPage { shell, name, kept, files })
    });
    with_status(StatusCode::CONFLICT, &read.await?)
}
