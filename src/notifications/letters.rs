//! "Send a letter": the last step of a plan. It asks users to print and post a letter, which says that a message waits and
//! nothing about it, or holds the whole message where the clinic chose so; and keeps which letters were printed.

use super::blocks::Blocks;
use super::calls;
use super::follow_up::{PENDING, PlanKind, PlanStep, StepState};
use super::plan::reaches;
use crate::access::{self, ConversationAccess, Right, rights};
use crate::attachments;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart::document::Letter;
use crate::db::schema::{conversations, letters as l, messages as m, plan_steps as p, users};
use crate::db::sealed::{self, Held, LetterRecipient, MessageHtml, Opened};
use crate::db::{Conn, ConversationId, DbError, LetterId, MessageId, PatientId, PlanStepId, Ts, Tx, lock_row};
use crate::delivery::{Channel, Delivery};
use crate::outbox::{self, Task};
use crate::patients::{self, Patient, patient_by_id};
use crate::settings::{self, Settings};
use crate::text::CleanHtml;
use crate::threads::{self, Attention, Reasons};
use diesel::prelude::*;

/// A letter that was printed.
#[derive(Debug, Clone)]
pub struct PrintedLetter {
    /// identity
    pub id: LetterId,
    /// the step that asked for it
    pub step: PlanStepId,
    /// the name of the user who printed it
    pub by: String,
    /// name and address as they stand on it, a line each
    pub recipient: String,
    /// the code of its language
    pub language: String,
    /// when it was printed
    pub at: Ts,
    /// whether it holds the whole message
    pub whole: bool,
}

/// The message that a letter holds.
#[derive(Debug, Clone)]
pub struct WholeMessage {
    /// the title of its conversation
    pub title: String,
    /// its words
    pub body: CleanHtml,
    /// when it was written
    pub at: Ts,
    /// the names of its files
    pub files: Vec<String>,
}

/// A letter to be printed.
#[derive(Debug, Clone)]
pub struct NewLetter {
    /// the step that asked for it
    pub step: PlanStepId,
    /// of the form: a double click prints one letter
    pub key: String,
    /// whether the page said that the letter holds the whole message; `None`: it did not say
    pub whole: Option<bool>,
}

/// Why a letter was not printed.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The conversation has no such step, or it has ended.
    #[error("nobody asks for a letter")]
    NotAsked,
    /// The patient has no postal address.
    #[error("there is no address")]
    NoAddress,
    /// The name and the address do not show whole through the window of the envelope.
    #[error("the address is too long")]
    TooLong,
    /// The patient cannot open messages.
    #[error("the portal is off, or the patient has no access to it")]
    NoPortal,
    /// The user has not seen the name and address that would stand on it.
    #[error("the address has changed")]
    NewAddress,
    /// The user has not seen whether it holds the whole message.
    #[error("the setting has changed")]
    NewHolds,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(LetterError);

/// The most letters of a conversation that pages show, the newest ones.
const MOST: i64 = 50;

/// The letters of a conversation, the oldest first.
pub fn letters_of(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<PrintedLetter>> {
    type Row = (LetterId, PlanStepId, String, Held<LetterRecipient>, String, Ts, bool);
    let rows: Vec<Row> = l::table
        .inner_join(users::table)
        .filter(l::conversation_id.eq(conversation))
        .order(l::id.desc())
        .limit(MOST)
        .select((l::id, l::step_id, users::name, l::recipient, l::language, l::printed_at, l::whole))
        .load(conn)?;
    let read = rows.into_iter().rev().map(|(id, step, by, recipient, language, at, whole)| {
        Ok(PrintedLetter { id, step, by, recipient: recipient.of(conversation)?, language, at, whole })
    });
    read.collect()
}

/// The newest step of a conversation that asks for a letter, or did; `None`: there is none.
pub fn asked_letter<R: Right>(conn: &mut Conn, access: &ConversationAccess<R>) -> QueryResult<Option<PlanStep>> {
    let steps = p::table.filter(p::conversation_id.eq(access.conversation())).filter(p::step.eq(PlanKind::Letter));
    steps.order(p::id.desc()).select(PlanStep::as_select()).first(conn).optional()
}

/// The message of a step that asks for a letter, as the patient may read it: `None` where it was taken back, and never a note.
pub fn whole_message<R: Right>(
    conn: &mut Conn,
    access: &ConversationAccess<R>,
    step: PlanStepId,
) -> QueryResult<Option<WholeMessage>> {
    let conversation = access.conversation();
    let of = p::table.find(step).filter(p::conversation_id.eq(conversation)).select(p::message_id);
    let Some(message) = of.first::<MessageId>(conn).optional()? else { return Ok(None) };
    let found: Option<(Opened, Held<MessageHtml>, Ts)> = m::table
        .inner_join(conversations::table)
        .filter(m::id.eq(message))
        .filter(m::internal.eq(false))
        .filter(m::recalled_at.is_null())
        .select((conversations::title, m::body_html, m::created_at))
        .first(conn)
        .optional()?;
    let Some((Opened(title), html, at)) = found else { return Ok(None) };
    let files = attachments::of_messages(conn, &[message])?.into_iter().map(|file| file.file_name).collect();
    Ok(Some(WholeMessage { title, body: CleanHtml::stored(html.of(conversation)?), at, files }))
}

/// Whether letters of a conversation hold the whole message: the clinic chose so, and it is not for the patient alone, whose mail
/// others may open.
pub fn holds_whole(conn: &mut Conn, conversation: ConversationId) -> QueryResult<bool> {
    let alone = conversations::table.find(conversation).select(conversations::only_patient);
    Ok(settings::reach(conn)?.letter_whole && !alone.first::<bool>(conn)?)
}

/// Whether the patient could open the message that a letter is about.
fn may_open(patient: &Patient, settings: &Settings) -> bool {
    settings.portal_on && patient.portal_access
}

/// Whether a code for the portal reaches the patient on any road, so that they could open the message by themselves.
pub fn reaches_portal(patient: &Patient, blocks: &Blocks, settings: &Settings, delivery: &Delivery) -> bool {
    let works = |channel: &Channel| reaches(patient, blocks, *channel) && delivery.has(*channel);
    may_open(patient, settings) && [Channel::Email, Channel::Sms].iter().any(works)
}

/// A letter is due: asks users for it. It makes no sense where the patient could not read the message anyway.
pub(super) fn ask(tx: &mut Tx, step: &PlanStep, patient: PatientId) -> QueryResult<StepState> {
    let (record, settings) = (patient_by_id(tx, patient)?, settings::load(tx)?);
    let (state, why) = match may_open(&record, &settings) {
        true => (StepState::ToDo, Attention::Letter),
        false => (StepState::Skipped, Attention::Unopened),
    };
    threads::ask_attention(tx, step.conversation_id, why)?;
    Ok(state)
}

/// Prints a letter: it stands with the address that the patient has now, and the step that asked for it has ended. The same form
/// again gives the same letter. Where the patient has opened the message meanwhile there is none. `is_seen` is asked whether the user
/// has seen these lines of name and address.
///
/// # Errors
/// See [`LetterError`].
pub fn print_letter(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::EditPatients>,
    letter: &NewLetter,
    is_seen: impl Fn(&[String]) -> bool,
) -> Result<LetterId, LetterError> {
    let conversation = access.conversation();
    // whoever prints it is held before the conversation, as a deactivation does
    access::active(tx, &[access.user().id()])?;
    // whoever opens, takes back or closes meanwhile holds the same row
    lock_row(tx, "conversations", conversation.0)?;
    let same = l::table.filter(l::form_key.eq(&letter.key)).filter(l::conversation_id.eq(conversation));
    if let Some(printed) = same.select(l::id).first(tx.conn()).optional()? {
        return Ok(printed);
    }
    let asked = p::table.find(letter.step).filter(p::conversation_id.eq(conversation));
    let asked = asked.filter(p::step.eq(PlanKind::Letter)).filter(p::state.eq_any(PENDING));
    let step: Option<PlanStep> = asked.select(PlanStep::as_select()).first(tx.conn()).optional()?;
    let step = step.ok_or(LetterError::NotAsked)?;
    // charts may have been merged since the proof was made
    let of = conversations::table.find(conversation).select(conversations::patient_id);
    let patient: PatientId = of.first(tx.conn())?;
    let record = patient_by_id(tx, patient)?;
    if !may_open(&record, &settings::load(tx)?) {
        return Err(LetterError::NoPortal);
    }
    let address = patients::postal_address(tx, patient)?.ok_or(LetterError::NoAddress)?;
    let recipient = address.recipient(record.name());
    if !is_seen(&recipient) {
        return Err(LetterError::NewAddress);
    }
    if !Letter::fits(&recipient) {
        return Err(LetterError::TooLong);
    }
    let whole = holds_whole(tx, conversation)?;
    if letter.whole.is_some_and(|said| said != whole) {
        return Err(LetterError::NewHolds);
    }
    let user = access.user().id();
    let row = (
        (l::step_id.eq(step.id), l::conversation_id.eq(conversation), l::user_id.eq(user)),
        (l::recipient.eq(sealed::of(conversation, &recipient.join("\n"))), l::language.eq(&record.language)),
        (l::form_key.eq(&letter.key), l::printed_at.eq(now), l::whole.eq(whole)),
    );
    let id: LetterId = diesel::insert_into(l::table).values(row).returning(l::id).get_result(tx.conn())?;
    let printed = (p::state.eq(StepState::Printed), p::state_at.eq(now));
    diesel::update(p::table.find(step.id)).set(printed).execute(tx.conn())?;
    outbox::cancel(tx, &[Task::FollowUp(step.id)])?;
    threads::clear_attention(tx, conversation, Reasons::AllButFile)?;
    calls::ask_again(tx, conversation)?;
    let entry = Entry::of_patient(Actor::User(user), Event::LetterPrinted, patient, Subject::Message(step.message_id));
    audit::append(tx, now, if whole { entry.with("whole") } else { entry })?;
    Ok(id)
}
