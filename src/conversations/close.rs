//! Closing a conversation, and undoing that within ten minutes.

use super::patient_reply::promise_again;
use super::store;
use crate::access::{self, ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::{DbError, Ts, Tx};
use crate::notifications;
use crate::threads::{self, Reasons};
use crate::write_back;
use diesel::prelude::*;
use time::Duration;

/// A closing can be undone for this long; then it is permanent.
pub const UNDO_WITHIN: Duration = Duration::minutes(10);

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The conversation was closed more than [`UNDO_WITHIN`] ago, or taken back as a whole.
    #[error("it was closed too long ago")]
    ForGood,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(CloseError);

/// Closes a conversation; one that is closed stays as it was.
pub fn close(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Close>) -> Result<(), CloseError> {
    // whoever closes is held before the conversation, as a deactivation does
    access::active(tx, &[access.user().id()])?;
    if store::locked(tx, access.conversation())?.closed_at.is_some() {
        return Ok(());
    }
    threads::set_closed(tx, access.conversation(), Some((now, access.user().id())))?;
    threads::clear_attention(tx, access.conversation(), Reasons::All)?;
    let for_good = now.plus(UNDO_WITHIN + Duration::MINUTE);
    notifications::put_off(tx, now, access.conversation(), for_good)?;
    write_back::queue_paper(tx, now, access.conversation(), for_good)?;
    Ok(audit_change(tx, now, access, Event::ConversationClosed)?)
}

/// Opens a conversation again that was closed within [`UNDO_WITHIN`]; one that is open stays so.
///
/// # Errors
/// See [`CloseError`].
pub fn reopen(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Close>) -> Result<(), CloseError> {
    let conversation = store::locked(tx, access.conversation())?;
    let Some(closed_at) = conversation.closed_at else { return Ok(()) };
    // there is nothing left in it that the patient could see
    if now.since(closed_at) > UNDO_WITHIN || conversation.recalled_at.is_some() {
        return Err(CloseError::ForGood);
    }
    threads::set_closed(tx, access.conversation(), None)?;
    write_back::drop_paper(tx, access.conversation())?;
    // what was over before it was closed was seen to
    if conversation.answer_by.is_some_and(|by| by >= closed_at) {
        promise_again(tx, now, conversation.id)?;
    }
    Ok(audit_change(tx, now, access, Event::ConversationReopened)?)
}

fn audit_change(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Close>, event: Event) -> QueryResult<()> {
    let subject = Subject::Conversation(access.conversation());
    audit::append(tx, now, Entry::of_patient(Actor::User(access.user().id()), event, access.patient(), subject))
}
