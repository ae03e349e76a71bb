//! Who takes part, whether the patient may answer, and what is done.

use super::store;
use crate::access::{self, ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::{ConversationId, Ts, Tx, UserId};
use crate::threads;
use diesel::prelude::*;

/// Adds users to a conversation; those who are in it already stay. Says how many came.
pub fn change_participants(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    add: &[UserId],
) -> QueryResult<usize> {
    let active = access::active(tx, add)?;
    let conversation = store::locked(tx, access.conversation())?;
    let mut came = 0;
    for user in active {
        came += threads::add_participant(tx, conversation.id, user, true, conversation.last_message_at)?;
    }
    if came > 0 {
        audit::append(tx, now, entry(access, Event::ParticipantsChanged))?;
    }
    Ok(came)
}

/// Turns replies on or off. Nothing happens in a closed conversation, or where it is so already.
pub fn set_replies_allowed(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    allowed: bool,
) -> QueryResult<()> {
    let conversation = store::locked(tx, access.conversation())?;
    if conversation.closed_at.is_some() || conversation.replies_allowed == allowed {
        return Ok(());
    }
    threads::set_replies_allowed(tx, now, conversation.id, allowed)?;
    audit::append(tx, now, entry(access, if allowed { Event::RepliesTurnedOn } else { Event::RepliesTurnedOff }))
}

/// A user's own mark that the conversation needs nothing more from them. Says whether they were the last to make it.
pub fn mark_done(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Send>) -> QueryResult<bool> {
    let left = threads::mark_done(tx, now, access.conversation(), access.user().id())?;
    audit::append(tx, now, entry(access, Event::MarkedDone))?;
    Ok(left == 0)
}

/// What users mark in their own row of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// it needs nothing more from them
    Done,
    /// it does after all
    NotDone,
    /// they have to come back to it
    Unread,
}

/// Marks conversations for a user who takes part in them; the others stay as they are, and so do those that are marked so.
/// Gives those that changed.
pub fn mark(
    tx: &mut Tx,
    now: Ts,
    accesses: &[ConversationAccess<rights::Send>],
    mark: Mark,
) -> QueryResult<Vec<ConversationId>> {
    let mut changed = Vec::new();
    // every row before any trace, as others do who write into these conversations: nobody waits for each other
    for access in accesses {
        let (id, user) = (access.conversation(), access.user().id());
        let has_changed = match mark {
            Mark::Done => threads::mark_done_once(tx, now, id, user)?,
            Mark::NotDone => threads::mark_not_done(tx, id, user)?,
            Mark::Unread => threads::mark_unread(tx, id, user)?,
        };
        if has_changed {
            changed.push(access);
        }
    }
    let event = match mark {
        Mark::Done => Event::MarkedDone,
        Mark::NotDone => Event::MarkedNotDone,
        Mark::Unread => Event::MarkedUnread,
    };
    let ids = changed.iter().map(|access| access.conversation()).collect();
    changed.sort_by_key(|access| access.patient());
    changed.into_iter().try_for_each(|access| audit::append(tx, now, entry(access, event)))?;
    Ok(ids)
}

fn entry(access: &ConversationAccess<rights::Send>, event: Event) -> Entry {
    let subject = Subject::Conversation(access.conversation());
    Entry::of_patient(Actor::User(access.user().id()), event, access.patient(), subject)
}
