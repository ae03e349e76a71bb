//! "Cancel", for a notification that waits to be sent.

use super::moves::set_state;
use super::rows::NotificationRow;
use super::states::{Ending, State};
use super::templates::Kind;
use crate::access::{ChartAccess, ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::notifications;
use crate::db::{NotificationId, Ts, Tx, UserId, lock_row};
use crate::delivery::Reason;
use crate::outbox::{self, Task};
use diesel::prelude::*;

/// Why nothing was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCancelled {
    /// there is no such notification in this conversation or chart
    NotThere,
    /// it is being handed over, or was sent
    OnItsWay,
}

/// Cancels a notification of a conversation that waits to be sent, or to be tried again.
pub fn cancel(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Notify>,
    id: NotificationId,
) -> QueryResult<Result<(), NotCancelled>> {
    let mine = notifications::table.find(id).filter(notifications::conversation_id.eq(access.conversation()));
    let row = mine.select(NotificationRow::as_select()).first(tx.conn()).optional()?;
    withdraw(tx, now, access.user().id(), row)
}

/// Cancels a "portal access given" that waits to be sent, or to be tried again.
pub fn cancel_access_notice(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::Notify>,
    id: NotificationId,
) -> QueryResult<Result<(), NotCancelled>> {
    let theirs = notifications::table.find(id).filter(notifications::patient_id.eq(access.patient()));
    let mine = theirs.filter(notifications::kind.eq(Kind::PortalAccess));
    let row = mine.select(NotificationRow::as_select()).first(tx.conn()).optional()?;
    withdraw(tx, now, access.user().id(), row)
}

fn withdraw(tx: &mut Tx, now: Ts, user: UserId, row: Option<NotificationRow>) -> QueryResult<Result<(), NotCancelled>> {
    let Some(row) = row else { return Ok(Err(NotCancelled::NotThere)) };
    // the notification before its job, as everybody locks them
    lock_row(tx, "notifications", row.id.0)?;
    let now_is = notifications::table.find(row.id).select(NotificationRow::as_select());
    let Some(row) = now_is.first(tx.conn()).optional()? else { return Ok(Err(NotCancelled::NotThere)) };
    if !outbox::withdraw(tx, Task::SendNotification(row.id))? {
        return Ok(Err(NotCancelled::OnItsWay));
    }
    let ending = Ending { state: State::Cancelled, reason: Some(Reason::CancelledByUser) };
    set_state(tx, now, &row, row.attempts, ending)?;
    let (actor, subject) = (Actor::User(user), Subject::Notification(row.id));
    audit::append(tx, now, Entry::of_patient(actor, Event::NotificationCancelled, row.patient_id, subject))?;
    Ok(Ok(()))
}
