//! `/portal/messages/{number}/attachments/{file}`: a file on one of the patient's own messages, to save or to view.

use super::guard::{Visit, number};
use crate::attachments::{self, Content};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::document;
use crate::conversations;
use crate::error::AppError;
use crate::http::Head;
use crate::http::files::{FileOut, How, Sent, send};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};

pub async fn open(
    state: web::Data<AppState>,
    req: HttpRequest,
    head: Head,
    visit: Visit,
    how: web::Query<How>,
) -> Result<HttpResponse, AppError> {
    let (conversation, number) = (number(&req, "number")?, number(&req, "file")?);
    let content = if how.is_page() { Content::Page } else { Content::File };
    let (patient, again) = (visit.0.patient(), visit.0.clone());
    let who = Actor::at_portal(patient, visit.0.caregiver());
    let find = state.db.read(move |conn| -> Result<_, AppError> {
        let found = attachments::for_patient(conn, &visit.0, conversation, number, content)?;
        let (file, blob) = found.ok_or(AppError::NotFound)?;
        let is_open = conversations::was_opened(conn, file.message_id)?;
        Ok((file, blob, is_open))
    });
    let (file, blob, is_open) = find.await?;
    let page = document::content_security_policy();
    let out = match content {
        Content::Page => FileOut::page(&page),
        Content::File => how.file(&file.file_name, &file.media_type),
    };
    let (response, sent) = send(&req, &state.intake, blob, out).await?;
    if !is_open && sent != Sent::Nothing {
        // who gets a file of a message has opened it; one that was taken back meanwhile is not there
        let (now, message) = (head.now, file.message_id);
        let open = state.db.write(move |tx| -> Result<_, AppError> {
            Ok(conversations::open_by_file(tx, now, &again, conversation, message)?)
        });
        if !open.await? {
            return Err(AppError::NotFound);
        }
    }
    let trace = Entry::of_patient(who, Event::AttachmentOpened, patient, Subject::Attachment(file.id));
    state.record_opening(trace, sent).await?;
    Ok(response)
}
