//! "Cancel", while a notification waits.

use super::states::{Ending, NotificationRow, State, set_state};
use crate::access::{ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::notifications;
use crate::db::{NotificationId, Ts, Tx};
use crate::delivery::Reason;
use crate::outbox::{self, JobKind};
use diesel::prelude::*;

/// Why nothing was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCancelled {
    /// no such notification in this conversation
    NotThere,
    /// it is being handed over, or is gone
    OnItsWay,
}

/// Cancels a notification that waits to be sent, or to be tried again.
///
/// # Errors
/// Those of the database.
pub fn cancel(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Notify>,
    id: NotificationId,
) -> QueryResult<Result<(), NotCancelled>> {
    let mine = notifications::table.find(id).filter(notifications::conversation_id.eq(access.conversation()));
    let row: Option<NotificationRow> = mine.select(NotificationRow::as_select()).first(tx.conn()).optional()?;
    let Some(row) = row else { return Ok(Err(NotCancelled::NotThere)) };
    if !outbox::withdraw(tx, JobKind::SendNotification, id.0)? {
        return Ok(Err(NotCancelled::OnItsWay));
    }
    let ending = Ending { state: State::Cancelled, reason: Some(Reason::CancelledByUser) };
    set_state(tx, now, &row, row.attempts, ending)?;
    let (actor, subject) = (Actor::User(access.user().id()), Subject::Notification(id));
    audit::append(tx, now, Entry::of_patient(actor, Event::NotificationCancelled, row.patient_id, subject))?;
    Ok(Ok(()))
}
