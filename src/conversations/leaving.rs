//! A user leaves a conversation, or is removed by another; a team is removed. They can still read it, as their role says; it is in no list of
//! theirs any more. Somebody always stays: no patient writes to nobody.

use super::assignment::{Assignment, assignment};
use super::store;
use crate::access::{self, ConversationAccess, SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::participants;
use crate::db::{DbError, TeamId, Ts, Tx, UserId};
use crate::teams;
use crate::threads::{self, Assignee, Happening, NewEvent};
use diesel::prelude::*;

/// Why nobody left.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// The conversation is closed, and shows who took part.
    #[error("the conversation is closed")]
    Closed,
    /// Nobody else who may write to patients takes part.
    #[error("nobody would be left")]
    LastOne,
    /// They take part through a team, and would still do so.
    #[error("a team of theirs takes part")]
    ByTeam,
    /// It was assigned to whoever goes since the page was made.
    #[error("it was assigned meanwhile")]
    Changed,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(LeaveError);

/// Ends a user's part in a conversation, with their marks; what was assigned to them is assigned to nobody. Whoever takes no
/// part stays so. `is_as_shown` says whether the page showed the assignment that would end.
///
/// # Errors
/// See [`LeaveError`].
pub fn leave(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    user: UserId,
    is_as_shown: impl FnOnce(Option<&Assignment>) -> bool,
) -> Result<(), LeaveError> {
    let (id, me) = (access.conversation(), access.user().id());
    let others =
        participants::table.filter(participants::conversation_id.eq(id)).filter(participants::user_id.ne(user));
    let others = others.select(participants::user_id);
    // those who would be left stay active until the transaction ends: a deactivation gives their place to another. All whom a row
    // names are held before the conversation, as a deactivation does
    let named: Vec<UserId> = others.load(tx.conn())?;
    let active = access::active(tx, &[named, vec![me, user]].concat())?;
    let mut able = Vec::new();
    for one in active {
        let writes: Option<SignedInUser<rights::Send>> = access::ordered(tx, one)?;
        able.extend(writes.map(|_| one));
    }
    if store::locked(tx, id)?.closed_at.is_some() {
        return Err(LeaveError::Closed);
    }
    // two who leave at the same moment: the second one finds the first gone
    let left: Vec<UserId> = others.filter(participants::user_id.eq_any(able)).load(tx.conn())?;
    let takes_part = participants::table.find((id, user)).select(participants::user_id).first::<UserId>(tx.conn());
    if takes_part.optional()?.is_none() {
        return Ok(());
    }
    if left.is_empty() {
        return Err(LeaveError::LastOne);
    }
    if belongs(tx, access, user)? {
        return Err(LeaveError::ByTeam);
    }
    let was_theirs = assignment(tx, access)?.filter(|one| one.to == Assignee::User(user));
    if was_theirs.is_some() && !is_as_shown(was_theirs.as_ref()) {
        return Err(LeaveError::Changed);
    }
    threads::remove_participant(tx, id, user)?;
    let (kind, event) = match user == me {
        true => (Happening::Left, Event::ParticipantLeft),
        false => (Happening::Removed, Event::ParticipantRemoved),
    };
    threads::happened(tx, now, id, NewEvent { kind, by: Some(me), user, due: None })?;
    if was_theirs.is_some() {
        threads::happened(tx, now, id, NewEvent { kind: Happening::Unassigned, by: Some(me), user, due: None })?;
    }
    let entry = Entry::of_patient(Actor::User(me), event, access.patient(), Subject::Conversation(id));
    Ok(audit::append(tx, now, entry.with(format!("user {user}")))?)
}

/// Whether a team to which this user belongs takes part.
fn belongs(tx: &mut Tx, access: &ConversationAccess<rights::Send>, user: UserId) -> QueryResult<bool> {
    let there: Vec<TeamId> = threads::teams_of(tx, access.conversation())?.into_iter().map(|(team, _)| team).collect();
    Ok(teams::members(tx, &there)?.iter().any(|(_, member)| *member == user))
}

/// Ends a team's part in a conversation, and that of those who take part through it alone; what was assigned to it is assigned to nobody.
/// A team that takes no part stays so. `is_as_shown` says whether the page showed the assignment that would end.
///
/// # Errors
/// See [`LeaveError`].
pub fn remove_team(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    team: TeamId,
    is_as_shown: impl FnOnce(Option<&Assignment>) -> bool,
) -> Result<(), LeaveError> {
    let (id, me) = (access.conversation(), access.user().id());
    let there: Vec<TeamId> = threads::teams_of(tx, id)?.into_iter().map(|(team, _)| team).collect();
    let others: Vec<TeamId> = there.into_iter().filter(|one| *one != team).collect();
    // the other teams, and those who would be left, stay as they are until the transaction ends
    let through = teams::hold_members(tx, &others)?;
    let mut named = threads::participants_of(tx, id)?;
    named.extend(through.iter().map(|(_, user)| *user).chain([me]));
    let active = access::active(tx, &named)?;
    let mut able = Vec::new();
    for one in active {
        let writes: Option<SignedInUser<rights::Send>> = access::ordered(tx, one)?;
        able.extend(writes.map(|_| one));
    }
    if store::locked(tx, id)?.closed_at.is_some() {
        return Err(LeaveError::Closed);
    }
    let held = threads::teams_of(tx, id)?;
    if held.iter().all(|(one, _)| *one != team) {
        return Ok(());
    }
    let by_themselves = threads::by_themselves(tx, id)?;
    let is_there = |team: TeamId| held.iter().any(|(one, _)| *one == team);
    let stays = |user: &UserId| {
        by_themselves.contains(user) || through.iter().any(|(team, one)| one == user && is_there(*team))
    };
    if !able.iter().any(stays) {
        return Err(LeaveError::LastOne);
    }
    let was_theirs = assignment(tx, access)?.filter(|one| one.to == Assignee::Team(team));
    if was_theirs.is_some() && !is_as_shown(was_theirs.as_ref()) {
        return Err(LeaveError::Changed);
    }
    threads::remove_team(tx, id, team)?;
    threads::happened_to_team(tx, now, id, (Happening::Removed, me, team), None)?;
    if was_theirs.is_some() {
        threads::happened_to_team(tx, now, id, (Happening::Unassigned, me, team), None)?;
    }
    let entry =
        Entry::of_patient(Actor::User(me), Event::ParticipantRemoved, access.patient(), Subject::Conversation(id));
    Ok(audit::append(tx, now, entry.with(format!("team {team}")))?)
}
