//! Brings the conversations of a team in step after it has changed, one in each transaction: a team may have very many.

use super::close::UNDO_WITHIN;
use crate::access;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::{Conn, ConversationId, TeamId, Ts, Tx, UserId};
use crate::teams;
use crate::threads;
use diesel::prelude::*;

/// How many are read at once.
const AT_ONCE: i64 = 100;

/// The next conversations of a team that are to be brought in step.
#[derive(Debug)]
pub struct ToFollow {
    /// which change of the team they follow
    pub round: i64,
    /// which ones, by their ids
    pub these: Vec<ConversationId>,
    /// there are none after these
    pub is_end: bool,
}

/// A conversation that was closed after this moment may be opened again.
fn closed_for_good(now: Ts) -> Ts {
    now.plus(-UNDO_WITHIN)
}

/// The next conversations of a team that are to be brought in step; `None` where there is no such team.
pub fn to_follow(conn: &mut Conn, now: Ts, team: TeamId) -> QueryResult<Option<ToFollow>> {
    let Some((round, after)) = teams::followed_to(conn, team)? else { return Ok(None) };
    let these = threads::of_team(conn, team, (after, closed_for_good(now)), AT_ONCE)?;
    let is_end = (these.len() as i64) < AT_ONCE;
    Ok(Some(ToFollow { round, these, is_end }))
}

/// Brings one of them in step: whoever joined the team is added, and whoever left it goes. One that was closed for good stays as it
/// was.
pub fn follow_team(tx: &mut Tx, now: Ts, team: TeamId, conversation: ConversationId) -> QueryResult<()> {
    let there = threads::participants_of(tx, conversation)?;
    let members = teams::hold_members(tx, &[team])?.into_iter().map(|(_, user)| user);
    let missing: Vec<UserId> = members.filter(|user| !there.contains(user)).collect();
    let came = if missing.is_empty() { missing } else { access::active(tx, &missing)? };
    threads::follow_team(tx, (conversation, team), &came, closed_for_good(now))
}

/// Writes down how far the conversations of a team were brought in step; at the end, that all of them are, which open pages are told.
/// Nothing where the team has changed again: it begins anew.
pub fn followed(tx: &mut Tx, now: Ts, team: TeamId, done: &ToFollow) -> QueryResult<()> {
    let last = done.these.last().copied();
    if teams::set_followed(tx, team, done.round, last)? && done.is_end {
        audit::append(tx, now, Entry::of_clinic(Actor::System, Event::TeamFollowed, Subject::Team(team)))?;
    }
    Ok(())
}
