//! What comes to the queue: a message that was sent, one that was taken back, and one that a user sends there again.

use super::content::uid;
use super::{State, Why};
use crate::access::{ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{conversations as c, emr_sources as s, emr_writes as w, messages as m, patient_sources as p};
use crate::db::{ConversationId, EmrWriteId, MessageId, Ts, Tx, lock_row, lock_rows, sealed};
use crate::outbox::{self, Lane, Task};
use crate::settings;
use diesel::prelude::*;

/// Has a message, which the caller has just stored, written into each EMR that knows its patient and is written to.
pub fn queue(tx: &mut Tx, now: Ts, (message, conversation): (MessageId, ConversationId)) -> QueryResult<()> {
    let sources = sources(tx, conversation)?;
    if sources.is_empty() {
        return Ok(());
    }
    let uid = uid(&settings::cookie_key(tx)?, "message", message.0, now);
    add(tx, now, (message, false), (&uid, &sources), now)
}

/// Has a conversation, which the caller has just closed, written into these EMRs as a document at `due`, when the closing cannot be
/// undone any more.
pub fn queue_paper(tx: &mut Tx, now: Ts, conversation: ConversationId, due: Ts) -> QueryResult<()> {
    let sources = sources(tx, conversation)?;
    if sources.is_empty() {
        return Ok(());
    }
    let said = m::table.filter(m::conversation_id.eq(conversation)).filter(m::internal.eq(false));
    let last = said.filter(m::recalled_at.is_null()).order(m::id.desc()).select(m::id);
    let Some(last) = last.first::<MessageId>(tx.conn()).optional()? else { return Ok(()) };
    let uid = uid(&settings::cookie_key(tx)?, "paper", conversation.0, now);
    add(tx, now, (last, true), (&uid, &sources), due)
}

/// The closing of a conversation was undone: its document does not go out.
pub fn drop_paper(tx: &mut Tx, conversation: ConversationId) -> QueryResult<()> {
    for id in papers(tx, conversation)? {
        lock_row(tx, "emr_writes", id.0)?;
        let waits = w::table.find(id).filter(w::state.eq(State::Queued)).select(w::id);
        if waits.first::<EmrWriteId>(tx.conn()).optional()?.is_some() {
            outbox::cancel(tx, &[Task::WriteBack(id)])?;
            diesel::delete(w::table.find(id)).execute(tx.conn())?;
        }
    }
    Ok(())
}

/// The EMRs that know the patient of a conversation and are written to.
fn sources(tx: &mut Tx, conversation: ConversationId) -> QueryResult<Vec<String>> {
    let known = s::table
        .inner_join(p::table.on(p::source.eq(s::name)))
        .inner_join(c::table.on(c::patient_id.eq(p::patient_id)))
        .filter(s::write_back_on.eq(true))
        .filter(c::id.eq(conversation))
        .order(s::name);
    let mut sources: Vec<String> = known.select(s::name).load(tx.conn())?;
    // an EMR may know a patient by several records
    sources.dedup();
    Ok(sources)
}

fn add(
    tx: &mut Tx,
    now: Ts,
    (message, is_paper): (MessageId, bool),
    (uid, sources): (&str, &[String]),
    due: Ts,
) -> QueryResult<()> {
    for source in sources {
        let row = (
            (w::message_id.eq(message), w::is_paper.eq(is_paper), w::source.eq(source), w::uid.eq(uid)),
            (w::state.eq(State::Queued), w::reason.eq(None::<Why>), w::words.eq(sealed::text(""))),
            (w::part_of.eq(""), w::documents.eq(""), w::resource.eq("")),
            (w::created_at.eq(now), w::state_at.eq(now)),
        );
        let id: EmrWriteId = diesel::insert_into(w::table).values(row).returning(w::id).get_result(tx.conn())?;
        outbox::enqueue_to(tx, now, Task::WriteBack(id), (Lane::Emr, source), due)?;
    }
    Ok(())
}

/// The documents of a conversation, in their order.
fn papers(tx: &mut Tx, conversation: ConversationId) -> QueryResult<Vec<EmrWriteId>> {
    let of_it = w::table
        .inner_join(m::table.on(m::id.eq(w::message_id)))
        .filter(m::conversation_id.eq(conversation))
        .filter(w::is_paper.eq(true));
    of_it.order(w::id).select(w::id).load(tx.conn())
}

/// A message was taken back: it does not go out any more, or the EMR is told where it may have it, also as a part of a document.
pub fn take_back(tx: &mut Tx, now: Ts, (message, conversation): (MessageId, ConversationId)) -> QueryResult<()> {
    let mut rows = locked(tx, message)?;
    rows.retain(|row| !row.is_paper);
    for id in papers(tx, conversation)? {
        lock_row(tx, "emr_writes", id.0)?;
        rows.extend(w::table.find(id).select(COLUMNS).first::<Columns>(tx.conn()).optional()?.map(Row::of));
    }
    for Row { id, source, state, is_paper, .. } in rows {
        match state {
            // a document that goes out later does not have it
            State::Queued if is_paper => {}
            State::Queued => {
                outbox::cancel(tx, &[Task::WriteBack(id)])?;
                diesel::delete(w::table.find(id)).execute(tx.conn())?;
            }
            State::Begun | State::Written | State::Refused => {
                enter(tx, now, id, State::TakenBack)?;
                ask(tx, now, id, &source)?;
            }
            State::TakenBack | State::Marked => {}
        }
    }
    Ok(())
}

/// Tries at once again what is not in the record. Says whether there was anything; `None` where the conversation has no such
/// message.
pub fn try_again(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Notify>,
    message: MessageId,
) -> QueryResult<Option<bool>> {
    let mine = m::table.find(message).filter(m::conversation_id.eq(access.conversation()));
    if mine.select(m::id).first::<MessageId>(tx.conn()).optional()?.is_none() {
        return Ok(None);
    }
    let mut is_any = false;
    for Row { id, source, state, why, .. } in locked(tx, message)? {
        if !super::lines::is_stuck(state, why) {
            continue;
        }
        // whether the EMR had a part of it before is not known
        enter(tx, now, id, if state == State::TakenBack { state } else { State::Begun })?;
        ask(tx, now, id, &source)?;
        is_any = true;
    }
    if is_any {
        let by = Actor::User(access.user().id());
        let subject = Subject::Message(message);
        audit::append(tx, now, Entry::of_patient(by, Event::EmrWriteAgain, access.patient(), subject))?;
    }
    Ok(Some(is_any))
}

type Columns = (EmrWriteId, String, State, Option<Why>, bool);
const COLUMNS: (w::id, w::source, w::state, w::reason, w::is_paper) =
    (w::id, w::source, w::state, w::reason, w::is_paper);

struct Row {
    id: EmrWriteId,
    source: String,
    state: State,
    why: Option<Why>,
    is_paper: bool,
}

impl Row {
    fn of((id, source, state, why, is_paper): Columns) -> Row {
        Row { id, source, state, why, is_paper }
    }
}

/// The rows of a message, locked before their jobs, as a worker locks them that stores what came of one.
fn locked(tx: &mut Tx, message: MessageId) -> QueryResult<Vec<Row>> {
    lock_rows(tx, "emr_writes", "message_id", message.0)?;
    let of_it = w::table.filter(w::message_id.eq(message)).order(w::id);
    let rows: Vec<Columns> = of_it.select(COLUMNS).load(tx.conn())?;
    Ok(rows.into_iter().map(Row::of).collect())
}

/// Has the EMR asked at once. A worker that has the row in hand keeps its claim, so that one does not write what another marks
/// already; it sees in the end what the row has become (see [`super::hold`]).
fn ask(tx: &mut Tx, now: Ts, id: EmrWriteId, source: &str) -> QueryResult<()> {
    if outbox::is_in_hand(tx, now, Task::WriteBack(id))? {
        return Ok(());
    }
    outbox::enqueue_to(tx, now, Task::WriteBack(id), (Lane::Emr, source), now)
}

/// Brings a row to a state in which nothing is said against it yet.
pub(super) fn enter(tx: &mut Tx, now: Ts, id: EmrWriteId, state: State) -> QueryResult<()> {
    let set = (w::state.eq(state), w::reason.eq(None::<Why>), w::words.eq(sealed::text("")), w::state_at.eq(now));
    diesel::update(w::table.find(id)).set(set).execute(tx.conn()).map(drop)
}
