//! The answer to a form from a page that was made for somebody else: see [`crate::http::whose`].

use crate::access::{SignedInUser, rights};
use crate::clinic::guard::{shell, shell_for_nobody};
use crate::error::AppError;
use crate::http::Shell;
use crate::http::page::with_status;
use crate::http::whose::{self, Refusal};
use crate::state::AppState;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use askama::Template;

/// Routes whose forms act for anyone who knows the password or holds the link: a page that was made for nobody may send
/// them.
const FOR_NOBODY: &[&str] = &[
    "/sign-in",
    "/sign-in/second-step",
    "/sign-in/second-step/challenge",
    "/sign-in/passkey",
    "/sign-in/passkey/challenge",
    "/sign-in/provider",
    "/sign-in/provider/answer",
    "/sign-in/emr",
    "/sign-in/emr/answer",
    "/password/{token}",
    "/password/{token}/provider",
    "/forgotten-password",
];

#[derive(Template)]
#[template(path = "clinic/account/not_yours.html")]
struct NotYoursPage {
    shell: Shell,
    /// the name of the user who is signed in; empty where nobody is
    name: String,
    kept: Vec<(&'static str, String)>,
    files: bool,
}

/// Accepts a form of this door only from the person for whom its page was made.
///
/// # Errors
/// Those of the page.
pub async fn of_their_own(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = req.app_data::<web::Data<AppState>>();
    // as much of the files is read as the pages that take them would read
    let longest = state.map_or(0, |state| 2 * state.intake.policy.largest_message);
    whose::check(req, next, (FOR_NOBODY, longest), page).await
}

async fn page(req: HttpRequest, refused: Refusal) -> Result<HttpResponse, AppError> {
    let state = req.app_data::<web::Data<AppState>>().ok_or_else(|| AppError::Internal("no state".into()))?;
    let Refusal { head, kept, files } = refused;
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let user = head.holder.as_ref().and_then(SignedInUser::<rights::Read>::from_holder).flatten();
        let (shell, name) = match &user {
            Some(user) => (shell(conn, &head, user)?.0, user.name().to_owned()),
            None => (shell_for_nobody(conn, &head)?, String::new()),
        };
        Ok(NotYoursPage { shell, name, kept, files })
    });
    with_status(StatusCode::CONFLICT, &read.await?)
}
