//! "Phone the patient": the step of a plan after the last email and text. It asks users for a telephone call, and keeps what
//! became of each. The number and the words stay inside: a call says that a message waits, and nothing about its content.

use super::blocks::{BlockKind, block, blocks};
use super::follow_up::{PENDING, PlanKind, PlanStep, StepState, shown_from};
use super::plan::reaches;
use super::recipients::is_caregivers;
use crate::access::{self, ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{conversations, phone_calls as c, plan_steps as p, users};
use crate::db::sealed::{self, Held, PhoneCallNote};
use crate::db::{Conn, ConversationId, DbError, PatientId, PlanStepId, Ts, Tx, lock_row};
use crate::delivery::Channel;
use crate::outbox::{self, Task};
use crate::patients::patient_by_id;
use crate::settings;
use crate::text_enum;
use crate::threads::{self, Attention, Reasons};
use crate::values::PhoneNumber;
use diesel::prelude::*;
use time::Duration;

text_enum! {
    /// How a telephone call ended.
    pub enum Outcome {
        /// the patient was told that a message waits
        Reached = "reached",
        /// a voicemail asks the patient to call back
        Voicemail = "voicemail",
        /// nobody answered
        NoAnswer = "no_answer",
        /// the number is somebody else's, or nobody's
        WrongNumber = "wrong_number",
    }
}

/// A call as users noted it.
#[derive(Debug, Clone)]
pub struct Call {
    /// identity
    pub id: i64,
    /// the step that asked for it
    pub step: PlanStepId,
    /// the name of the user who called
    pub by: String,
    /// how it ended
    pub outcome: Outcome,
    /// what the user wrote about it; may be empty
    pub note: String,
    /// when it was noted
    pub at: Ts,
}

/// A call to be noted.
#[derive(Debug, Clone)]
pub struct NewCall {
    /// the step that asked for it
    pub step: PlanStepId,
    /// how many of its calls the page showed
    pub seen: i64,
    /// how it ended
    pub outcome: Outcome,
    /// what the user wrote about it; may be empty
    pub note: String,
    /// the hours until the next try, after a call that did not reach the patient
    pub again_hours: Option<i64>,
    /// the number that the page showed
    pub number: Option<PhoneNumber>,
    /// of the form: a double click notes one call
    pub key: String,
}

impl NewCall {
    /// The hours until the next try to choose from.
    pub const AGAIN: [i64; 5] = [2, 4, 24, 72, 168];

    fn again(&self) -> Option<Duration> {
        let can_follow = matches!(self.outcome, Outcome::Voicemail | Outcome::NoAnswer);
        self.again_hours.filter(|_| can_follow).map(Duration::hours)
    }
}

/// Why a call was not noted.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The conversation has no such step.
    #[error("nobody asked for such a call")]
    NotThere,
    /// Another call was noted since the page was made.
    #[error("another call was noted since")]
    Overtaken,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(CallError);

/// What the page of a call shows.
#[derive(Debug, Clone)]
pub struct Asked {
    /// the newest step that asks for a call, or did; `None`: no message of the conversation ever did
    pub step: Option<PlanStep>,
    /// its calls, the oldest first
    pub calls: Vec<Call>,
}

/// The most calls of a conversation that pages show, the newest ones.
const MOST: i64 = 100;

/// The calls of a conversation, the oldest first.
pub fn calls_of(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<Call>> {
    type Row = (i64, PlanStepId, String, Outcome, Held<PhoneCallNote>, Ts);
    let rows: Vec<Row> = c::table
        .inner_join(users::table)
        .filter(c::conversation_id.eq(conversation))
        .order(c::id.desc())
        .limit(MOST)
        .select((c::id, c::step_id, users::name, c::outcome, c::note, c::called_at))
        .load(conn)?;
    let read = rows.into_iter().rev().map(|(id, step, by, outcome, note, at)| {
        let note = note.of(conversation)?;
        Ok(Call { id, step, by, outcome, note, at })
    });
    read.collect()
}

/// The call that is asked for in a conversation, with what became of those before.
pub fn asked_call(conn: &mut Conn, access: &ConversationAccess<rights::Notify>) -> QueryResult<Asked> {
    let conversation = access.conversation();
    let steps = p::table.filter(p::conversation_id.eq(conversation)).filter(p::step.eq(PlanKind::Phone));
    let step = steps.order(p::id.desc()).select(PlanStep::as_select()).first(conn).optional()?;
    let mut calls = calls_of(conn, conversation)?;
    calls.retain(|call| step.as_ref().is_some_and(|step: &PlanStep| step.id == call.step));
    Ok(Asked { step, calls })
}

/// A call is due: asks users for it. It makes no sense where the patient could not read the message anyway, where there is
/// no number, or where it is for the patient alone and the number is a caregiver's too; then the conversation says only that the
/// message is not opened.
pub(super) fn ask(tx: &mut Tx, now: Ts, step: &PlanStep, patient: PatientId) -> QueryResult<StepState> {
    let (record, settings) = (patient_by_id(tx, patient)?, settings::load(tx)?);
    let (only_patient, _) = shown_from(tx, step.conversation_id)?;
    let is_heard = only_patient && is_caregivers(tx, now, &record, Channel::Sms)?;
    let makes_sense = settings.portal_on && record.portal_access && record.phone.is_some() && !is_heard;
    let (state, why) = match makes_sense {
        true => (StepState::ToDo, Attention::Phone),
        false => (StepState::Skipped, Attention::Unopened),
    };
    threads::ask_attention(tx, step.conversation_id, why)?;
    Ok(state)
}

/// Notes a call. Whatever became of the message meanwhile, the call is noted, because it took place; only a step that still
/// asks for it moves on. Gives the state of the step.
///
/// A number that is wrong is marked as mail that came back marks an address, if the patient still has it: nothing more is sent
/// there until somebody has checked it.
///
/// # Errors
/// See [`CallError`].
pub fn note_call(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Notify>,
    call: &NewCall,
) -> Result<StepState, CallError> {
    let conversation = access.conversation();
    // whoever notes it is held before the conversation, as a deactivation does
    access::active(tx, &[access.user().id()])?;
    // whoever opens, takes back or closes meanwhile holds the same row: of two who come at one moment the second finds what the
    // first has done
    lock_row(tx, "conversations", conversation.0)?;
    let asked =
        p::table.find(call.step).filter(p::conversation_id.eq(conversation)).filter(p::step.eq(PlanKind::Phone));
    let step: Option<PlanStep> = asked.select(PlanStep::as_select()).first(tx.conn()).optional()?;
    let step = step.ok_or(CallError::NotThere)?;
    let same = c::table.filter(c::form_key.eq(&call.key)).filter(c::step_id.eq(step.id)).select(c::id);
    if same.first::<i64>(tx.conn()).optional()?.is_some() {
        return Ok(step.state);
    }
    let noted: i64 = c::table.filter(c::step_id.eq(step.id)).count().get_result(tx.conn())?;
    if noted != call.seen {
        return Err(CallError::Overtaken);
    }
    let user = access.user().id();
    let row = (
        (c::step_id.eq(step.id), c::conversation_id.eq(conversation), c::user_id.eq(user)),
        (c::outcome.eq(call.outcome), c::note.eq(sealed::of(conversation, &call.note))),
        (c::form_key.eq(&call.key), c::called_at.eq(now)),
    );
    diesel::insert_into(c::table).values(row).execute(tx.conn())?;
    // charts may have been merged since the proof was made
    let of = conversations::table.find(conversation).select(conversations::patient_id);
    let patient: PatientId = of.first(tx.conn())?;
    if call.outcome == Outcome::WrongNumber {
        let has_it = |number: &&PhoneNumber| call.number.as_ref() == Some(*number);
        let record = patient_by_id(tx, patient)?;
        if let Some(number) = record.phone.as_ref().filter(has_it) {
            block(tx, now, Channel::Sms, number.as_str(), BlockKind::Wrong)?;
        }
    }
    let state = match step.state {
        StepState::ToDo | StepState::Waiting => move_on(tx, now, &step, call, patient)?,
        over => over,
    };
    let entry = Entry::of_patient(Actor::User(user), Event::CallNoted, patient, Subject::Message(step.message_id));
    audit::append(tx, now, entry.with(call.outcome.as_str()))?;
    Ok(state)
}

/// What a call does to the step that asked for it.
fn move_on(tx: &mut Tx, now: Ts, step: &PlanStep, call: &NewCall, patient: PatientId) -> QueryResult<StepState> {
    let row = p::table.find(step.id);
    let task = Task::FollowUp(step.id);
    threads::clear_attention(tx, step.conversation_id, Reasons::AllButFile)?;
    if let Some(pause) = call.again() {
        let due = now.plus(pause);
        let set = (p::state.eq(StepState::Waiting), p::state_at.eq(now), p::due_at.eq(due));
        diesel::update(row).set(set).execute(tx.conn())?;
        outbox::enqueue(tx, now, task, due)?;
        ask_again(tx, step.conversation_id)?;
        return Ok(StepState::Waiting);
    }
    let state = match call.outcome {
        Outcome::Reached => StepState::Told,
        Outcome::Voicemail | Outcome::NoAnswer => StepState::Tried,
        Outcome::WrongNumber => StepState::Wrong,
    };
    diesel::update(row).set((p::state.eq(state), p::state_at.eq(now))).execute(tx.conn())?;
    outbox::cancel(tx, &[task])?;
    if state == StepState::Told && can_be_sent_a_code(tx, patient)? {
        // whoever was told needs no letter to open the message
        let letters = p::table.filter(p::conversation_id.eq(step.conversation_id)).filter(p::step.eq(PlanKind::Letter));
        let pending = letters.filter(p::state.eq_any(PENDING));
        for id in pending.select(p::id).load::<PlanStepId>(tx.conn())? {
            let told = (p::state.eq(StepState::Told), p::state_at.eq(now));
            diesel::update(p::table.find(id)).set(told).execute(tx.conn())?;
            outbox::cancel(tx, &[Task::FollowUp(id)])?;
        }
    } else if !ask_again(tx, step.conversation_id)? && state != StepState::Told {
        threads::ask_attention(tx, step.conversation_id, Attention::Unopened)?;
    }
    Ok(state)
}

/// Whether an email or a text reaches the patient: without a code for the portal only a letter brings the message.
fn can_be_sent_a_code(conn: &mut Conn, patient: PatientId) -> QueryResult<bool> {
    let record = patient_by_id(conn, patient)?;
    let blocks = blocks(conn, &record)?;
    Ok([Channel::Email, Channel::Sms].into_iter().any(|channel| reaches(&record, &blocks, channel)))
}

/// Asks for what users are still asked to do, after one of two things was done. Says whether there is anything.
pub(super) fn ask_again(tx: &mut Tx, conversation: ConversationId) -> QueryResult<bool> {
    let asked = p::table.filter(p::conversation_id.eq(conversation)).filter(p::state.eq(StepState::ToDo));
    let kind: Option<PlanKind> = asked.order(p::id).select(p::step).first(tx.conn()).optional()?;
    let why = match kind {
        Some(PlanKind::Letter) => Attention::Letter,
        Some(_) => Attention::Phone,
        None => return Ok(false),
    };
    threads::ask_attention(tx, conversation, why)?;
    Ok(true)
}

/// No way is left to notify the patient, and none is planned: the call does not wait for its day. One that was made already
/// keeps the time of its next try.
pub(super) fn hurry(tx: &mut Tx, now: Ts, conversation: ConversationId) -> QueryResult<()> {
    let waiting = p::table.filter(p::conversation_id.eq(conversation)).filter(p::state.eq(StepState::Waiting));
    let steps: Vec<(PlanStepId, PlanKind)> = waiting.order(p::id).select((p::id, p::step)).load(tx.conn())?;
    if steps.iter().any(|(_, kind)| *kind == PlanKind::Text) {
        return Ok(());
    }
    for (id, _) in steps.into_iter().filter(|(_, kind)| *kind == PlanKind::Phone) {
        let calls: i64 = c::table.filter(c::step_id.eq(id)).count().get_result(tx.conn())?;
        if calls == 0 {
            diesel::update(p::table.find(id)).set(p::due_at.eq(now)).execute(tx.conn())?;
            outbox::enqueue(tx, now, Task::FollowUp(id), now)?;
        }
    }
    Ok(())
}

/// The conversation was closed: what it asks of users waits until the closing cannot be undone any more.
pub fn put_off(tx: &mut Tx, now: Ts, conversation: ConversationId, until: Ts) -> QueryResult<()> {
    for id in to_do(tx, conversation)? {
        let set = (p::state.eq(StepState::Waiting), p::state_at.eq(now), p::due_at.eq(until));
        diesel::update(p::table.find(id)).set(set).execute(tx.conn())?;
        outbox::enqueue(tx, now, Task::FollowUp(id), until)?;
    }
    Ok(())
}

/// A user has dealt with it in another way.
pub(super) fn settle(tx: &mut Tx, now: Ts, conversation: ConversationId) -> QueryResult<()> {
    for id in to_do(tx, conversation)? {
        let set = (p::state.eq(StepState::Settled), p::state_at.eq(now));
        diesel::update(p::table.find(id)).set(set).execute(tx.conn())?;
    }
    Ok(())
}

fn to_do(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<PlanStepId>> {
    let asked = p::table.filter(p::conversation_id.eq(conversation)).filter(p::state.eq(StepState::ToDo));
    asked.order(p::id).select(p::id).load(conn)
}
