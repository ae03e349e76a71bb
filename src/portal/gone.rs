//! The pages for a conversation that is not here: there is none of that number, it is another patient's, or it was taken back.

use super::guard::shell;
use crate::access::PortalVisit;
use crate::conversations;
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::{Head, Shell};
use crate::state::AppState;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

#[derive(Template)]
#[template(path = "portal/gone.html")]
struct GonePage {
    shell: Shell,
}

/// The page for what the clinic has taken back before the patient opened it: it says that, and nothing of it.
#[derive(Template)]
#[template(path = "portal/recalled.html")]
pub struct RecalledPage {
    pub shell: Shell,
}

/// The page for a conversation that does not exist or is another patient's, or was taken back, with what to do.
pub async fn gone(state: &AppState, head: Head, visit: PortalVisit, number: i64) -> Result<HttpResponse, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        Ok((shell(conn, &head, None)?.0, conversations::was_recalled(conn, &visit, number)?))
    });
    match read.await? {
        (shell, true) => with_status(StatusCode::GONE, &RecalledPage { shell }),
        (shell, false) => with_status(StatusCode::NOT_FOUND, &GonePage { shell }),
    }
}
