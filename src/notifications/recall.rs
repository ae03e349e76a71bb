//! What becomes of the notifications of a message that is taken back: those that wait are cancelled, those that are under way
//! are not sent twice, and the patient is told by the roads by which one has gone out.

use super::blocks::blocks;
use super::enqueue::enqueue;
use super::follow_up::{PENDING, PlanKind, PlanStep, StepState, shown_from};
use super::moves::set_state;
use super::recipients::{obstacles_now, recipients};
use super::road_states;
use super::rows::NotificationRow;
use super::states::{Ending, State};
use super::templates::Kind;
use crate::clock::Random;
use crate::db::schema::{conversations, notifications, plan_steps};
use crate::db::{CaregiverId, ConversationId, MessageId, Ts, Tx, lock_rows};
use crate::delivery::{Channel, Reason};
use crate::outbox::{self, Task};
use crate::patients::Patient;
use crate::settings;
use crate::threads::{self, Attention};
use diesel::prelude::*;

/// To whom a notification has gone out, the patient or a caregiver, and by which road.
pub type GoneOut = (Option<CaregiverId>, Channel);

/// Locks the notifications of a message until the transaction ends: a worker hands none of them over meanwhile.
pub fn hold(tx: &mut Tx, message: MessageId) -> QueryResult<()> {
    lock_rows(tx, "notifications", "message_id", message.0)
}

/// Ends what waits for a message that was taken back: notifications, and the steps of its plan. Gives to whom and by
/// which roads a notification of it has gone out, or may have. One that a worker has claimed and not handed over yet is cancelled by that
/// worker, which finds the message taken back.
pub fn recall(tx: &mut Tx, now: Ts, message: MessageId) -> QueryResult<Vec<GoneOut>> {
    let rows: Vec<NotificationRow> = notifications::table
        .filter(notifications::message_id.eq(message))
        .order(notifications::id)
        .select(NotificationRow::as_select())
        .load(tx.conn())?;
    let mut gone_out = Vec::new();
    for row in &rows {
        if !row.state.is_final() && outbox::withdraw(tx, Task::SendNotification(row.id))? {
            let ending = Ending { state: State::Cancelled, reason: Some(Reason::Recalled) };
            set_state(tx, now, row, row.attempts, ending)?;
        }
        let is_out = row.unsure || matches!(row.state, State::Sent | State::Delivered | State::Unsure);
        let one = (row.caregiver_id, row.channel);
        if is_out && !gone_out.contains(&one) {
            gone_out.push(one);
        }
    }
    let waiting =
        plan_steps::table.filter(plan_steps::message_id.eq(message)).filter(plan_steps::state.eq_any(PENDING));
    let steps: Vec<PlanStep> = waiting.select(PlanStep::as_select()).load(tx.conn())?;
    for step in steps {
        let row = diesel::update(plan_steps::table.find(step.id));
        row.set((plan_steps::state.eq(StepState::Recalled), plan_steps::state_at.eq(now))).execute(tx.conn())?;
        outbox::cancel(tx, &[Task::FollowUp(step.id)])?;
    }
    Ok(gone_out)
}

/// After a message was taken back, the clinic's message before it, which the patient has not opened, is the one that counts
/// again: what was planned for it goes on, and so does its need for attention.
pub fn resume(tx: &mut Tx, now: Ts, conversation: ConversationId, unopened: Option<MessageId>) -> QueryResult<()> {
    let told = road_states::refresh(tx, conversation)?;
    let Some(message) = unopened else { return Ok(()) };
    let is_closed = conversations::table.find(conversation).select(conversations::closed_at.is_not_null());
    if is_closed.first::<bool>(tx.conn())? {
        return Ok(());
    }
    let of = plan_steps::table.filter(plan_steps::message_id.eq(message)).order(plan_steps::id);
    let steps: Vec<PlanStep> = of.select(PlanStep::as_select()).load(tx.conn())?;
    if told.needs_attention() {
        let failed = told.roads().find_map(|(_, state)| road_states::attention_for(state));
        failed.map(|why| threads::ask_attention(tx, conversation, why)).transpose()?;
    }
    for step in steps {
        match (step.state, step.step) {
            // a call that told nobody leaves it unopened, as does one that could not be made
            (StepState::Done, PlanKind::Tell)
            | (StepState::Tried | StepState::Wrong, _)
            | (StepState::Skipped, PlanKind::Phone | PlanKind::Letter) => {
                threads::ask_attention(tx, conversation, Attention::Unopened)?;
            }
            (StepState::Replaced, _) => {
                let row = diesel::update(plan_steps::table.find(step.id));
                row.set((plan_steps::state.eq(StepState::Waiting), plan_steps::state_at.eq(now))).execute(tx.conn())?;
                outbox::enqueue(tx, now, Task::FollowUp(step.id), step.due_at)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Enqueues word that a message was taken back, by those of these roads that still reach the patient. Says whether there is
/// one.
pub fn tell_of_recall(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    (message, conversation): (MessageId, ConversationId),
    patient: &Patient,
    roads: &[GoneOut],
) -> QueryResult<bool> {
    let (only_patient, began) = shown_from(tx, conversation)?;
    let (blocks, settings) = (blocks(tx, patient)?, settings::load(tx)?);
    if !obstacles_now(tx, (now, began), &settings, patient, &blocks, only_patient)?.is_empty() {
        return Ok(false);
    }
    let mut to = recipients(tx, (now, began), patient, only_patient)?;
    for one in &mut to {
        one.links.retain(|link| roads.contains(&(one.caregiver, *link)));
    }
    to.retain(|one| !one.links.is_empty());
    enqueue(tx, now, random, (message, conversation, patient.id), Kind::Recall, &to)?;
    Ok(!to.is_empty())
}
