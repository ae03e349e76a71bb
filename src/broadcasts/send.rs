//! The buttons of a broadcast: send, stop, remove.

use super::due::form;
use super::prepare::waits;
use super::types::{State, StopReason};
use crate::access::{self, SignedInUser, rights};
use crate::attachments;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{broadcast_recipients as r, broadcasts as b};
use crate::db::sealed;
use crate::db::{BroadcastId, Ts, Tx, UserId, lock_row};
use crate::outbox::{self, Task};
use crate::storage::Scan;
use diesel::prelude::*;
use time::Duration;

/// One that was prepared and not sent is kept so long.
const KEPT: Duration = Duration::days(30);

/// So many of them are removed at a time.
const SWEPT: i64 = 20;

/// What a press has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressed {
    /// what it says
    Done,
    /// nothing: it was pressed before, somebody else was faster, or a virus was found in a file
    Nothing,
    /// nothing: nobody on the list can be told
    Nobody,
    /// nothing: the user was deactivated a moment ago
    Deactivated,
}

/// The state, with the row locked; `None` where there is no such broadcast.
fn locked(tx: &mut Tx, id: BroadcastId) -> QueryResult<Option<State>> {
    lock_row(tx, "broadcasts", id.0)?;
    b::table.find(id).select(b::state).first(tx.conn()).optional()
}

fn trace(tx: &mut Tx, now: Ts, actor: Actor, event: Event, id: BroadcastId, word: Option<&str>) -> QueryResult<()> {
    let entry = Entry::of_clinic(actor, event, Subject::Broadcast(id));
    audit::append(tx, now, Entry { detail: word.map(str::to_owned), ..entry })
}

/// What was written, without the numbers that were typed: these stand in the list.
fn words_alone(tx: &mut Tx, id: BroadcastId) -> QueryResult<String> {
    let words: Vec<(String, String)> = form(tx, id)?.into_iter().filter(|(name, _)| name != "recipients").collect();
    serde_json::to_string(&words).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))
}

/// Sends it: its list stays as it is from here on, and it goes out in the name of whoever presses. `None` where there is no such
/// broadcast.
pub fn send(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::SendMany>,
    id: BroadcastId,
) -> QueryResult<Option<Pressed>> {
    let active = access::active(tx, &[user.id()])?;
    let Some(state) = locked(tx, id)? else { return Ok(None) };
    if active.is_empty() {
        return Ok(Some(Pressed::Deactivated));
    }
    if state != State::Prepared {
        return Ok(Some(Pressed::Nothing));
    }
    if !waits(tx, id)? {
        return Ok(Some(Pressed::Nobody));
    }
    // its page says so
    if attachments::scans_of_shared(tx, id)?.iter().any(|(_, scan)| *scan == Scan::Infected) {
        return Ok(Some(Pressed::Nothing));
    }
    let words = words_alone(tx, id)?;
    let sent = (
        (b::state.eq(State::Sending), b::user_id.eq(user.id()), b::form.eq(sealed::text(&words))),
        (b::sent_at.eq(now), b::state_at.eq(now)),
    );
    diesel::update(b::table.find(id)).set(sent).execute(tx.conn())?;
    outbox::enqueue(tx, now, Task::SendMany(id), now)?;
    trace(tx, now, Actor::User(user.id()), Event::BroadcastSent, id, None)?;
    Ok(Some(Pressed::Done))
}

/// Stops it: what has not gone out does not go. `None` where there is no such broadcast.
pub fn stop(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::SendMany>,
    id: BroadcastId,
) -> QueryResult<Option<Pressed>> {
    if locked(tx, id)?.is_none() {
        return Ok(None);
    }
    let is_stopped = stopped(tx, now, id, State::Sending, (StopReason::User, Some(user.id())))?;
    Ok(Some(if is_stopped { Pressed::Done } else { Pressed::Nothing }))
}

/// Stops one that is locked, if it is in the state `from`; says whether it was.
pub(super) fn stopped(
    tx: &mut Tx,
    now: Ts,
    id: BroadcastId,
    from: State,
    (why, by): (StopReason, Option<UserId>),
) -> QueryResult<bool> {
    let going = b::table.find(id).filter(b::state.eq(from));
    let state = (b::state.eq(State::Stopped), b::reason.eq(why), b::stopped_by.eq(by), b::state_at.eq(now));
    if diesel::update(going).set(state).execute(tx.conn())? == 0 {
        return Ok(false);
    }
    outbox::cancel(tx, &[Task::SendMany(id)])?;
    attachments::let_go(tx, now, id)?;
    trace(tx, now, by.into(), Event::BroadcastStopped, id, Some(why.as_str()))?;
    Ok(true)
}

/// Removes one that was not sent. `None` where there is no such broadcast.
pub fn remove(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::SendMany>,
    id: BroadcastId,
) -> QueryResult<Option<Pressed>> {
    if locked(tx, id)?.is_none() {
        return Ok(None);
    }
    if !forget(tx, now, id)? {
        return Ok(Some(Pressed::Nothing));
    }
    trace(tx, now, Actor::User(user.id()), Event::BroadcastRemoved, id, None)?;
    Ok(Some(Pressed::Done))
}

/// Removes a locked one that was not sent, with its list and files; says whether it was there.
pub(super) fn forget(tx: &mut Tx, now: Ts, id: BroadcastId) -> QueryResult<bool> {
    let prepared = b::table.find(id).filter(b::state.eq(State::Prepared));
    if prepared.select(b::id).first::<BroadcastId>(tx.conn()).optional()?.is_none() {
        return Ok(false);
    }
    diesel::delete(r::table.filter(r::broadcast_id.eq(id))).execute(tx.conn())?;
    attachments::let_go(tx, now, id)?;
    diesel::delete(b::table.find(id)).execute(tx.conn())?;
    Ok(true)
}

/// Removes some of those that were prepared long ago and never sent.
pub fn sweep(tx: &mut Tx, now: Ts) -> QueryResult<()> {
    let old = b::table.filter(b::state.eq(State::Prepared)).filter(b::created_at.lt(now.plus(-KEPT)));
    let old: Vec<BroadcastId> = old.order(b::id).limit(SWEPT).select(b::id).load(tx.conn())?;
    for id in &old {
        lock_row(tx, "broadcasts", id.0)?;
        if forget(tx, now, *id)? {
            trace(tx, now, Actor::System, Event::BroadcastRemoved, *id, None)?;
        }
    }
    Ok(())
}

/// After a restore nothing goes out by itself, and what was prepared is offered no more: both may have been sent since the backup was
/// made. Gives how many were stopped.
pub fn after_restore(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let open = b::table.filter(b::state.eq_any([State::Sending, State::Prepared])).order(b::id);
    let open: Vec<(BroadcastId, State)> = open.select((b::id, b::state)).load(tx.conn())?;
    for (id, state) in &open {
        let words = words_alone(tx, *id)?;
        diesel::update(b::table.find(*id)).set(b::form.eq(sealed::text(&words))).execute(tx.conn())?;
        stopped(tx, now, *id, *state, (StopReason::Restored, None))?;
    }
    Ok(open.len())
}
