//! `/portal/messages/{number}/attachments/{file}`: a file on one of the patient's own messages, to save or to view.

use super::guard::{Visit, number};
use crate::attachments::{self, Content};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::document;
use crate::error::AppError;
use crate::http::files::{FileOut, How, send};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};

pub async fn open(
    state: web::Data<AppState>,
    req: HttpRequest,
    visit: Visit,
    how: web::Query<How>,
) -> Result<HttpResponse, AppError> {
    let (conversation, number) = (number(&req, "number")?, number(&req, "file")?);
    let content = if how.is_page() { Content::Page } else { Content::File };
    let patient = visit.0.patient();
    let find = state.db.read(move |conn| -> Result<_, AppError> {
        attachments::for_patient(conn, &visit.0, conversation, number, content)?.ok_or(AppError::NotFound)
    });
    let (file, blob) = find.await?;
    let page = document::content_security_policy();
    let out = match content {
        Content::Page => FileOut::page(&page),
        Content::File => how.file(&file.file_name, &file.media_type),
    };
    let (response, sent) = send(&req, &state.intake, blob, out).await?;
    let trace =
        Entry::of_patient(Actor::Patient(patient), Event::AttachmentOpened, patient, Subject::Attachment(file.id));
    state.record_opening(trace, sent).await?;
    Ok(response)
}
