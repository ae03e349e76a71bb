//! `/broadcasts/files`: the files of a message to many, chosen on this computer; a chart belongs to one patient.

use super::new::page;
use crate::access::rights;
use crate::attachments::Goal;
use crate::clinic::files::lines::Lines;
use crate::clinic::files::uploads::{self, LIST};
use crate::clinic::guard::{User, number, shell_for_nobody};
use crate::db::UploadId;
use crate::error::AppError;
use crate::http::Head;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::state::AppState;
use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};

/// "Add files" and "Remove" without script: the form comes back as it was typed.
pub async fn change(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    req: HttpRequest,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let goal = Goal::Many(user.0.clone());
    let (mut form, refused) = uploads::change_for(&state, &req, &goal, body).await?;
    let (mut status, mut errors) = (uploads::status(&refused), FieldErrors::default());
    if !refused.is_empty() {
        errors.add("files", "error-files-refused");
    }
    // a list that was chosen beside the files and not read would be missed by nobody
    if !form.get(LIST).is_empty() {
        errors.add("recipients", "error-many-not-read");
        if refused.is_empty() {
            status = errors.status();
        }
    }
    form.remove(LIST);
    let mut shown = page(&state, head, user.0, form, errors).await?;
    shown.files.refused = refused;
    with_status(status, &shown)
}

/// `POST /broadcasts/files/added`: takes files from a script, and answers with their lines.
pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    req: HttpRequest,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let taken = uploads::take_for(&state, &req, &Goal::Many(user.0), body).await?;
    let (mut lines, status) = uploads::lines_of(taken)?;
    lines.to_many = true;
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    with_status(status, &Lines { shell, lines })
}

/// `POST /broadcasts/files/added/{upload}/removal`: removes a file that was chosen.
pub async fn remove(
    state: web::Data<AppState>,
    user: User<rights::SendMany>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (id, goal) = (UploadId(number(&req, "upload")?), Goal::Many(user.0));
    if uploads::discard(&state, &goal, id).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(AppError::NotFound)
    }
}
