//! `/conversations/{id}/messages/{message}/recall`: "Take back", which asks first; where the patient was faster it says so.

use crate::access::{ConversationAccess, rights};
use crate::clinic::guard::{Conversation, number, shell};
use crate::conversations::{self, RecallError, Recallable};
use crate::db::MessageId;
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::{Head, Shell, html, see_other};
use crate::patients::{self, Patient};
use crate::settings::Settings;
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/conversations/recall.html")]
struct RecallPage {
    shell: Shell,
    settings: Settings,
    patient: Patient,
    id: i64,
    message: MessageId,
    title: String,
    is_open: bool,
    state: Recallable,
    /// it was tried, and somebody else was faster
    is_late: bool,
}

async fn page(
    state: &AppState,
    head: Head,
    access: ConversationAccess<rights::Send>,
    message: MessageId,
    is_late: bool,
) -> Result<RecallPage, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, access.user())?;
        let state = conversations::recallable(conn, &access, message)?.ok_or(AppError::NotFound)?;
        let patient = patients::patient_by_id(conn, access.patient())?;
        let (title, is_open) = (conversations::title(conn, &access)?, conversations::is_open(conn, &access)?);
        let id = access.conversation().0;
        Ok(RecallPage { shell, settings, patient, id, message, title, is_open, state, is_late })
    });
    read.await
}

pub async fn ask(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    conversation: Conversation<rights::Send>,
) -> Result<HttpResponse, AppError> {
    let message = MessageId(number(&req, "message")?);
    html(&page(&state, head, conversation.0, message, false).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    conversation: Conversation<rights::Send>,
) -> Result<HttpResponse, AppError> {
    let message = MessageId(number(&req, "message")?);
    let (now, random, access) = (state.clock.now(), state.random.clone(), conversation.0);
    let (id, again) = (access.conversation(), access.again());
    let write = state.db.write(move |tx| conversations::recall(tx, now, &random, &access, message));
    match write.await {
        Ok(done) => {
            state.wake.notify_one();
            let notice = if done.is_told { "message-recalled-told" } else { "message-recalled" };
            Ok(see_other(&format!("/conversations/{id}?notice={notice}#message-{message}")))
        }
        Err(RecallError::Deactivated) => Err(AppError::SignIn { to: "/sign-in".into() }),
        Err(RecallError::NotThere) => Err(AppError::NotFound),
        Err(RecallError::Not(Recallable::NotYours)) => Err(AppError::Forbidden),
        Err(RecallError::Not(_)) => with_status(StatusCode::CONFLICT, &page(&state, head, again, message, true).await?),
        Err(RecallError::Db(cause)) => Err(cause.into()),
    }
}
