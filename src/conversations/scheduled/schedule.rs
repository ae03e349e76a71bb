//! Keeps a message for later, and changes it from its form.

use super::super::draft::{OwnDraft, draft_is_sent};
use super::super::fields::Fields;
use super::super::store;
use super::super::types::Writing;
use super::NotSent;
use super::due::went_out;
use super::rows::{Planned, Row, find, unsent};
use crate::access::{self, ChartAccess, ConversationAccess, rights};
use crate::attachments::{self, AttachError, Picks};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::scheduled_messages as s;
use crate::db::sealed;
use crate::db::{ConversationId, DbError, PatientId, ScheduledId, Ts, Tx, UserId, lock_row};
use crate::notifications::{self, Obstacle};
use crate::outbox::{self, Task};
use crate::patients;
use crate::settings;
use crate::users;
use diesel::prelude::*;
use time::Duration;

/// A message may wait so long.
pub const LONGEST_AHEAD: Duration = Duration::days(366);

/// Fields of a form that belong to its page, and not to what is sent.
const OF_THE_PAGE: [&str; 12] = [
    "key",
    "draft_version",
    "later",
    "later_date",
    "later_time",
    "scheduled",
    "scheduled_version",
    "another",
    "browse",
    "pick_words",
    "pick_kind",
    "write",
];

/// Where a message is to be written.
pub enum Place {
    /// as the first of a new conversation with this patient
    New(ChartAccess<rights::Send>),
    /// in this conversation
    Within(ConversationAccess<rights::Send>),
}

impl Place {
    fn chart(&self) -> ChartAccess<rights::Send> {
        match self {
            Place::New(access) => access.again(),
            Place::Within(access) => access.chart(),
        }
    }
}

/// A message that is to go out later.
pub struct ToSchedule {
    /// the form, as it came
    pub form: Vec<(String, String)>,
    /// its files, as they are now: what goes out is read anew
    pub files: Picks,
    /// when it goes out
    pub send_at: Ts,
    /// the form's idempotency key
    pub key: String,
    /// the version of the draft that the form showed
    pub draft: i64,
    /// the one in whose place it comes, and the version that the form showed
    pub replaces: Option<(ScheduledId, i64)>,
}

/// Why a message was not kept for later.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The writer was deactivated a moment ago.
    #[error("the writer may not sign in any more")]
    Deactivated,
    /// The moment is over.
    #[error("the moment has passed")]
    Past,
    /// The moment is more than [`LONGEST_AHEAD`] away.
    #[error("the moment is too far away")]
    TooFar,
    /// The conversation is closed.
    #[error("the conversation is closed")]
    Closed,
    /// Others wrote after the page was made.
    #[error("there is a newer message")]
    Newer,
    /// What was edited has gone out, or was changed in another window.
    #[error(transparent)]
    Overtaken(#[from] Overtaken),
    /// The patient cannot be told.
    #[error("the patient cannot be told")]
    Obstacles(Vec<Obstacle>),
    /// A file cannot be attached.
    #[error(transparent)]
    Files(#[from] AttachError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(ScheduleError);

/// What became of a message while a form changed it: the form changes nothing then, and its page says which of the two it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overtaken {
    /// It went out.
    #[error("it went out meanwhile")]
    WentOut,
    /// It was changed, cancelled or kept back since, or is not there, or belongs elsewhere now.
    #[error("it has changed since")]
    Changed,
    /// The same form was sent before, and its message went out or waits to go out later: it would go out twice.
    #[error("it went out, or waits to go out later")]
    Waits,
}

/// Keeps a message for its moment, and its files with it. The same key gives the first result again.
///
/// # Errors
/// See [`ScheduleError`].
pub fn schedule(tx: &mut Tx, now: Ts, place: &Place, new: &ToSchedule) -> Result<ScheduledId, ScheduleError> {
    let writer = place.chart();
    let user = writer.user().id();
    let is_active = !access::active(tx, &[user])?.is_empty();
    let within = match place {
        Place::Within(access) => Some(store::locked(tx, access.conversation())?),
        Place::New(_) => None,
    };
    let access = match &within {
        // its chart may have been merged since the proof was made
        Some(conversation) => access::conversation(tx, writer.user().clone(), conversation.id)?
            .ok_or(diesel::result::Error::NotFound)?
            .chart(),
        None => writer.held(tx)?,
    };
    let conversation = within.as_ref().map(|conversation| conversation.id);
    let patient = access.patient();
    let fields: Vec<&(String, String)> =
        new.form.iter().filter(|(name, _)| !OF_THE_PAGE.contains(&name.as_str())).collect();
    let form =
        serde_json::to_string(&fields).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?;
    // as for what is sent at once: other words, or another moment, from the same form are another message
    let at_place = conversation.map_or(-patient.0, |conversation| conversation.0);
    let words = format!("{}\0{form}", new.send_at.micros());
    let form_key = store::send_key(&format!("u{user}"), &new.key, at_place, &words)?;
    if let Some(before) = done_before(tx, user, &form_key)? {
        return Ok(before);
    }
    if !is_active {
        return Err(ScheduleError::Deactivated);
    }
    none_waits(tx, user, &new.key, new.replaces, (patient, conversation))??;
    // what a form sends in place of one that was put off goes out as that one, and is found below
    if new.replaces.is_none() && store::sent_from_page(tx, now, user, &new.key, (patient, conversation))? {
        return Err(Overtaken::Waits.into());
    }
    if within.as_ref().is_some_and(|conversation| conversation.closed_at.is_some()) {
        return Err(ScheduleError::Closed);
    }
    // as for what is sent at once: nobody answers what they have not read
    if let Some(conversation) = conversation
        && store::others_wrote(tx, conversation, Fields(&new.form).shown(), Some(user))?
    {
        return Err(ScheduleError::Newer);
    }
    check_moment(now, new.send_at)?;
    let record = patients::patient_by_id(tx, patient)?;
    let blocks = notifications::blocks(tx, &record)?;
    let (only_patient, began) = match &within {
        Some(conversation) => (conversation.only_patient, conversation.created_at),
        None => (new.form.iter().any(|(name, _)| name == "only_patient"), now),
    };
    let (settings, wish) = (settings::load(tx)?, (only_patient, Fields(&new.form).anyway()));
    let obstacles = notifications::hindrances(tx, (now, began), &settings, &record, &blocks, wish)?;
    if !obstacles.is_empty() {
        return Err(ScheduleError::Obstacles(obstacles));
    }
    let words = (s::form.eq(sealed::text(&form)), s::send_at.eq(new.send_at));
    let state = (s::state.eq(Planned::Waiting), s::reason.eq(None::<NotSent>), s::state_at.eq(now));
    let (id, event) = match new.replaces {
        Some(one) => {
            let row = own(tx, user, one, (patient, conversation))??;
            let changed = (words, state, s::version.eq(row.version + 1), s::form_key.eq(&form_key));
            diesel::update(s::table.find(row.id)).set(changed).execute(tx.conn())?;
            (row.id, Event::MessageRescheduled)
        }
        None => {
            let row = (
                (s::user_id.eq(user), s::patient_id.eq(patient), s::conversation_id.eq(conversation)),
                (words, state, s::version.eq(1_i64), s::created_at.eq(now), s::form_key.eq(&form_key)),
            );
            let id = diesel::insert_into(s::table).values(row).returning(s::id).get_result(tx.conn())?;
            (id, Event::MessageScheduled)
        }
    };
    attachments::hold_uploads(tx, &access, &new.files, id)?;
    let draft = match place {
        Place::New(_) => OwnDraft::new_message(&access),
        Place::Within(within) => OwnDraft::within(within, Writing::Reply),
    };
    draft_is_sent(tx, now, draft, new.draft, &new.key)?;
    outbox::enqueue(tx, now, Task::SendScheduled(id), new.send_at)?;
    audit_of(tx, now, user, event, (patient, conversation))?;
    Ok(id)
}

/// What this very press made before, where it still does what the press asks for: it waits, or went out. Where it does not (it was
/// cancelled, say, and the same form is sent again), its key is free for another row.
fn done_before(tx: &mut Tx, user: UserId, form_key: &str) -> QueryResult<Option<ScheduledId>> {
    let made = s::table.filter(s::form_key.eq(form_key)).select(s::id).first::<ScheduledId>(tx.conn());
    let Some(id) = made.optional()? else { return Ok(None) };
    lock_row(tx, "scheduled_messages", id.0)?;
    let row = find(tx, id)?.filter(|row| row.user_id == user);
    if row.is_some_and(|row| matches!(row.state, Planned::Waiting | Planned::Sent)) {
        return Ok(Some(id));
    }
    let row = diesel::update(s::table.find(id));
    row.set(s::form_key.eq(format!("{form_key}:{id}"))).execute(tx.conn())?;
    Ok(None)
}

fn check_moment(now: Ts, send_at: Ts) -> Result<(), ScheduleError> {
    match () {
        () if send_at <= now => Err(ScheduleError::Past),
        () if send_at.since(now) > LONGEST_AHEAD => Err(ScheduleError::TooFar),
        () => Ok(()),
    }
}

/// One of the user's own that a form of this place changes, locked until the transaction ends: a worker sends it before or not at
/// all. It is as the form showed it.
fn own(
    tx: &mut Tx,
    user: UserId,
    (id, version): (ScheduledId, i64),
    place: (PatientId, Option<ConversationId>),
) -> QueryResult<Result<Row, Overtaken>> {
    lock_row(tx, "scheduled_messages", id.0)?;
    let row = find(tx, id)?.filter(|row| row.user_id == user && row.is_in(place));
    Ok(match row {
        Some(row) if row.state == Planned::Sent => Err(Overtaken::WentOut),
        Some(row) if row.version == version => Ok(row),
        _ => Err(Overtaken::Changed),
    })
}

/// Whether nothing waits or went out that was put off from the same page, as far as it is not what this page `replaces`: whoever goes
/// back after "Send later" and presses a button again, with other words or for another moment, may mean the one message, and the
/// patient would read both. The caller holds the place: what is read is what was put off there.
pub fn none_waits(
    tx: &mut Tx,
    user: UserId,
    key: &str,
    replaces: Option<(ScheduledId, i64)>,
    (patient, within): (PatientId, Option<ConversationId>),
) -> QueryResult<Result<(), Overtaken>> {
    let theirs = s::table.filter(s::user_id.eq(user));
    let theirs = theirs.filter(s::state.eq(Planned::Waiting).or(s::state.eq(Planned::Sent)));
    let made: Vec<(ScheduledId, String)> = match within {
        Some(conversation) => {
            theirs.filter(s::conversation_id.eq(conversation)).select((s::id, s::form_key)).load(tx.conn())?
        }
        // one that went out stands in the conversation that it began
        None => theirs.filter(s::patient_id.eq(patient)).select((s::id, s::form_key)).load(tx.conn())?,
    };
    let of_page = store::of_page(user, key);
    let is_same = |(id, form_key): &(ScheduledId, String)| {
        form_key.starts_with(&of_page) && replaces.is_none_or(|(replaced, _)| replaced != *id)
    };
    Ok(if made.iter().any(is_same) { Err(Overtaken::Waits) } else { Ok(()) })
}

/// What a user sends at once in place of one of their own that was to go out later.
pub struct Replaced(Row);

/// Takes one out of the queue, because its writer sends it at once from the form that changes it. Its files are free for that.
/// [`replaced_by`] writes down what has taken its place. The caller holds the user and the place.
pub fn replace(
    tx: &mut Tx,
    user: UserId,
    one: (ScheduledId, i64),
    place: (PatientId, Option<ConversationId>),
) -> QueryResult<Result<Replaced, Overtaken>> {
    let row = own(tx, user, one, place)?;
    if let Ok(row) = &row {
        attachments::release_uploads(tx, row.id)?;
    }
    Ok(row.map(Replaced))
}

/// It stands in this conversation now, and does not go out a second time.
pub fn replaced_by(tx: &mut Tx, now: Ts, Replaced(row): &Replaced, conversation: ConversationId) -> QueryResult<()> {
    went_out(tx, now, row, conversation)?;
    outbox::cancel(tx, &[Task::SendScheduled(row.id)])
}

/// What a user who leaves has to go out later becomes another's, and does not go out by itself: it would be in the name of
/// whoever did not write it. Who takes over is told by mail. Gives the patients, and the conversations.
pub fn hand_over(
    tx: &mut Tx,
    now: Ts,
    from: UserId,
    to: UserId,
) -> QueryResult<Vec<(PatientId, Option<ConversationId>)>> {
    let theirs = s::table.filter(s::user_id.eq(from)).filter(unsent()).order(s::id);
    let ids: Vec<ScheduledId> = theirs.select(s::id).load(tx.conn())?;
    // all rows before the first job
    for id in &ids {
        lock_row(tx, "scheduled_messages", id.0)?;
    }
    let (mut handed, mut is_kept_back) = (Vec::new(), false);
    for id in &ids {
        // its writer may have sent or removed it while this waited
        let row = find(tx, *id)?.filter(|row| row.user_id == from && row.state != Planned::Sent);
        let Some(row) = row else { continue };
        let whose = (s::user_id.eq(to), s::version.eq(row.version + 1));
        diesel::update(s::table.find(row.id)).set(whose).execute(tx.conn())?;
        // what had kept one back before is still so, and whoever takes over has to know it; but it is no matter to them that its
        // writer may not send
        let kept_back_now = s::state.eq(Planned::Waiting).or(s::reason.eq(NotSent::Writer));
        let state = (s::state.eq(Planned::NotSent), s::reason.eq(NotSent::HandedOver), s::state_at.eq(now));
        diesel::update(s::table.find(row.id).filter(kept_back_now)).set(state).execute(tx.conn())?;
        // what its writer had cancelled was not to go out
        is_kept_back |= row.state != Planned::Cancelled;
        handed.push((row.patient_id, row.conversation_id));
    }
    let jobs: Vec<Task> = ids.into_iter().map(Task::SendScheduled).collect();
    outbox::cancel(tx, &jobs)?;
    if is_kept_back {
        users::tell_not_sent(tx, now, to)?;
    }
    Ok(handed)
}

/// After a restore nothing goes out by itself: what waited may have been sent since the backup was made, or cancelled. Its
/// writers see it, and may send it. Gives how many.
pub fn after_restore(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let waiting = s::table.filter(s::state.eq(Planned::Waiting)).select((s::id, s::version));
    let rows: Vec<(ScheduledId, i64)> = waiting.load(tx.conn())?;
    for (id, version) in &rows {
        let state = (s::state.eq(Planned::NotSent), s::reason.eq(NotSent::Restored), s::state_at.eq(now));
        diesel::update(s::table.find(*id)).set((state, s::version.eq(version + 1))).execute(tx.conn())?;
    }
    Ok(rows.len())
}

pub(super) fn audit_of(
    tx: &mut Tx,
    now: Ts,
    user: UserId,
    event: Event,
    (patient, conversation): (PatientId, Option<ConversationId>),
) -> QueryResult<()> {
    let subject = conversation.map_or(Subject::None, Subject::Conversation);
    audit::append(tx, now, Entry::of_patient(Actor::User(user), event, patient, subject))
}
