//! Changes who takes part and whether the patient may answer, and sets the users' own marks.

use super::store::{self, Conversation};
use crate::access::{self, ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::{ConversationId, TeamId, Ts, Tx, UserId};
use crate::teams;
use crate::threads::{self, Happening, NewEvent};
use diesel::prelude::*;

/// Adds active users and teams to a conversation; those who take part already stay. Gives how many were added.
pub fn change_participants(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    (add, teams): (&[UserId], &[TeamId]),
) -> QueryResult<usize> {
    let me = access.user().id();
    let members = teams::hold_offered(tx, teams)?;
    // whoever adds them is held too before the conversation, as a deactivation does
    let named: Vec<UserId> = add.iter().copied().chain([me]).chain(members.iter().map(|(_, user)| *user)).collect();
    let active = access::active(tx, &named)?;
    let conversation = store::locked(tx, access.conversation())?;
    let mut came = add_teams(tx, now, &conversation, me, &teams::by_team(&members, &active))?;
    for user in active.into_iter().filter(|user| add.contains(user)) {
        if threads::add_participant(tx, conversation.id, user, true, conversation.last_message_at)? > 0 {
            let event = NewEvent { kind: Happening::Added, by: Some(access.user().id()), user, due: None };
            threads::happened(tx, now, conversation.id, event)?;
            came += 1;
        }
    }
    if came > 0 {
        audit::append(tx, now, entry(access, Event::ParticipantsChanged))?;
    }
    Ok(came)
}

/// Adds teams with their members to a conversation, which the caller has locked. Gives how many came.
fn add_teams(
    tx: &mut Tx,
    now: Ts,
    conversation: &Conversation,
    by: UserId,
    all: &[(TeamId, Vec<UserId>)],
) -> QueryResult<usize> {
    let mut came = 0;
    for (team, members) in all {
        if threads::add_team(tx, conversation.id, (*team, members), by, conversation.last_message_at)? {
            threads::happened_to_team(tx, now, conversation.id, (Happening::Added, by, *team), None)?;
            came += 1;
        }
    }
    Ok(came)
}

/// Turns replies on or off. Nothing changes in a closed conversation, or where replies are so already.
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

/// Sets the user's own mark that the conversation needs nothing more from them. Says whether everybody who takes part
/// has now made it.
pub fn mark_done(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Send>) -> QueryResult<bool> {
    let left = threads::mark_done(tx, now, access.conversation(), access.user().id())?;
    audit::append(tx, now, entry(access, Event::MarkedDone))?;
    Ok(left == 0)
}

/// A user's own mark on a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// the conversation needs nothing more from them
    Done,
    /// takes [`Mark::Done`] back
    NotDone,
    /// they want to come back to it
    Unread,
}

/// Marks conversations for a user who takes part in them. A conversation in which they take no part, or which has the
/// mark already, stays as it is. Gives those that changed.
pub fn mark(
    tx: &mut Tx,
    now: Ts,
    accesses: &[ConversationAccess<rights::Send>],
    mark: Mark,
) -> QueryResult<Vec<ConversationId>> {
    let mut changed = Vec::new();
    // first all rows, then all audit rows: others lock in the same order, so that there is no deadlock
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
