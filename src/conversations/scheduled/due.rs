//! A message whose moment has come: it is sent by the verb that a click would have called, with the rights that its writer has
//! now. What keeps it back is told to them.

use super::super::fields::Fields;
use super::super::reply::{Reply, ReplyError, reply};
use super::super::start::{NewConversation, StartError, start};
use super::super::types::Writing;
use super::rows::{Planned, Row, find, locked, words};
use crate::access::{self, ChartAccess, rights};
use crate::attachments::{self, AttachError, Picks};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::schema::{conversations, scheduled_messages as s};
use crate::db::sealed;
use crate::db::{Conn, ConversationId, DbError, PatientId, ScheduledId, Ts, Tx, UserId};
use crate::outbox::{self, Task};
use crate::teams;
use crate::text_enum;
use crate::threads;
use crate::users;
use diesel::prelude::*;
use time::Duration;

text_enum! {
    /// Why a message did not go out at its moment.
    pub enum NotSent {
        /// its writer may not send any more
        Writer = "writer",
        /// its writer has left, and somebody else took over
        HandedOver = "handed_over",
        /// the patient cannot be told
        CannotBeTold = "cannot_be_told",
        /// the record is not there any more
        NoRecord = "no_record",
        /// the conversation is closed
        Closed = "closed",
        /// the patient or a colleague has written since
        Newer = "newer",
        /// the message that it corrects was taken back
        NothingToCorrect = "nothing_to_correct",
        /// a file is not there any more, or names another patient
        FilesGone = "files_gone",
        /// a virus was found in a file
        FilesInfected = "files_infected",
        /// the files are too large together
        FilesTooLarge = "files_too_large",
        /// one file is larger than a file may be
        FileTooLarge = "file_too_large",
        /// nothing could be sent for a day
        Late = "late",
        /// a backup was restored
        Restored = "restored",
        /// the merge of two charts was undone after it was written
        TakenApart = "taken_apart",
        /// what was typed cannot be read any more
        Broken = "broken",
    }
}

/// The word in the trace of a message that a worker sent at its moment, and nobody's click.
pub const DUE: &str = "scheduled";

/// How late a message may go out, when no worker ran at its moment.
const LATEST: Duration = Duration::DAY;

/// A message whose moment has come.
pub struct Due {
    /// identity
    pub id: ScheduledId,
    /// with the rights of its writer, as they are now
    pub chart: ChartAccess<rights::Send>,
    /// what was typed
    pub fields: Vec<(String, String)>,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum DueError {
    /// It is cancelled, sent or changed: nothing is to be done.
    #[error("it is not due")]
    NotDue,
    /// Its chart was merged or taken apart while this waited for it: it is to be tried again.
    #[error("it has moved")]
    Moved,
    /// It cannot be sent.
    #[error("it cannot be sent")]
    Not(NotSent),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(DueError);

/// Reads what is needed to send one, if it is due.
///
/// # Errors
/// See [`DueError`].
pub fn due(conn: &mut Conn, now: Ts, id: ScheduledId) -> Result<Due, DueError> {
    let row = find(conn, id)?.ok_or(DueError::NotDue)?;
    read(conn, now, &row)
}

fn read(conn: &mut Conn, now: Ts, row: &Row) -> Result<Due, DueError> {
    if row.state != Planned::Waiting || row.send_at > now {
        return Err(DueError::NotDue);
    }
    if now.since(row.send_at) > LATEST {
        return Err(DueError::Not(NotSent::Late));
    }
    let user = access::ordered(conn, row.user_id)?.ok_or(DueError::Not(NotSent::Writer))?;
    let patient = match row.conversation_id {
        Some(id) => conversations::table.find(id).select(conversations::patient_id).first(conn)?,
        None => row.patient_id,
    };
    let chart = access::chart(conn, user, patient)?.ok_or(DueError::Not(NotSent::NoRecord))?;
    let fields = words(conn, row.id)?.ok_or(DueError::Not(NotSent::Broken))?;
    Ok(Due { id: row.id, chart, fields })
}

/// Sends it, in the caller's transaction: conversation or message, files, notifications, and that it is sent. The job is the
/// caller's to end, after this.
///
/// # Errors
/// See [`DueError`]; the transaction must then not be kept.
pub fn send_due(tx: &mut Tx, now: Ts, random: &Random, id: ScheduledId, files: Picks) -> Result<(), DueError> {
    let typed = words(tx, id)?.unwrap_or_default();
    // a team is held before those who belong to it
    let through = teams::hold_members(tx, &Fields(&typed).teams())?.into_iter().map(|(_, user)| user);
    let others: Vec<UserId> = Fields(&typed).participants().into_iter().chain(through).collect();
    let row = locked(tx, id, &others)?;
    let Due { chart, mut fields, .. } = read(tx, now, &row)?;
    // whatever happens, one row is one message
    fields.push(("key".to_owned(), format!("scheduled-{id}-{}", row.version)));
    fields.push(("draft_version".to_owned(), "-1".to_owned()));
    let fields = Fields(&fields);
    attachments::release_uploads(tx, id)?;
    let conversation = match row.conversation_id {
        None => {
            let new = fields.conversation(files).ok_or(DueError::Not(NotSent::Broken))?;
            start(tx, now, random, &chart, &NewConversation { is_due: true, ..new })?
        }
        Some(conversation) => {
            let access = access::conversation(tx, chart.user().clone(), conversation)?;
            let access = access.ok_or(DueError::Not(NotSent::NoRecord))?;
            let new = fields.reply(Writing::Reply, files).ok_or(DueError::Not(NotSent::Broken))?;
            reply(tx, now, random, &access, &Reply { is_due: true, ..new })?;
            conversation
        }
    };
    Ok(went_out(tx, now, &row, conversation)?)
}

/// Writes down that it went out, and in which conversation: from here on its words stand in the message alone.
pub(super) fn went_out(tx: &mut Tx, now: Ts, row: &Row, conversation: ConversationId) -> QueryResult<()> {
    let sent = (
        (s::state.eq(Planned::Sent), s::reason.eq(None::<NotSent>), s::state_at.eq(now)),
        (s::form.eq(sealed::text("[]")), s::conversation_id.eq(conversation), s::version.eq(row.version + 1)),
    );
    diesel::update(s::table.find(row.id)).set(sent).execute(tx.conn()).map(drop)
}

/// Writes down that it was not sent, and tells its writer: in their list, by mail, and in the conversation that it belongs to. The
/// job is the caller's to end, after this.
///
/// # Errors
/// See [`DueError`].
pub fn not_sent(tx: &mut Tx, now: Ts, id: ScheduledId, why: NotSent) -> Result<(), DueError> {
    let row = locked(tx, id, &[])?;
    if row.state != Planned::Waiting || row.send_at > now {
        return Err(DueError::NotDue);
    }
    keep_back(tx, now, &row, why)?;
    Ok(audit::append(tx, now, trace(&row, why))?)
}

/// The same for a row that is locked, with its writer and its place. The trace is the caller's, who writes it last.
fn keep_back(tx: &mut Tx, now: Ts, row: &Row, why: NotSent) -> QueryResult<()> {
    let state = (s::state.eq(Planned::NotSent), s::reason.eq(why), s::state_at.eq(now));
    diesel::update(s::table.find(row.id)).set((state, s::version.eq(row.version + 1))).execute(tx.conn())?;
    if let Some(conversation) = row.conversation_id {
        match why {
            // they cannot act on it: somebody else who takes part has to
            NotSent::Writer => threads::is_news(tx, conversation, None)?,
            _ => threads::is_news_to(tx, conversation, row.user_id)?,
        }
    }
    users::tell_not_sent(tx, now, row.user_id)
}

fn trace(row: &Row, why: NotSent) -> Entry {
    let subject = row.conversation_id.map_or(Subject::None, Subject::Conversation);
    Entry::of_patient(Actor::System, Event::ScheduledNotSent, row.patient_id, subject).with(why.as_str())
}

/// The merge of two charts is undone: whatever was written or changed while they were one may be meant for either, so that none of
/// it goes out by itself. The caller holds the writers, both patients and their conversations, and has locked the rows. Gives what is
/// to be written down of it, when all else is done.
pub fn taken_apart(tx: &mut Tx, now: Ts, patients: [PatientId; 2], since: Ts) -> QueryResult<Vec<Entry>> {
    let waiting = s::table.filter(s::patient_id.eq_any(patients)).filter(s::state.eq(Planned::Waiting));
    let rows = waiting.filter(s::state_at.ge(since)).order((s::patient_id, s::id)).select(Row::as_select());
    let rows: Vec<Row> = rows.load(tx.conn())?;
    for row in &rows {
        keep_back(tx, now, row, NotSent::TakenApart)?;
    }
    let jobs: Vec<Task> = rows.iter().map(|row| Task::SendScheduled(row.id)).collect();
    outbox::cancel(tx, &jobs)?;
    Ok(rows.iter().map(|row| trace(row, NotSent::TakenApart)).collect())
}

impl From<AttachError> for DueError {
    fn from(cause: AttachError) -> DueError {
        DueError::Not(match cause {
            AttachError::Gone | AttachError::OtherPatient => NotSent::FilesGone,
            AttachError::Infected => NotSent::FilesInfected,
            AttachError::TooMuch => NotSent::FilesTooLarge,
            AttachError::TooLarge => NotSent::FileTooLarge,
            AttachError::Db(cause) => return DueError::Db(cause),
        })
    }
}

impl From<StartError> for DueError {
    fn from(cause: StartError) -> DueError {
        match cause {
            StartError::Deactivated => DueError::Not(NotSent::Writer),
            // its own row is the one that is being sent
            StartError::Overtaken(_) => DueError::NotDue,
            StartError::Obstacles(_) => DueError::Not(NotSent::CannotBeTold),
            StartError::Files(cause) => cause.into(),
            StartError::Db(cause) => DueError::Db(cause),
        }
    }
}

impl From<ReplyError> for DueError {
    fn from(cause: ReplyError) -> DueError {
        match cause {
            ReplyError::Deactivated => DueError::Not(NotSent::Writer),
            ReplyError::Overtaken(_) => DueError::NotDue,
            ReplyError::Closed => DueError::Not(NotSent::Closed),
            ReplyError::Newer => DueError::Not(NotSent::Newer),
            ReplyError::NothingToCorrect => DueError::Not(NotSent::NothingToCorrect),
            // a note does not go out later
            ReplyError::CannotTell => DueError::Not(NotSent::Writer),
            ReplyError::Obstacles(_) => DueError::Not(NotSent::CannotBeTold),
            ReplyError::Files(cause) => cause.into(),
            ReplyError::Db(cause) => DueError::Db(cause),
        }
    }
}
