//! To whom a conversation is assigned: one of those who take part, or a team that does, kept in their row.

use super::{teams, to_do};
use crate::db::schema::{conversation_teams, participants};
use crate::db::{Conn, ConversationId, TeamId, Ts, Tx, UserId};
use diesel::prelude::*;

/// Who sees to something: a user, or a team until one of its members takes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignee {
    /// a user
    User(UserId),
    /// a team
    Team(TeamId),
}

impl Assignee {
    /// The user; `None` for a team.
    pub fn user(self) -> Option<UserId> {
        match self {
            Assignee::User(user) => Some(user),
            Assignee::Team(_) => None,
        }
    }

    /// The team; `None` for a user.
    pub fn team(self) -> Option<TeamId> {
        match self {
            Assignee::User(_) => None,
            Assignee::Team(team) => Some(team),
        }
    }
}

impl std::fmt::Display for Assignee {
    /// As forms send it: a user's number, or `team-` and a team's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Assignee::User(user) => write!(f, "{user}"),
            Assignee::Team(team) => write!(f, "team-{team}"),
        }
    }
}

impl std::str::FromStr for Assignee {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Assignee, Self::Err> {
        match text.strip_prefix("team-") {
            Some(number) => Ok(Assignee::Team(TeamId(number.parse()?))),
            None => Ok(Assignee::User(UserId(text.parse()?))),
        }
    }
}

/// Who sees to a conversation, and until when; `None`: no time was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// one of those who take part
    pub to: Assignee,
    /// until when
    pub due: Option<Ts>,
}

/// The time that was set, from the column.
pub fn due_of(until: Ts) -> Option<Ts> {
    (until < Ts::LAST).then_some(until)
}

/// To whom a conversation is assigned.
pub fn assigned(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Option<Assigned>> {
    let theirs = participants::table
        .filter(participants::conversation_id.eq(conversation))
        .filter(participants::assigned_until.is_not_null());
    let found: Option<(UserId, Option<Ts>)> =
        theirs.select((participants::user_id, participants::assigned_until)).first(conn).optional()?;
    if let Some((user, until)) = found {
        return Ok(Some(Assigned { to: Assignee::User(user), due: until.and_then(due_of) }));
    }
    let teams = teams::teams_of(conn, conversation)?.into_iter();
    let mut held = teams.filter_map(|(team, until)| Some((team, until?)));
    Ok(held.next().map(|(team, until)| Assigned { to: Assignee::Team(team), due: due_of(until) }))
}

/// Assigns a conversation to one of those who take part in it, or to nobody. Whoever calls this holds the conversation's row.
pub fn set_assigned(tx: &mut Tx, conversation: ConversationId, to: Option<Assigned>) -> QueryResult<()> {
    let before = assigned(tx, conversation)?;
    // of one conversation only one row may say it, so the old one goes first
    if let Some(before) = before {
        write(tx, conversation, before.to, None)?;
    }
    if let Some(Assigned { to, due }) = to {
        write(tx, conversation, to, Some(due.unwrap_or(Ts::LAST)))?;
    }
    teams::in_step(tx, conversation)
}

fn write(tx: &mut Tx, conversation: ConversationId, to: Assignee, until: Option<Ts>) -> QueryResult<()> {
    match to {
        Assignee::User(user) => {
            let row = participants::table.find((conversation, user));
            diesel::update(row).set(participants::assigned_until.eq(until)).execute(tx.conn())?;
            to_do::marked(tx, conversation, user)
        }
        Assignee::Team(team) => {
            let row = conversation_teams::table.find((conversation, team));
            diesel::update(row).set(conversation_teams::assigned_until.eq(until)).execute(tx.conn()).map(drop)
        }
    }
}
