//! Starting a conversation: the clinic's first message to a patient.

use super::draft::{OwnDraft, draft_is_sent};
use super::scheduled::{self, Overtaken};
use super::store::{self, NewMessage};
use super::types::Body;
use crate::access::{self, ChartAccess, rights};
use crate::attachments::{self, AttachError, Picks};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::{ConversationId, DbError, ScheduledId, TeamId, Ts, Tx, UserId};
use crate::notifications::{self, Obstacle, Pace, PlanChoice, PlanWish};
use crate::patients;
use crate::settings;
use crate::teams;
use crate::threads::{self, Author, NewThread, OneTap};
use crate::values::Title;

/// What was written.
#[derive(Debug, Clone)]
pub struct NewConversation {
    /// title
    pub title: Title,
    /// first message
    pub body: Body,
    /// "Allow patient to respond in this conversation"
    pub replies_allowed: bool,
    /// "Only for the patient": no caregiver sees the conversation or is told of it
    pub only_patient: bool,
    /// the answers with one tap that it offers
    pub offers: Vec<OneTap>,
    /// users who take part besides the writer
    pub participants: Vec<UserId>,
    /// teams that take part
    pub teams: Vec<TeamId>,
    /// files
    pub files: Picks,
    /// what happens where the patient does not open the message
    pub plan: PlanWish,
    /// the form's idempotency key
    pub key: String,
    /// the version of the draft that the form was typed over; 0 where there was none
    pub draft: i64,
    /// the message that was to go out later in whose place it comes, and the version that the form showed
    pub replaces: Option<(ScheduledId, i64)>,
    /// the writer has said to write although no email and no text reaches the patient
    pub anyway: bool,
    /// it was to go out later, and its moment has come
    pub is_due: bool,
    /// it is what one of many patients gets of a message to all of them
    pub is_one_of_many: bool,
}

/// The word in the trace of a conversation that a message to many patients began.
const ONE_OF_MANY: &str = "broadcast";

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The writer was deactivated a moment ago.
    #[error("the writer may not sign in any more")]
    Deactivated,
    /// What was to go out later has gone out, or was changed in another window.
    #[error(transparent)]
    Overtaken(#[from] Overtaken),
    /// The patient cannot be notified.
    #[error("the patient cannot be told")]
    Obstacles(Vec<Obstacle>),
    /// A file cannot be attached.
    #[error(transparent)]
    Files(#[from] AttachError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(StartError);

/// Writes conversation, message, notifications, jobs and audit row in the caller's transaction. The same key gives the
/// first result again and writes nothing.
///
/// # Errors
/// See [`StartError`].
pub fn start(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    access: &ChartAccess<rights::Send>,
    new: &NewConversation,
) -> Result<ConversationId, StartError> {
    let writer = access.user().id();
    let members = teams::hold_offered(tx, &new.teams)?;
    let through: Vec<UserId> = members.iter().map(|(_, user)| *user).collect();
    let active = access::active(tx, &[&[writer], new.participants.as_slice(), through.as_slice()].concat())?;
    // two clicks at once on PostgreSQL: the second waits here, then finds the first
    let access = &access.held(tx)?;
    let patient = access.patient();
    let alone = if new.only_patient { "\0only_patient" } else { "" };
    let words = format!("{}\0{}{}{alone}", new.title, new.body.source, new.files.fingerprint());
    let send_key = store::send_key(&format!("u{writer}"), &new.key, -patient.0, &words)?;
    if let Some((conversation, _)) = store::sent_before(tx, &send_key)? {
        return Ok(conversation);
    }
    if !active.contains(&writer) {
        return Err(StartError::Deactivated);
    }
    let replaced = match new.replaces {
        Some(one) => Some(scheduled::replace(tx, writer, one, (patient, None))??),
        None => None,
    };
    scheduled::none_waits(tx, writer, &new.key, new.replaces, (patient, None))??;
    let record = patients::patient(tx, access)?;
    let blocks = notifications::blocks(tx, &record)?;
    let settings = settings::load(tx)?;
    let wish = (new.only_patient, new.anyway);
    let obstacles = notifications::hindrances(tx, (now, now), &settings, &record, &blocks, wish)?;
    if !obstacles.is_empty() {
        return Err(StartError::Obstacles(obstacles));
    }
    let (replies_allowed, only_patient) = (new.replies_allowed, new.only_patient);
    let thread = NewThread { patient, title: &new.title, replies_allowed, only_patient, writer };
    let conversation = threads::insert(tx, now, &thread)?;
    threads::begin_with(tx, conversation, writer, false, now)?;
    for user in new.participants.iter().filter(|user| active.contains(user)) {
        threads::begin_with(tx, conversation, *user, true, now)?;
    }
    for (team, users) in teams::by_team(&members, &active) {
        threads::add_team(tx, conversation, (team, &users), writer, now)?;
    }
    let message = NewMessage {
        conversation,
        author: Author::User,
        user: Some(writer),
        caregiver: None,
        body: &new.body,
        internal: false,
        offers: &new.offers,
        corrects: None,
        send_key: &send_key,
    };
    let message = store::insert_message(tx, now, &message)?;
    attachments::attach(tx, now, access, (message, conversation), &new.files)?;
    let choice = PlanChoice::from_settings(&settings, settings::reach(tx)?).with(new.plan);
    let pace = if new.is_one_of_many { Pace::OneOfMany } else { Pace::AtOnce };
    notifications::announce(tx, now, random, (message, conversation, patient), &record, choice, pace)?;
    draft_is_sent(tx, now, OwnDraft::new_message(access), new.draft, &new.key)?;
    if let Some(replaced) = &replaced {
        scheduled::replaced_by(tx, now, replaced, conversation)?;
    }
    let subject = Subject::Conversation(conversation);
    let entry = Entry::of_patient(Actor::User(writer), Event::ConversationStarted, patient, subject);
    let how = [(new.is_due, scheduled::DUE), (new.is_one_of_many, ONE_OF_MANY)];
    let how = how.into_iter().find(|(is_so, _)| *is_so).map(|(_, word)| word.to_owned());
    audit::append(tx, now, Entry { detail: how, ..entry })?;
    Ok(conversation)
}
