//! `/conversations/{id}/attachments/{number}`: a file on a message, to save or to view.

use crate::access::rights;
use crate::attachments::{self, Content};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::document;
use crate::clinic::guard::{Conversation, number};
use crate::error::AppError;
use crate::http::files::{FileOut, How, send};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};

pub async fn open(
    state: web::Data<AppState>,
    req: HttpRequest,
    conversation: Conversation<rights::Read>,
    how: web::Query<How>,
) -> Result<HttpResponse, AppError> {
    let (number, access) = (number(&req, "number")?, conversation.0);
    let content = if how.is_page() { Content::Page } else { Content::File };
    let (who, patient) = (Actor::User(access.user().id()), access.patient());
    let find = state.db.read(move |conn| -> Result<_, AppError> {
        attachments::for_user(conn, &access, number, content)?.ok_or(AppError::NotFound)
    });
    let (file, blob) = find.await?;
    let page = document::content_security_policy();
    let out = match content {
        Content::Page => FileOut::page(&page),
        Content::File => how.file(&file.file_name, &file.media_type),
    };
    let (response, sent) = send(&req, &state.intake, blob, out).await?;
    let trace = Entry::of_patient(who, Event::AttachmentOpened, patient, Subject::Attachment(file.id));
    state.record_opening(trace, sent).await?;
    Ok(response)
}
