//! Sees to a conversation when the moment has come by which the patient was promised an answer.

use super::finish;
use crate::conversations;
use crate::db::ConversationId;
use crate::error::AppError;
use crate::outbox::Job;
use crate::state::AppState;

pub(super) async fn run(state: &AppState, job: Job, id: ConversationId) -> Result<(), AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // before the job, as whoever gives a new word
        let held = conversations::hold_promised(tx, now, id)?;
        finish(tx, &job, |tx| held.map_or(Ok(()), |held| conversations::see_to_promised(tx, now, &held)))
    });
    write.await?;
    // there may be mail to users
    state.wake.notify_one();
    Ok(())
}
