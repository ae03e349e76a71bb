//! Carries out one step of a plan for a message that is not opened.

use super::finish;
use crate::db::PlanStepId;
use crate::error::AppError;
use crate::notifications;
use crate::outbox::Job;
use crate::state::AppState;

pub(super) async fn run(state: &AppState, job: Job, id: PlanStepId) -> Result<(), AppError> {
    let (now, random) = (state.clock.now(), state.random.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        notifications::hold_step(tx, id)?;
        finish(tx, &job, |tx| notifications::follow_up(tx, now, &random, id))
    });
    write.await
}
