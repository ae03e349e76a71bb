//! `POST /conversations/{id}/record`: "Try again", below a message that is not in the record of an EMR.

use crate::access::rights;
use crate::clinic::guard::Conversation;
use crate::db::MessageId;
use crate::error::AppError;
use crate::http::{Form, see_other};
use crate::state::AppState;
use crate::write_back;
use actix_web::{HttpResponse, web};

pub async fn try_again(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Notify>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let message = form.numbers("message").first().copied().map(MessageId).ok_or(AppError::BadRequest)?;
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(write_back::try_again(tx, now, &conversation.0, message)?) });
    if !write.await?.ok_or(AppError::NotFound)? {
        // it came there meanwhile: the page says so
        return Ok(see_other(&format!("/conversations/{id}")));
    }
    state.wake.notify_one();
    Ok(see_other(&format!("/conversations/{id}?notice=record-again")))
}
