//! What a press in the list does to one: cancels it, sends it now, removes it.

use super::NotSent;
use super::rows::{Planned, Row, find};
use super::schedule::audit_of;
use crate::access::{SignedInUser, rights};
use crate::attachments;
use crate::audit::Event;
use crate::db::schema::scheduled_messages as s;
use crate::db::{ConversationId, ScheduledId, Ts, Tx, lock_row};
use crate::outbox::{self, Task};
use diesel::prelude::*;

/// What a press in the list has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressed {
    /// it is done, by this press or by the same one before
    Done,
    /// it had gone out, in this conversation
    WentOut(ConversationId),
    /// it is in another state than the page showed, or was removed, and stays so
    Changed,
}

/// Cancels one that waits; its words stay with its writer. `None` where it is another's.
pub fn cancel(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    one: (ScheduledId, i64),
) -> QueryResult<Option<Pressed>> {
    let is_done = |row: &Row| row.state == Planned::Cancelled;
    change(tx, now, user, one, (is_done, Event::ScheduledCancelled), |tx, row| {
        let state = (s::state.eq(Planned::Cancelled), s::reason.eq(None::<NotSent>), s::state_at.eq(now));
        diesel::update(s::table.find(row.id)).set((state, s::version.eq(row.version + 1))).execute(tx.conn())?;
        outbox::cancel(tx, &[Task::SendScheduled(row.id)])
    })
}

/// Makes one that waits due now: a worker sends it as it would at its moment. As [`cancel`] says.
pub fn send_now(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    one: (ScheduledId, i64),
) -> QueryResult<Option<Pressed>> {
    let is_done = |row: &Row| row.state == Planned::Waiting && row.send_at <= now;
    change(tx, now, user, one, (is_done, Event::MessageRescheduled), |tx, row| {
        let changed = (s::send_at.eq(now), s::state_at.eq(now), s::version.eq(row.version + 1));
        diesel::update(s::table.find(row.id)).set(changed).execute(tx.conn())?;
        outbox::enqueue(tx, now, Task::SendScheduled(row.id), now)
    })
}

/// A row as one press in the list finds it, locked; `Err`: there is nothing more to do for the press.
fn pressed(
    tx: &mut Tx,
    user: &SignedInUser<rights::Send>,
    id: ScheduledId,
) -> QueryResult<Result<Row, Option<Pressed>>> {
    lock_row(tx, "scheduled_messages", id.0)?;
    Ok(match find(tx, id)? {
        None => Err(Some(Pressed::Changed)),
        Some(row) if row.user_id != user.id() => Err(None),
        Some(Row { state: Planned::Sent, conversation_id: Some(conversation), .. }) => {
            Err(Some(Pressed::WentOut(conversation)))
        }
        Some(row) => Ok(row),
    })
}

/// Changes one that waits as the page showed it. `is_done` says whether the next version is what the press asks for: then it was
/// pressed twice.
fn change(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    (id, version): (ScheduledId, i64),
    (is_done, event): (impl FnOnce(&Row) -> bool, Event),
    how: impl FnOnce(&mut Tx, &Row) -> QueryResult<()>,
) -> QueryResult<Option<Pressed>> {
    let row = match pressed(tx, user, id)? {
        Ok(row) => row,
        Err(pressed) => return Ok(pressed),
    };
    if row.version == version + 1 && is_done(&row) {
        return Ok(Some(Pressed::Done));
    }
    if row.state != Planned::Waiting || row.version != version {
        return Ok(Some(Pressed::Changed));
    }
    how(tx, &row)?;
    audit_of(tx, now, user.id(), event, (row.patient_id, row.conversation_id))?;
    Ok(Some(Pressed::Done))
}

/// Throws away the words of one that does not go out, and lets its files go. As [`cancel`] says: one that waits is cancelled first, and
/// one that is not there any more was removed.
pub fn remove(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    (id, version): (ScheduledId, i64),
) -> QueryResult<Option<Pressed>> {
    let row = match pressed(tx, user, id)? {
        Ok(row) => row,
        Err(Some(Pressed::Changed)) => return Ok(Some(Pressed::Done)),
        Err(pressed) => return Ok(pressed),
    };
    if row.state == Planned::Waiting || row.version != version {
        return Ok(Some(Pressed::Changed));
    }
    attachments::release_uploads(tx, id)?;
    diesel::delete(s::table.find(id)).execute(tx.conn())?;
    audit_of(tx, now, user.id(), Event::DraftDiscarded, (row.patient_id, row.conversation_id))?;
    Ok(Some(Pressed::Done))
}
