//! The rows of messages that go out later.

use super::NotSent;
use super::due::DueError;
use crate::access::{self, Right, SignedInUser};
use crate::db::schema::{conversations, patients, scheduled_messages as s};
use crate::db::sealed::Opened;
use crate::db::{Conn, ConversationId, PatientId, ScheduledId, Ts, Tx, UserId, lock_row};
use crate::text_enum;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Bool;
use std::collections::HashMap;

text_enum! {
    /// What becomes of a message that goes out later.
    pub enum Planned {
        /// its moment has not come
        Waiting = "waiting",
        /// it went out
        Sent = "sent",
        /// it did not go out; the reason says why
        NotSent = "not_sent",
        /// its writer has cancelled it, and keeps the words
        Cancelled = "cancelled",
    }
}

/// A row as it is stored, without its words: what cannot be read is still found, told of and removed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = s, check_for_backend(crate::db::MultiBackend))]
pub(super) struct Row {
    pub id: ScheduledId,
    pub user_id: UserId,
    pub patient_id: PatientId,
    pub conversation_id: Option<ConversationId>,
    pub send_at: Ts,
    pub state: Planned,
    pub state_at: Ts,
    pub version: i64,
}

impl Row {
    /// Whether it is written in this conversation, or, where there is none, to this patient as the first of a new one. One that
    /// went out stands in the conversation that it began.
    pub fn is_in(&self, (patient, within): (PatientId, Option<ConversationId>)) -> bool {
        match within {
            Some(conversation) => self.conversation_id == Some(conversation),
            None => self.patient_id == patient && (self.conversation_id.is_none() || self.state == Planned::Sent),
        }
    }
}

pub(super) fn find(conn: &mut Conn, id: ScheduledId) -> QueryResult<Option<Row>> {
    s::table.find(id).select(Row::as_select()).first(conn).optional()
}

/// What was typed; `None` where it cannot be read any more.
pub(super) fn words(conn: &mut Conn, id: ScheduledId) -> QueryResult<Option<Vec<(String, String)>>> {
    match s::table.find(id).select(s::form).first::<Opened>(conn) {
        Ok(Opened(form)) => Ok(serde_json::from_str(&form).ok()),
        Err(Error::DeserializationError(_)) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// The row with all that it hangs on, locked in the one order that everybody keeps who touches it: its writer and these other users,
/// its conversation or else its patient, then the row. The job comes after them.
///
/// # Errors
/// [`DueError::NotDue`] where it is gone, [`DueError::Moved`] where its chart was merged or taken apart while this waited.
pub(super) fn locked(tx: &mut Tx, id: ScheduledId, others: &[UserId]) -> Result<Row, DueError> {
    let asked = find(tx, id)?.ok_or(DueError::NotDue)?;
    access::active(tx, &[&[asked.user_id], others].concat())?;
    match asked.conversation_id {
        Some(conversation) => lock_row(tx, "conversations", conversation.0)?,
        None => lock_row(tx, "patients", asked.patient_id.0)?,
    }
    lock_row(tx, "scheduled_messages", id.0)?;
    let row = find(tx, id)?.ok_or(DueError::NotDue)?;
    let place = |row: &Row| (row.user_id, row.conversation_id, row.conversation_id.is_none().then_some(row.patient_id));
    if row.state == Planned::Waiting && place(&row) != place(&asked) {
        return Err(DueError::Moved);
    }
    Ok(row)
}

/// Written out, for the index holds only these rows, and no database sees that a parameter says so.
pub(super) fn unsent() -> SqlLiteral<Bool> {
    sql::<Bool>("scheduled_messages.state <> 'sent'")
}

/// A message that goes out later, as its writer's list shows it.
#[derive(Debug, Clone)]
pub struct ScheduledRow {
    /// identity
    pub id: ScheduledId,
    /// the version that a change must name
    pub version: i64,
    /// to whom
    pub patient_id: PatientId,
    /// their name
    pub patient_name: String,
    /// in which conversation; `None`: it begins one
    pub conversation_id: Option<ConversationId>,
    /// the title; empty where it cannot be read
    pub title: String,
    /// what was typed cannot be read any more
    pub is_broken: bool,
    /// when it goes out
    pub send_at: Ts,
    /// what has become of it
    pub state: Planned,
    /// why it was not sent
    pub reason: Option<NotSent>,
    /// since when it is in this state
    pub state_at: Ts,
}

/// A part of a user's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// what waits for its moment, the next first
    Waiting,
    /// what did not go out, or was cancelled, the newest moment first
    Rest,
}

/// What a user has to go out later, or what was not sent, after this moment and row, at most `limit`.
pub fn list<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    part: Part,
    after: Option<(Ts, ScheduledId)>,
    limit: i64,
) -> QueryResult<Vec<ScheduledRow>> {
    let mine = s::table.filter(s::user_id.eq(user.id())).filter(unsent());
    let ids: Vec<ScheduledId> = match (part, after) {
        (Part::Waiting, None) => {
            let waiting = mine.filter(s::state.eq(Planned::Waiting)).order((s::send_at, s::id));
            waiting.limit(limit).select(s::id).load(conn)?
        }
        (Part::Waiting, Some((at, id))) => {
            let later = s::send_at.gt(at).or(s::send_at.eq(at).and(s::id.gt(id)));
            let waiting = mine.filter(s::state.eq(Planned::Waiting)).filter(later).order((s::send_at, s::id));
            waiting.limit(limit).select(s::id).load(conn)?
        }
        (Part::Rest, None) => {
            let rest = mine.filter(s::state.ne(Planned::Waiting)).order((s::send_at.desc(), s::id.desc()));
            rest.limit(limit).select(s::id).load(conn)?
        }
        (Part::Rest, Some((at, id))) => {
            let earlier = s::send_at.lt(at).or(s::send_at.eq(at).and(s::id.lt(id)));
            let rest = mine.filter(s::state.ne(Planned::Waiting)).filter(earlier);
            rest.order((s::send_at.desc(), s::id.desc())).limit(limit).select(s::id).load(conn)?
        }
    };
    shown(conn, &ids)
}

/// These rows in this order.
fn shown(conn: &mut Conn, ids: &[ScheduledId]) -> QueryResult<Vec<ScheduledRow>> {
    type Found = (Row, (String, String), Option<Opened>, Option<NotSent>);
    let found: Vec<Found> = s::table
        .inner_join(patients::table)
        .left_join(conversations::table)
        .filter(s::id.eq_any(ids.to_vec()))
        .select((
            Row::as_select(),
            (patients::given_name, patients::family_name),
            conversations::title.nullable(),
            s::reason,
        ))
        .load(conn)?;
    let mut found: HashMap<i64, Found> = found.into_iter().map(|one| (one.0.id.0, one)).collect();
    let mut rows = Vec::new();
    for id in ids {
        let Some((row, (given, family), title, reason)) = found.remove(&id.0) else { continue };
        let words = words(conn, row.id)?;
        let is_broken = words.is_none();
        let typed = || super::super::Fields(words.as_deref().unwrap_or_default()).get("title").to_owned();
        rows.push(ScheduledRow {
            id: row.id,
            version: row.version,
            patient_id: row.patient_id,
            patient_name: format!("{given} {family}").trim().to_owned(),
            conversation_id: row.conversation_id,
            title: title.map_or_else(typed, String::from),
            is_broken,
            send_at: row.send_at,
            state: row.state,
            reason,
            state_at: row.state_at,
        });
    }
    Ok(rows)
}

/// How many of a user's messages go out later, or were not sent: what they have to look at.
pub fn count(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    let theirs = s::table.filter(s::user_id.eq(user)).filter(unsent());
    theirs.filter(s::state.ne(Planned::Cancelled)).count().get_result(conn)
}

/// How many messages of a user wait for their moment.
pub fn count_waiting(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    let theirs = s::table.filter(s::user_id.eq(user)).filter(unsent());
    theirs.filter(s::state.eq(Planned::Waiting)).count().get_result(conn)
}

/// How many messages of a user have not gone out, with those that were cancelled: their words are lost where nobody takes them over.
pub fn count_kept(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    s::table.filter(s::user_id.eq(user)).filter(unsent()).count().get_result(conn)
}

/// How many messages to these patients have not gone out.
pub fn count_to(conn: &mut Conn, patients: &[PatientId]) -> QueryResult<i64> {
    let theirs = s::table.filter(s::patient_id.eq_any(patients.to_vec())).filter(unsent());
    theirs.count().get_result(conn)
}

/// Who has something that waits to go out to one of these patients.
pub fn writers_to(conn: &mut Conn, patients: &[PatientId]) -> QueryResult<Vec<UserId>> {
    let waiting = s::table.filter(s::patient_id.eq_any(patients.to_vec())).filter(s::state.eq(Planned::Waiting));
    waiting.select(s::user_id).load(conn)
}

/// What was typed, to be edited.
#[derive(Debug, Clone)]
pub struct ScheduledForm {
    /// identity
    pub id: ScheduledId,
    /// the version that a change must name
    pub version: i64,
    /// names and values
    pub fields: Vec<(String, String)>,
    /// when it goes out
    pub send_at: Ts,
    /// it goes out by itself: it was not cancelled, and nothing has kept it back
    pub waits: bool,
}

/// A message that a form changes, as it is now.
#[derive(Debug, Clone)]
pub enum Edited {
    /// it can be changed
    Open(ScheduledForm),
    /// it went out at this moment, in this conversation
    WentOut(ScheduledId, Ts, Option<ConversationId>),
    /// it is not there any more, or belongs elsewhere now
    Gone,
}

/// One of the user's own messages, for the page of this place.
pub fn form_of<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    id: ScheduledId,
    place: (PatientId, Option<ConversationId>),
) -> QueryResult<Edited> {
    let row = find(conn, id)?.filter(|row| row.user_id == user.id() && row.is_in(place));
    let Some(row) = row else { return Ok(Edited::Gone) };
    if row.state == Planned::Sent {
        return Ok(Edited::WentOut(id, row.state_at, row.conversation_id));
    }
    let Some(fields) = words(conn, id)? else { return Ok(Edited::Gone) };
    // the page on which it is changed shows what has come since
    let fields = fields.into_iter().filter(|(name, _)| name != "shown").collect();
    let waits = row.state == Planned::Waiting;
    Ok(Edited::Open(ScheduledForm { id, version: row.version, fields, send_at: row.send_at, waits }))
}
