//! What happens when a message is not opened: a plan for each message, made when it is sent, carried out by jobs, and
//! stopped by the first opening.

use super::blocks::blocks;
use super::calls;
use super::enqueue::{Pace, enqueue_at};
use super::last_rungs::{LastRungs, last_rungs};
use super::letters;
use super::recipients::{obstacles_now, recipients};
use super::templates::Kind;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::schema::{broadcast_recipients as r, conversations, messages, notifications as n, plan_steps as p};
use crate::db::{
    CaregiverId, Conn, ConversationId, MessageId, MultiBackend, PatientId, PlanStepId, RecipientId, Ts, Tx, UserId,
    lock_row,
};
use crate::delivery::Channel;
use crate::outbox::{self, Task};
use crate::patients::{Patient, patient_by_id};
use crate::settings::{self, Reach, Settings};
use crate::text_enum;
use crate::threads::{self, Attention, Reasons};
use diesel::prelude::*;
use time::Duration;

text_enum! {
    /// What a step of a plan does.
    pub enum PlanKind {
        /// sends a text, after an email
        Text = "text",
        /// sends a reminder by every road
        Remind = "remind",
        /// tells the sender in the inbox
        Tell = "tell",
        /// asks users to phone the patient
        Phone = "phone",
        /// asks users to send a letter
        Letter = "letter",
    }
}

/// The states of a step that has not ended.
pub(super) const PENDING: [StepState; 2] = [StepState::Waiting, StepState::ToDo];

text_enum! {
    /// The state of a step.
    pub enum StepState {
        /// it is not due yet
        Waiting = "waiting",
        /// it was carried out
        Done = "done",
        /// the patient opened the message first
        Opened = "opened",
        /// a newer message in the conversation has a plan of its own
        Replaced = "replaced",
        /// the conversation was closed
        Closed = "closed",
        /// the patient could not be notified when it was due
        Skipped = "skipped",
        /// the message was taken back
        Recalled = "recalled",
        /// users are asked to do it
        ToDo = "to_do",
        /// the patient was told on the telephone
        Told = "told",
        /// users have tried, and did not reach the patient
        Tried = "tried",
        /// the letter was printed
        Printed = "printed",
        /// the number was wrong
        Wrong = "wrong",
        /// a user has dealt with it in another way
        Settled = "settled",
    }
}

/// What a clinic, or the writer of a message, wants to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanChoice {
    /// hours after which the text follows the email; 0: both at once
    pub text_hours: i64,
    /// days after which the patient is reminded; 0: never
    pub remind_days: i64,
    /// days after which the sender is told; 0: never
    pub tell_days: i64,
    /// days after which users are asked to phone the patient; 0: never
    pub phone_days: i64,
    /// days after which users are asked to send a letter; 0: never
    pub letter_days: i64,
}

impl PlanChoice {
    /// The hours to choose from.
    pub const HOURS: [i64; 7] = [0, 1, 2, 4, 8, 24, 48];
    /// The days to choose from.
    pub const DAYS: [i64; 8] = [0, 1, 2, 3, 4, 5, 7, 14];

    /// The days to choose from for a letter, which takes some of its own.
    pub const LETTER_DAYS: [i64; 8] = [0, 3, 5, 7, 10, 14, 21, 30];

    /// The clinic's choice.
    pub fn from_settings(settings: &Settings, reach: Reach) -> PlanChoice {
        PlanChoice {
            text_hours: settings.plan_text_hours,
            remind_days: settings.plan_remind_days,
            tell_days: settings.plan_tell_days,
            phone_days: reach.phone_days,
            letter_days: reach.letter_days,
        }
    }

    /// This choice, with the wish in place of what it names.
    pub fn with(self, wish: PlanWish) -> PlanChoice {
        PlanChoice {
            text_hours: wish.text_hours.unwrap_or(self.text_hours),
            remind_days: wish.remind_days.unwrap_or(self.remind_days),
            tell_days: wish.tell_days.unwrap_or(self.tell_days),
            // a clinic that does not phone offers no call
            phone_days: wish.phone_days.filter(|_| self.phone_days > 0).unwrap_or(self.phone_days),
            letter_days: self.letter_days,
        }
    }

    fn steps(self, now: Ts, text_waits: bool) -> Vec<(PlanKind, Ts)> {
        let text = Duration::hours(if text_waits { self.text_hours } else { 0 });
        let remind = Duration::days(self.remind_days);
        // each step has a day to bring the patient to the portal before the next one
        let next = |after: Duration| if after.is_positive() { after + Duration::DAY } else { after };
        let from = |days: i64, least: Duration| match days {
            0 => Duration::ZERO,
            days => Duration::days(days).max(least),
        };
        let phone = from(self.phone_days, next(text.max(remind)));
        let letter = from(self.letter_days, next(text.max(remind).max(phone)));
        let all = [
            (PlanKind::Text, text),
            (PlanKind::Remind, remind),
            (PlanKind::Tell, Duration::days(self.tell_days)),
            (PlanKind::Phone, phone),
            (PlanKind::Letter, letter),
        ];
        all.into_iter().filter(|(_, after)| after.is_positive()).map(|(step, after)| (step, now.plus(after))).collect()
    }

    /// The steps for a patient without email and text: the last rungs come first, and nobody is reminded where there is no road.
    fn last_steps(self, now: Ts, rungs: Option<LastRungs>) -> Vec<(PlanKind, Ts)> {
        let days = |days| now.plus(Duration::days(days));
        let phone = rungs.filter(|rungs| rungs.phone).map(|_| (PlanKind::Phone, now));
        let letter = rungs.and_then(|rungs| rungs.letter_days).map(|after| (PlanKind::Letter, days(after)));
        let tell = (self.tell_days > 0).then(|| (PlanKind::Tell, days(self.tell_days)));
        phone.into_iter().chain(letter).chain(tell).collect()
    }
}

/// What the writer of a message chose; `None` is as the clinic's settings say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanWish {
    text_hours: Option<i64>,
    remind_days: Option<i64>,
    tell_days: Option<i64>,
    phone_days: Option<i64>,
}

impl PlanWish {
    /// Reads the fields of a form. A field that is missing, or holds what is not offered, is no wish.
    pub fn read<'f>(field: impl Fn(&str) -> &'f str) -> PlanWish {
        let read = |name, offered: &[i64]| field(name).parse().ok().filter(|n| offered.contains(n));
        PlanWish {
            text_hours: read("plan_text_hours", &PlanChoice::HOURS),
            remind_days: read("plan_remind_days", &PlanChoice::DAYS),
            tell_days: read("plan_tell_days", &PlanChoice::DAYS),
            phone_days: read("plan_phone_days", &PlanChoice::DAYS),
        }
    }
}

/// A step as pages show it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = p, check_for_backend(MultiBackend))]
pub struct PlanStep {
    /// identity
    pub id: PlanStepId,
    /// the message that it belongs to
    pub message_id: MessageId,
    /// the message's conversation
    pub conversation_id: ConversationId,
    /// what it does
    pub step: PlanKind,
    /// when it is due
    pub due_at: Ts,
    /// its state
    pub state: StepState,
    /// since when it is in this state
    pub state_at: Ts,
}

/// Notifies the patient, and the caregivers who read for them, of a new message by the roads of the plan, and stores the further
/// steps, all in the message's transaction. The plan replaces those of earlier messages in the conversation, because this message
/// is a reminder itself.
pub fn announce(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    message: (MessageId, ConversationId, PatientId),
    patient: &Patient,
    choice: PlanChoice,
    pace: Pace,
) -> QueryResult<()> {
    let (only_patient, began) = shown_from(tx, message.1)?;
    let mut to = recipients(tx, (now, began), patient, only_patient)?;
    let mut text_waits = false;
    for one in to.iter_mut().filter(|one| choice.text_hours > 0 && one.links.len() == 2) {
        one.links.retain(|channel| *channel == Channel::Email);
        text_waits = true;
    }
    let reaches_nobody = to.iter().all(|one| one.links.is_empty());
    let steps = match reaches_nobody {
        true => {
            let blocks = blocks(tx, patient)?;
            choice.last_steps(now, last_rungs(&settings::load(tx)?, settings::reach(tx)?, patient, &blocks))
        }
        false => choice.steps(now, text_waits),
    };
    stop(tx, now, message.1, StepState::Replaced)?;
    enqueue_at(tx, now, random, message, Kind::MessageWaiting, &to, (now, pace))?;
    for (step, due_at) in steps {
        let row = (
            (p::message_id.eq(message.0), p::conversation_id.eq(message.1), p::step.eq(step), p::due_at.eq(due_at)),
            (p::state.eq(StepState::Waiting), p::state_at.eq(now)),
        );
        let id: PlanStepId = diesel::insert_into(p::table).values(row).returning(p::id).get_result(tx.conn())?;
        outbox::enqueue(tx, now, Task::FollowUp(id), due_at)?;
    }
    Ok(())
}

/// Ends the steps of a conversation that have not ended: the patient has opened it, or a newer message has a plan.
pub fn stop(tx: &mut Tx, now: Ts, conversation: ConversationId, why: StepState) -> QueryResult<()> {
    let waiting = p::table.filter(p::conversation_id.eq(conversation)).filter(p::state.eq_any(PENDING));
    let ids: Vec<PlanStepId> = waiting.select(p::id).load(tx.conn())?;
    if ids.is_empty() {
        return Ok(());
    }
    diesel::update(p::table.filter(p::id.eq_any(ids.clone())))
        .set((p::state.eq(why), p::state_at.eq(now)))
        .execute(tx.conn())?;
    let steps: Vec<Task> = ids.into_iter().map(Task::FollowUp).collect();
    outbox::cancel(tx, &steps)
}

/// Ends such steps in every conversation with a patient, whose record is archived: users are not asked to phone or write any more. The
/// caller holds the conversations.
pub fn stop_all(tx: &mut Tx, now: Ts, patient: PatientId) -> QueryResult<()> {
    let planned = p::table
        .inner_join(conversations::table)
        .filter(conversations::patient_id.eq(patient))
        .filter(p::state.eq_any(PENDING));
    let all: Vec<ConversationId> = planned.select(p::conversation_id).distinct().load(tx.conn())?;
    all.into_iter().try_for_each(|conversation| {
        stop(tx, now, conversation, StepState::Skipped)?;
        threads::clear_attention(tx, conversation, Reasons::AllButFile)
    })
}

/// Locks the conversation of a step, before the job that carries it out: so does whoever opens or takes back a message.
pub fn hold_step(tx: &mut Tx, id: PlanStepId) -> QueryResult<()> {
    let of = p::table.find(id).select(p::conversation_id);
    let conversation: Option<ConversationId> = of.first(tx.conn()).optional()?;
    conversation.map_or(Ok(()), |conversation| lock_row(tx, "conversations", conversation.0))
}

/// Carries out a step that is due, if it still makes sense. The caller holds it, see [`hold_step`].
pub fn follow_up(tx: &mut Tx, now: Ts, random: &Random, id: PlanStepId) -> QueryResult<()> {
    let found: Option<PlanStep> = p::table.find(id).select(PlanStep::as_select()).first(tx.conn()).optional()?;
    let Some(step) = found.filter(|step| step.state == StepState::Waiting) else { return Ok(()) };
    let conversation = conversations::table.find(step.conversation_id);
    let (patient, closed): (PatientId, Option<Ts>) =
        conversation.select((conversations::patient_id, conversations::closed_at)).first(tx.conn())?;
    let message = messages::table.find(step.message_id);
    let (read, recalled, writer): (Option<Ts>, Option<Ts>, Option<UserId>) =
        message.select((messages::read_by_patient_at, messages::recalled_at, messages::user_id)).first(tx.conn())?;
    let state = match () {
        () if recalled.is_some() => StepState::Recalled,
        () if read.is_some() => StepState::Opened,
        () if closed.is_some() => StepState::Closed,
        () if patient_by_id(tx, patient)?.archived_at.is_some() => StepState::Skipped,
        () if step.step == PlanKind::Tell => tell(tx, step.conversation_id, writer)?,
        () if step.step == PlanKind::Phone => calls::ask(tx, now, &step, patient)?,
        () if step.step == PlanKind::Letter => letters::ask(tx, &step, patient)?,
        () => send(tx, now, random, &step, patient)?,
    };
    diesel::update(p::table.find(id)).set((p::state.eq(state), p::state_at.eq(now))).execute(tx.conn())?;
    let subject = Subject::Message(step.message_id);
    let entry = Entry::of_patient(Actor::System, Event::FollowedUp, patient, subject);
    audit::append(tx, now, entry.with(format!("{} {}", step.step.as_str(), state.as_str())))
}

fn send(tx: &mut Tx, now: Ts, random: &Random, step: &PlanStep, patient: PatientId) -> QueryResult<StepState> {
    let (record, settings) = (patient_by_id(tx, patient)?, settings::load(tx)?);
    let blocks = blocks(tx, &record)?;
    let (only_patient, began) = shown_from(tx, step.conversation_id)?;
    let mut to = recipients(tx, (now, began), &record, only_patient)?;
    let mut kind = Kind::Reminder;
    if step.step == PlanKind::Text {
        kind = Kind::MessageWaiting;
        // whoever has no email got the text at once
        let texted = texted(tx, step.message_id)?;
        for one in &mut to {
            let waits = one.links.len() == 2 || !texted.contains(&one.caregiver);
            one.links.retain(|link| waits && *link == Channel::Sms);
        }
    }
    to.retain(|one| !one.links.is_empty());
    if to.is_empty() || !obstacles_now(tx, (now, began), &settings, &record, &blocks, only_patient)?.is_empty() {
        return Ok(StepState::Skipped);
    }
    // what reminds of one of many waits in their lane too; later messages of the same conversation are like any other
    let first = messages::table.filter(messages::conversation_id.eq(step.conversation_id));
    let first: Option<MessageId> = first.select(diesel::dsl::min(messages::id)).first(tx.conn())?;
    let many = r::table.filter(r::conversation_id.eq(step.conversation_id)).select(r::id);
    let is_of_many = many.first::<RecipientId>(tx.conn()).optional()?.is_some();
    let pace = if is_of_many && first == Some(step.message_id) { Pace::OneOfMany } else { Pace::AtOnce };
    enqueue_at(tx, now, random, (step.message_id, step.conversation_id, patient), kind, &to, (now, pace))?;
    Ok(StepState::Done)
}

/// Who has a text of this message already: the patient (`None`), and caregivers.
fn texted(tx: &mut Tx, message: MessageId) -> QueryResult<Vec<Option<CaregiverId>>> {
    let texts = n::table.filter(n::message_id.eq(message)).filter(n::channel.eq(Channel::Sms));
    texts.select(n::caregiver_id).distinct().load(tx.conn())
}

/// Whether no caregiver is told of a conversation, and when it began: who became a caregiver later is not told either.
pub(super) fn shown_from(tx: &mut Tx, conversation: ConversationId) -> QueryResult<(bool, Ts)> {
    let columns = (conversations::only_patient, conversations::created_at);
    conversations::table.find(conversation).select(columns).first(tx.conn())
}

/// Makes the conversation ask for attention, and marks it as news for the writer of the message.
fn tell(tx: &mut Tx, conversation: ConversationId, writer: Option<UserId>) -> QueryResult<StepState> {
    threads::ask_attention(tx, conversation, Attention::Unopened)?;
    if let Some(writer) = writer {
        threads::is_news_to(tx, conversation, writer)?;
    }
    Ok(StepState::Done)
}

/// Every step of a conversation, in the order in which they are due.
pub fn plan_of(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<PlanStep>> {
    p::table
        .filter(p::conversation_id.eq(conversation))
        .order((p::due_at, p::id))
        .select(PlanStep::as_select())
        .load(conn)
}
