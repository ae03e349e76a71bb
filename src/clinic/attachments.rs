//! `/conversations/{id}/attachments/{number}`: a file on a message, to save or to look at.

use super::guard::{Conversation, number};
use crate::access::rights;
use crate::attachments::{self, Content};
use crate::audit::Actor;
use crate::chart::document;
use crate::error::AppError;
use crate::http::Head;
use crate::http::files::{FileOut, SANDBOX, Sent, send};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

/// How it is to be opened: `save`, `show` or `page`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct How {
    r#as: String,
}

pub async fn open(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    conversation: Conversation<rights::Read>,
    how: web::Query<How>,
) -> Result<HttpResponse, AppError> {
    let (number, access) = (number(&req, "number")?, conversation.0);
    let content = if how.r#as == "page" { Content::Page } else { Content::File };
    let (now, who, patient) = (head.now, Actor::User(access.user().id()), access.patient());
    let find = state.db.read(move |conn| -> Result<_, AppError> {
        attachments::for_user(conn, &access, number, content)?.ok_or(AppError::NotFound)
    });
    let (file, blob) = find.await?;
    let page = document::content_security_policy();
    let out = match content {
        Content::Page => FileOut { name: "", media_type: "text/html; charset=utf-8", shown: true, policy: &page },
        Content::File => FileOut {
            name: &file.file_name,
            media_type: &file.media_type,
            shown: how.r#as == "show" && file.can_be_shown(),
            policy: SANDBOX,
        },
    };
    let (response, sent) = send(&req, &state.desk.storage, &blob, out).await?;
    if sent != Sent::Nothing {
        let again = sent == Sent::Later;
        let write = state.db.write(move |tx| -> Result<_, AppError> {
            Ok(attachments::note_opened(tx, now, who, patient, &file, again)?)
        });
        write.await?;
    }
    Ok(response)
}
