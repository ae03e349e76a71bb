//! `/conversations/{id}/closure`: "Close conversation", which asks first; `/reopening` undoes it.

use crate::access::rights;
use crate::clinic::guard::{Conversation, shell};
use crate::conversations::{self, CloseError};
use crate::error::AppError;
use crate::http::{Head, Shell, html, see_other};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/conversations/closure.html")]
struct ClosurePage {
    shell: Shell,
    id: i64,
    title: String,
}

pub async fn ask(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Close>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, conversation.0.user())?;
        let title = conversations::title(conn, &conversation.0)?;
        Ok(ClosurePage { shell, id: conversation.0.conversation().0, title })
    });
    html(&page.await?)
}

pub async fn close(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Close>,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    match state.db.write(move |tx| conversations::close(tx, now, &conversation.0)).await {
        Ok(()) => Ok(see_other(&format!("/conversations/{id}?notice=closed"))),
        Err(CloseError::ForGood) => Err(AppError::Internal("closing does not refuse".into())),
        Err(CloseError::Db(cause)) => Err(cause.into()),
    }
}

pub async fn reopen(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Close>,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let notice = match state.db.write(move |tx| conversations::reopen(tx, now, &conversation.0)).await {
        Ok(()) => "reopened",
        Err(CloseError::ForGood) => "closed-for-good",
        Err(CloseError::Db(cause)) => return Err(cause.into()),
    };
    Ok(see_other(&format!("/conversations/{id}?notice={notice}")))
}
