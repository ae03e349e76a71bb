//! What waited when a backup was made may have been sent since: after a restore it is not sent again by itself.

use super::follow_up::{PlanKind, PlanStep, StepState};
use super::moves::set_state;
use super::rows::NotificationRow;
use super::states::{Ending, State};
use crate::db::schema::{notifications, plan_steps};
use crate::db::{Ts, Tx};
use crate::outbox::{self, Task};
use diesel::prelude::*;

/// Marks each waiting notification as perhaps sent, and skips the reminders that are due; users see both, and may send
/// again. Gives how many notifications and how many reminders.
pub fn after_restore(tx: &mut Tx, now: Ts) -> QueryResult<(usize, usize)> {
    let waiting = notifications::table.filter(notifications::state.eq_any([State::Queued, State::Sending]));
    let rows: Vec<NotificationRow> =
        waiting.order(notifications::id).select(NotificationRow::as_select()).load(tx.conn())?;
    for row in &rows {
        let row = NotificationRow { unsure: true, ..row.clone() };
        set_state(tx, now, &row, row.attempts, Ending { state: State::Cancelled, reason: None })?;
    }
    let due = plan_steps::table
        .filter(plan_steps::state.eq(StepState::Waiting))
        .filter(plan_steps::due_at.le(now))
        .filter(plan_steps::step.ne_all([PlanKind::Tell, PlanKind::Phone, PlanKind::Letter]));
    let steps: Vec<PlanStep> = due.select(PlanStep::as_select()).load(tx.conn())?;
    for step in &steps {
        diesel::update(plan_steps::table.find(step.id))
            .set((plan_steps::state.eq(StepState::Skipped), plan_steps::state_at.eq(now)))
            .execute(tx.conn())?;
        outbox::cancel(tx, &[Task::FollowUp(step.id)])?;
    }
    Ok((rows.len(), steps.len()))
}
