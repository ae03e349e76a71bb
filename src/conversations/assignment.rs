//! Assigning a conversation to one user, or to a team until one of its members takes it on: with a time until when, or without.

use super::store;
use crate::access::{self, ConversationAccess, Right, SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{conversation_teams, participants, teams as team_rows, users};
use crate::db::{Conn, ConversationId, DbError, TeamId, Ts, Tx, UserId};
use crate::teams;
use crate::threads::{self, Assigned, Assignee, Happening, NewEvent};
use diesel::prelude::*;
use std::collections::HashMap;
use time::Duration;

/// The longest time ahead that can be set.
const LONGEST_AHEAD: Duration = Duration::days(366);

/// Who sees to a conversation, as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// the user, or the team
    pub to: Assignee,
    /// their name
    pub name: String,
    /// until when
    pub due: Option<Ts>,
    /// the user has marked it done; of a team nobody can say it
    pub done: bool,
}

impl Assignment {
    /// Whether it is assigned to a team.
    pub fn is_team(&self) -> bool {
        self.to.team().is_some()
    }

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
    /// They are not active, or may not write to patients; nor may anybody of a team.
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
        (conversation, Assignment { to: Assignee::User(user), name, due: until.and_then(threads::due_of), done })
    });
    let mut found: HashMap<ConversationId, Assignment> = read.collect();
    let rows: Vec<(ConversationId, TeamId, String, Option<Ts>)> = conversation_teams::table
        .inner_join(team_rows::table)
        .filter(conversation_teams::conversation_id.eq_any(all.to_vec()))
        .filter(conversation_teams::assigned_until.is_not_null())
        .select((
            conversation_teams::conversation_id,
            team_rows::id,
            team_rows::name,
            conversation_teams::assigned_until,
        ))
        .load(conn)?;
    found.extend(rows.into_iter().map(|(conversation, team, name, until)| {
        let due = until.and_then(threads::due_of);
        (conversation, Assignment { to: Assignee::Team(team), name, due, done: false })
    }));
    Ok(found)
}

/// Assigns a conversation to a user, to a team, or to nobody. Whoever takes no part in it yet is added, and it is news to them unless
/// they assigned it to themselves. `is_as_shown` says whether the page showed what is stored: two users who assign at the
/// same moment wait for each other, and the second one is asked. `goes_back`: it was so before, also until a time that is over.
///
/// # Errors
/// See [`AssignError`].
pub fn assign(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    to: Option<Assigned>,
    goes_back: bool,
    is_as_shown: impl FnOnce(Option<&Assignment>) -> bool,
) -> Result<(), AssignError> {
    let me = access.user().id();
    // all whom a row names are held before the conversation, as a deactivation does, and a team before those who belong to it
    let holder = threads::assigned(tx, access.conversation())?.and_then(|held| held.to.user());
    let members: Vec<UserId> = match to.map(|to| to.to) {
        Some(Assignee::Team(team)) => teams::hold_offered(tx, &[team])?.into_iter().map(|(_, user)| user).collect(),
        _ => Vec::new(),
    };
    let user = to.and_then(|to| to.to.user());
    let named: Vec<UserId> = [Some(me), user, holder].into_iter().flatten().chain(members.iter().copied()).collect();
    let active = access::active(tx, &named)?;
    let members: Vec<UserId> = members.into_iter().filter(|one| active.contains(one)).collect();
    let able = match to.map(|to| to.to) {
        None => true,
        Some(Assignee::User(user)) => has_able(tx, &active, &[user])?,
        Some(Assignee::Team(_)) => has_able(tx, &active, &members)?,
    };
    let conversation = store::locked(tx, access.conversation())?;
    let before = assignment(tx, access)?;
    if conversation.closed_at.is_some() {
        return Err(AssignError::Closed);
    }
    let was = before.as_ref().map(|before| Assigned { to: before.to, due: before.due });
    // of two presses of one button the second finds what it asks for
    if to == was {
        return Ok(());
    }
    if !is_as_shown(before.as_ref()) {
        return Err(AssignError::Changed);
    }
    let Some(new) = to else {
        if let Some(was) = was {
            ended(tx, now, access, was.to)?;
            audit::append(tx, now, entry(access, Event::AssignmentEnded, was.to))?;
        }
        return Ok(());
    };
    if !able {
        return Err(AssignError::CannotBeAssigned);
    }
    // a time that is over already may stay as it was, but nobody sets one
    let is_new = new.due.filter(|_| new.due != was.and_then(|was| was.due));
    match is_new {
        Some(due) if due <= now && !goes_back => return Err(AssignError::Past),
        Some(due) if due.since(now) > LONGEST_AHEAD => return Err(AssignError::TooFar),
        _ => {}
    }
    match new.to {
        Assignee::User(user) => comes(tx, (conversation.id, conversation.last_message_at), user, user != me)?,
        Assignee::Team(team) => {
            let came = threads::add_team(tx, conversation.id, (team, &members), me, conversation.last_message_at)?;
            for user in members.iter().filter(|user| !came && **user != me) {
                threads::mark_unread(tx, conversation.id, *user)?;
            }
        }
    }
    threads::set_assigned(tx, conversation.id, Some(new))?;
    happened(tx, now, access, (Happening::Assigned, new.to), new.due)?;
    Ok(audit::append(tx, now, entry(access, Event::ConversationAssigned, new.to))?)
}

/// Whoever it is assigned to takes part, and it is news to them where another did it.
fn comes(
    tx: &mut Tx,
    (conversation, last_message_at): (ConversationId, Ts),
    user: UserId,
    is_other: bool,
) -> QueryResult<()> {
    match (threads::add_participant(tx, conversation, user, is_other, last_message_at)?, is_other) {
        (0, true) => threads::mark_unread(tx, conversation, user).map(drop),
        (_, false) => threads::mark_not_done(tx, conversation, user).map(drop),
        _ => Ok(()),
    }
}

/// Writes down for the conversation's page what happened to a user or a team.
fn happened(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    (kind, to): (Happening, Assignee),
    due: Option<Ts>,
) -> QueryResult<()> {
    let (id, me) = (access.conversation(), access.user().id());
    match to {
        Assignee::User(user) => threads::happened(tx, now, id, NewEvent { kind, by: Some(me), user, due }),
        Assignee::Team(team) => threads::happened_to_team(tx, now, id, (kind, me, team), due),
    }
}

/// Whether one of these users is among those who are active until the transaction ends, and may write to patients.
fn has_able(tx: &mut Tx, active: &[UserId], named: &[UserId]) -> QueryResult<bool> {
    for user in named.iter().filter(|user| active.contains(user)) {
        let has_right: Option<SignedInUser<rights::Send>> = access::ordered(tx, *user)?;
        if has_right.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A conversation is assigned to nobody any more.
fn ended(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Send>, was: Assignee) -> QueryResult<()> {
    threads::set_assigned(tx, access.conversation(), None)?;
    happened(tx, now, access, (Happening::Unassigned, was), None)
}

fn entry(access: &ConversationAccess<rights::Send>, event: Event, to: Assignee) -> Entry {
    let subject = Subject::Conversation(access.conversation());
    let entry = Entry::of_patient(Actor::User(access.user().id()), event, access.patient(), subject);
    entry.with(said(to))
}

/// A user or a team, as the audit log has it.
fn said(to: Assignee) -> String {
    match to {
        Assignee::User(user) => format!("user {user}"),
        Assignee::Team(team) => format!("team {team}"),
    }
}
