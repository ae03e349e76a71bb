//! Assigning a conversation to one user, who then sees to it: with a time until when, or without.

use super::store;
use crate::access::{self, ConversationAccess, Right, SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{participants, users};
use crate::db::{Conn, ConversationId, DbError, Ts, Tx, UserId};
use crate::threads::{self, Assigned, Happening, NewEvent};
use diesel::prelude::*;
use std::collections::HashMap;
use time::Duration;

/// The longest time ahead that can be set.
const LONGEST_AHEAD: Duration = Duration::days(366);

/// Who sees to a conversation, as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// the user
    pub user: UserId,
    /// the user's name
    pub name: String,
    /// until when
    pub due: Option<Ts>,
    /// the user has marked it done
    pub done: bool,
}

impl Assignment {
    /// Whether its time is over, and it is not done.
    pub fn is_overdue(&self, now: &Ts) -> bool {
        !self.done && self.due.is_some_and(|due| due <= *now)
    }
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// The conversation is closed.
    #[error("the conversation is closed")]
    Closed,
    /// They are not active, or may not write to patients.
    #[error("it cannot be assigned to them")]
    CannotBeAssigned,
    /// The time is over.
    #[error("the time has passed")]
    Past,
    /// The time is more than a year away.
    #[error("the time is too far away")]
    TooFar,
    /// Somebody else has assigned it since the page was made.
    #[error("it was assigned meanwhile")]
    Changed,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(AssignError);

/// To whom a conversation is assigned.
pub fn assignment<R: Right>(conn: &mut Conn, access: &ConversationAccess<R>) -> QueryResult<Option<Assignment>> {
    Ok(of_all(conn, &[access.conversation()])?.remove(&access.conversation()))
}

/// The same for the conversations of one page.
pub(super) fn of_all(conn: &mut Conn, all: &[ConversationId]) -> QueryResult<HashMap<ConversationId, Assignment>> {
    if all.is_empty() {
        return Ok(HashMap::new());
    }
    type Row = (ConversationId, UserId, String, Option<Ts>, bool);
    let rows: Vec<Row> = participants::table
        .inner_join(users::table)
        .filter(participants::conversation_id.eq_any(all.to_vec()))
        .filter(participants::assigned_until.is_not_null())
        .select((
            participants::conversation_id,
            users::id,
            users::name,
            participants::assigned_until,
            participants::done_at.is_not_null(),
        ))
        .load(conn)?;
    let read = rows.into_iter().map(|(conversation, user, name, until, done)| {
        (conversation, Assignment { user, name, due: until.and_then(threads::due_of), done })
    });
    Ok(read.collect())
}

/// Assigns a conversation to a user, or to nobody. Whoever takes no part in it yet is added, and it is news to them unless
/// they assigned it to themselves. `is_as_shown` says whether the page showed what is stored: two users who assign at the
/// same moment wait for each other, and the second one is asked.
///
/// # Errors
/// See [`AssignError`].
pub fn assign(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    to: Option<Assigned>,
    is_as_shown: impl FnOnce(Option<&Assignment>) -> bool,
) -> Result<(), AssignError> {
    let me = access.user().id();
    // all whom a row names are held before the conversation, as a deactivation does
    let holder = threads::assigned(tx, access.conversation())?.map(|held| held.user);
    let named: Vec<UserId> = [Some(me), to.map(|to| to.user), holder].into_iter().flatten().collect();
    let active = access::active(tx, &named)?;
    let able = to.map(|to| able(tx, &active, to.user)).transpose()?.unwrap_or(true);
    let conversation = store::locked(tx, access.conversation())?;
    let before = assignment(tx, access)?;
    if conversation.closed_at.is_some() {
        return Err(AssignError::Closed);
    }
    if !is_as_shown(before.as_ref()) {
        return Err(AssignError::Changed);
    }
    let was = before.map(|before| Assigned { user: before.user, due: before.due });
    if to == was {
        return Ok(());
    }
    let Some(new) = to else {
        if let Some(was) = was {
            ended(tx, now, access, was.user)?;
            audit::append(tx, now, entry(access, Event::AssignmentEnded, was.user))?;
        }
        return Ok(());
    };
    if !able {
        return Err(AssignError::CannotBeAssigned);
    }
    // a time that is over already may stay as it was, but nobody sets one
    let is_new = new.due.filter(|_| new.due != was.and_then(|was| was.due));
    match is_new {
        Some(due) if due <= now => return Err(AssignError::Past),
        Some(due) if due.since(now) > LONGEST_AHEAD => return Err(AssignError::TooFar),
        _ => {}
    }
    let is_other = new.user != me;
    let came = threads::add_participant(tx, conversation.id, new.user, is_other, conversation.last_message_at)?;
    match (came, is_other) {
        (0, true) => drop(threads::mark_unread(tx, conversation.id, new.user)?),
        (0, false) => drop(threads::mark_not_done(tx, conversation.id, me)?),
        _ => {}
    }
    threads::set_assigned(tx, conversation.id, Some(new))?;
    let event = NewEvent { kind: Happening::Assigned, by: Some(me), user: new.user, due: new.due };
    threads::happened(tx, now, conversation.id, event)?;
    Ok(audit::append(tx, now, entry(access, Event::ConversationAssigned, new.user))?)
}

/// Whether this user is among those who are active until the transaction ends, and may write to patients.
fn able(tx: &mut Tx, active: &[UserId], user: UserId) -> QueryResult<bool> {
    let has_right: Option<SignedInUser<rights::Send>> = access::ordered(tx, user)?;
    Ok(active.contains(&user) && has_right.is_some())
}

/// A conversation is assigned to nobody any more.
fn ended(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Send>, was: UserId) -> QueryResult<()> {
    threads::set_assigned(tx, access.conversation(), None)?;
    let by = Some(access.user().id());
    let event = NewEvent { kind: Happening::Unassigned, by, user: was, due: None };
    threads::happened(tx, now, access.conversation(), event)
}

fn entry(access: &ConversationAccess<rights::Send>, event: Event, user: UserId) -> Entry {
    let subject = Subject::Conversation(access.conversation());
    let entry = Entry::of_patient(Actor::User(access.user().id()), event, access.patient(), subject);
    entry.with(format!("user {user}"))
}
