//! What a worker does for a broadcast that goes out: the next conversations, each in a transaction of its own with the row that says
//! that it was begun. Whatever ends a worker between two of them, no patient gets it twice, and none is left out.

use super::prepare::waits;
use super::types::{Fate, State, StopReason, Why, words_of};
use crate::access::{self, SignedInUser, rights};
use crate::attachments::{self, AttachError, Picks};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::conversations::{self, Body, BodyFormat, Fields, NewConversation, StartError};
use crate::db::schema::{broadcast_recipients as r, broadcasts as b, conversations as c};
use crate::db::sealed::Opened;
use crate::db::{BroadcastId, Conn, ConversationId, DbError, PatientId, RecipientId, Ts, Tx, UserId, lock_row};
use crate::message_templates::{self, Words};
use crate::notifications::PlanWish;
use crate::outbox::{self, Lane};
use crate::patients::{self, Patient};
use crate::settings::{self, Settings};
use crate::storage::Scan;
use crate::text::placeholders;
use crate::values::Title;
use diesel::prelude::*;
use diesel::result::Error;

/// So many conversations are begun at a time; then the worker pauses.
pub const AT_ONCE: i64 = 20;

/// No more are begun while so many notifications of broadcasts wait to be handed over.
const CROWD: i64 = 100;

/// What is to be done next.
pub enum Next {
    /// it does not go out any more
    Over,
    /// others of its kind have to go out first
    Crowded,
    /// a file of it is not looked at for viruses yet: nothing goes out before
    Scanning,
    /// a virus was found in a file of it
    Infected,
    /// it is to go to these
    These(Vec<RecipientId>),
}

/// Why it did not go to a patient.
#[derive(Debug, thiserror::Error)]
pub enum OneError {
    /// It does not go out any more.
    #[error("it does not go out any more")]
    Over,
    /// The patient is done with: another worker was faster, or the record was deleted.
    #[error("the patient is done with")]
    Passed,
    /// Its sender may not send any more.
    #[error("its sender may not send any more")]
    Writer,
    /// A file of it cannot be sent to anybody.
    #[error("a file of it cannot be sent")]
    Files,
    /// It cannot go to this patient: words of [`Why`], or of what keeps any message from them.
    #[error("it cannot go to this patient")]
    Not(String),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(OneError);

impl From<Why> for OneError {
    fn from(why: Why) -> OneError {
        OneError::Not(why.as_str().to_owned())
    }
}

/// The patients who are next.
pub fn next(conn: &mut Conn, now: Ts, id: BroadcastId) -> QueryResult<Next> {
    let state = b::table.find(id).select(b::state).first::<State>(conn).optional()?;
    if state != Some(State::Sending) {
        return Ok(Next::Over);
    }
    let scans = attachments::scans_of_shared(conn, id)?;
    if scans.iter().any(|(_, scan)| *scan == Scan::Infected) {
        return Ok(Next::Infected);
    }
    if scans.iter().any(|(_, scan)| *scan == Scan::Waiting) {
        return Ok(Next::Scanning);
    }
    if outbox::due_in(conn, now, Lane::Many, CROWD)? >= usize::try_from(CROWD).unwrap_or_default() {
        return Ok(Next::Crowded);
    }
    let waiting = r::table.filter(r::broadcast_id.eq(id)).filter(r::state.eq(Fate::Waiting)).order(r::id);
    Ok(Next::These(waiting.limit(AT_ONCE).select(r::id).load(conn)?))
}

/// Its sender, where it goes out.
fn sender(conn: &mut Conn, id: BroadcastId) -> Result<UserId, OneError> {
    let row = b::table.find(id).select((b::state, b::user_id)).first::<(State, UserId)>(conn).optional()?;
    row.filter(|(state, _)| *state == State::Sending).map(|(_, user)| user).ok_or(OneError::Over)
}

/// The patient to whom it has not gone yet.
fn waiting(conn: &mut Conn, one: RecipientId) -> Result<PatientId, OneError> {
    let row = r::table.find(one).filter(r::state.eq(Fate::Waiting)).select(r::patient_id);
    row.first::<PatientId>(conn).optional()?.ok_or(OneError::Passed)
}

/// Holds the sender, the patient as their chart is now, and the broadcast, which goes out still. Gives the patient; `None` where
/// there is no record any more.
fn hold(tx: &mut Tx, id: BroadcastId, one: RecipientId) -> Result<(UserId, Option<PatientId>), OneError> {
    let (user, asked) = (sender(tx, id)?, waiting(tx, one)?);
    access::active(tx, &[user])?;
    let patient = match access::held(tx, asked) {
        Err(Error::NotFound) => None,
        held => Some(held?),
    };
    lock_row(tx, "broadcasts", id.0)?;
    // whoever was faster
    if (sender(tx, id)?, waiting(tx, one)?) == (user, asked) { Ok((user, patient)) } else { Err(OneError::Passed) }
}

/// Begins the conversation with one patient, in the caller's transaction.
///
/// # Errors
/// See [`OneError`]; the transaction must then not be kept.
pub fn send_one(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    id: BroadcastId,
    one: RecipientId,
) -> Result<ConversationId, OneError> {
    let (user, patient) = hold(tx, id, one)?;
    let sender: SignedInUser<rights::SendMany> = access::ordered(tx, user)?.ok_or(OneError::Writer)?;
    let writer: SignedInUser<rights::Send> = access::ordered(tx, user)?.ok_or(OneError::Writer)?;
    let patient = patient.ok_or(Why::NoRecord)?;
    if gets_it_already(tx, id, one, patient)? {
        return Err(Why::SamePerson.into());
    }
    let chart = access::chart(tx, writer, patient)?.ok_or(Why::NoRecord)?;
    let form = form(tx, id)?;
    let (record, settings) = (patients::patient(tx, &chart)?, settings::load(tx)?);
    let (title, body) = words_for(&form, &record, sender.name(), &settings, now)?;
    let named = Fields(&form).uploads();
    let all = attachments::shared(tx, id, &named)?;
    // never without a file that it was to have
    if all.len() != named.len() {
        return Err(OneError::Files);
    }
    // how large they may be was asked when they were kept for it
    let files = Picks { all, confirmed: Vec::new(), largest: u64::MAX, largest_file: u64::MAX };
    let new = NewConversation {
        title,
        body,
        replies_allowed: form.iter().any(|(name, _)| name == "replies_allowed"),
        only_patient: false,
        offers: Vec::new(),
        participants: Vec::new(),
        teams: Vec::new(),
        files,
        plan: PlanWish::default(),
        // whatever happens, one row is one conversation
        key: format!("broadcast-{id}-{one}"),
        // a draft to the same patient stays as it is
        draft: -1,
        replaces: None,
        anyway: false,
        is_due: false,
        is_one_of_many: true,
    };
    let conversation = conversations::start(tx, now, random, &chart, &new)?;
    let sent = (r::state.eq(Fate::Sent), r::conversation_id.eq(conversation), r::state_at.eq(now));
    diesel::update(r::table.find(one)).set(sent).execute(tx.conn())?;
    settle(tx, now, id)?;
    Ok(conversation)
}

/// Writes down that it does not go to a patient.
///
/// # Errors
/// See [`OneError`].
pub fn not_sent(tx: &mut Tx, now: Ts, id: BroadcastId, one: RecipientId, why: &str) -> Result<(), OneError> {
    let asked = waiting(tx, one)?;
    hold(tx, id, one)?;
    let state = (r::state.eq(Fate::NotSent), r::reason.eq(why), r::state_at.eq(now));
    diesel::update(r::table.find(one)).set(state).execute(tx.conn())?;
    settle(tx, now, id)?;
    let entry = Entry::of_patient(Actor::System, Event::BroadcastNotSent, asked, Subject::Broadcast(id));
    Ok(audit::append(tx, now, entry.with(why))?)
}

/// Where nobody is left, it is done.
fn settle(tx: &mut Tx, now: Ts, id: BroadcastId) -> QueryResult<()> {
    if waits(tx, id)? {
        return Ok(());
    }
    let going = b::table.find(id).filter(b::state.eq(State::Sending));
    let done = diesel::update(going).set((b::state.eq(State::Done), b::state_at.eq(now))).execute(tx.conn())?;
    // each conversation has its own
    if done > 0 { attachments::let_go(tx, now, id) } else { Ok(()) }
}

/// Ends one that nobody waits for: the records of the last ones were deleted.
pub fn end_if_empty(tx: &mut Tx, now: Ts, id: BroadcastId) -> QueryResult<()> {
    lock_row(tx, "broadcasts", id.0)?;
    settle(tx, now, id)
}

/// Stops it by itself: its sender may not send any more, or a file of it cannot be sent.
pub fn stop_unsent(tx: &mut Tx, now: Ts, id: BroadcastId, why: StopReason) -> QueryResult<()> {
    lock_row(tx, "broadcasts", id.0)?;
    super::send::stopped(tx, now, id, State::Sending, (why, None)).map(drop)
}

/// Whether another row of the list has become the same person since: two charts were merged.
fn gets_it_already(tx: &mut Tx, id: BroadcastId, one: RecipientId, patient: PatientId) -> QueryResult<bool> {
    let own: PatientId = r::table.find(one).select(r::patient_id).first(tx.conn())?;
    let others = || r::table.filter(r::broadcast_id.eq(id)).filter(r::id.ne(one));
    // one that was found unreachable may be reached by what the other record brought along
    let listed = others().filter(r::patient_id.eq(patient)).filter(r::state.ne(Fate::NotSent)).select(r::id);
    let is_listed = own != patient && listed.first::<RecipientId>(tx.conn()).optional()?.is_some();
    // the record of another row, which had it before, may have been merged into this one
    let theirs: Vec<ConversationId> = c::table.filter(c::patient_id.eq(patient)).select(c::id).load(tx.conn())?;
    let sent = others().filter(r::conversation_id.eq_any(theirs)).select(r::id).first::<RecipientId>(tx.conn());
    Ok(is_listed || sent.optional()?.is_some())
}

/// What was written.
pub(super) fn form(conn: &mut Conn, id: BroadcastId) -> QueryResult<Vec<(String, String)>> {
    let Opened(form) = b::table.find(id).select(b::form).first(conn)?;
    serde_json::from_str(&form).map_err(|cause| Error::DeserializationError(cause.into()))
}

/// Title and body as one patient gets them.
pub(super) fn words_for(
    form: &[(String, String)],
    patient: &Patient,
    user: &str,
    settings: &Settings,
    now: Ts,
) -> Result<(Title, Body), Why> {
    let fields = Fields(form);
    let body = fields.body().ok_or(Why::TooLong)?;
    let words = Words { title: fields.get("title"), body_html: body.html.as_str(), language: fields.get("language") };
    let (title, html) = message_templates::filled_words(words, patient, user, settings, now);
    // a value may hold braces of its own: what was a placeholder is asked, not what the text looks like
    if placeholders::names(words.title).iter().chain(&placeholders::names(words.body_html)).any(|name| {
        let alone = format!("{{{{{name}}}}}");
        let asked = Words { title: &alone, body_html: "", language: words.language };
        message_templates::filled_words(asked, patient, user, settings, now).0 == alone
    }) {
        return Err(Why::Unfilled);
    }
    let title = Title::parse(&title).ok_or(Why::TooLong)?;
    let body = Body::parse(&html, BodyFormat::Html).ok_or(Why::TooLong)?;
    Ok((title, body))
}

impl From<StartError> for OneError {
    fn from(cause: StartError) -> OneError {
        match cause {
            StartError::Deactivated => OneError::Writer,
            StartError::Obstacles(obstacles) => OneError::Not(words_of(&obstacles)),
            StartError::Files(AttachError::Db(cause)) => OneError::Db(cause),
            StartError::Files(_) => OneError::Files,
            // it replaces nothing
            StartError::Overtaken(_) => OneError::Passed,
            StartError::Db(cause) => OneError::Db(cause),
        }
    }
}
