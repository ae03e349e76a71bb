//! Teams that take part in a conversation. Whoever belongs to one has a row of their own among the participants, so that every list is
//! read as it always is; the row says that they are there through a team alone, and goes with it.

use super::Author;
use super::assignment::{Assigned, Assignee, due_of, set_assigned};
use super::events::{Happening, happened_to_team};
use super::participants::{add_by_team, mark_unread};
use crate::db::schema::{conversation_teams, conversations, participants, team_members};
use crate::db::{Both, Conn, ConversationId, TeamId, Ts, Tx, UserId, lock_row};
use diesel::prelude::*;

/// The teams that take part, and until when it is assigned to one of them.
pub fn teams_of(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<(TeamId, Option<Ts>)>> {
    conversation_teams::table
        .filter(conversation_teams::conversation_id.eq(conversation))
        .order(conversation_teams::team_id)
        .select((conversation_teams::team_id, conversation_teams::assigned_until))
        .load(conn)
}

/// Adds a team that is not there yet, with these members, who are active until the transaction ends: it is news to all of them but
/// `writer`. Says whether it came. Whoever calls this holds the conversation's row.
pub fn add_team(
    tx: &mut Tx,
    conversation: ConversationId,
    team: (TeamId, &[UserId]),
    writer: UserId,
    last_message_at: Ts,
) -> QueryResult<bool> {
    comes(tx, conversation, team, |user| user != writer, last_message_at)
}

fn comes(
    tx: &mut Tx,
    conversation: ConversationId,
    (team, members): (TeamId, &[UserId]),
    is_news: impl Fn(UserId) -> bool,
    last_message_at: Ts,
) -> QueryResult<bool> {
    let row = (conversation_teams::conversation_id.eq(conversation), conversation_teams::team_id.eq(team));
    let insert = diesel::insert_into(conversation_teams::table).values(row).on_conflict_do_nothing();
    if Both(insert).execute(tx.conn())? == 0 {
        return Ok(false);
    }
    for user in members {
        add_by_team(tx, conversation, *user, is_news(*user), last_message_at)?;
    }
    in_step(tx, conversation)?;
    Ok(true)
}

/// What somebody who leaves had in a conversation, where their row is gone already.
pub(super) struct Place {
    pub conversation: ConversationId,
    pub from: UserId,
    /// something in it waits, or was not seen
    pub news: bool,
    /// until when it was assigned to them
    pub until: Option<Ts>,
    pub last_message_at: Ts,
}

/// A team takes the place of somebody who leaves, and what was assigned to them is assigned to it.
pub(super) fn takes_over(
    tx: &mut Tx,
    (now, by): (Ts, Option<UserId>),
    place: &Place,
    (team, members): (TeamId, &[UserId]),
) -> QueryResult<()> {
    let (id, by) = (place.conversation, by.unwrap_or(place.from));
    if comes(tx, id, (team, members), |_| place.news, place.last_message_at)? {
        happened_to_team(tx, now, id, (Happening::Added, by, team), None)?;
    } else if place.news {
        for user in members {
            mark_unread(tx, id, *user)?;
        }
    }
    if let Some(until) = place.until {
        let due = due_of(until);
        set_assigned(tx, id, Some(Assigned { to: Assignee::Team(team), due }))?;
        happened_to_team(tx, now, id, (Happening::Assigned, by, team), due)?;
    }
    Ok(())
}

/// Ends a team's part in a conversation, and that of all who took part through it alone; what was assigned to it is assigned to nobody.
/// Whoever calls this holds the conversation's row.
pub fn remove_team(tx: &mut Tx, conversation: ConversationId, team: TeamId) -> QueryResult<()> {
    diesel::delete(conversation_teams::table.find((conversation, team))).execute(tx.conn())?;
    in_step(tx, conversation)
}

/// The conversations in which a team takes part that are open, or were closed after `since`: by their ids, at most `most` of those after
/// `after`.
pub fn of_team(
    conn: &mut Conn,
    team: TeamId,
    (after, since): (ConversationId, Ts),
    most: i64,
) -> QueryResult<Vec<ConversationId>> {
    conversation_teams::table
        .inner_join(conversations::table)
        .filter(conversation_teams::team_id.eq(team))
        .filter(conversation_teams::conversation_id.gt(after))
        .filter(conversations::closed_at.is_null().or(conversations::closed_at.gt(since)))
        .order(conversation_teams::conversation_id)
        .limit(most)
        .select(conversation_teams::conversation_id)
        .load(conn)
}

/// Whoever joined a team takes part in this conversation of it too, and whoever left it does not any more, where it is open or was
/// closed after `since`. What the patient wrote last is news to those who come. `came` are active until the transaction ends.
pub fn follow_team(
    tx: &mut Tx,
    (conversation, team): (ConversationId, TeamId),
    came: &[UserId],
    since: Ts,
) -> QueryResult<()> {
    lock_row(tx, "conversations", conversation.0)?;
    let state = conversations::table.find(conversation).select((
        conversations::closed_at,
        conversations::last_author,
        conversations::last_message_at,
    ));
    let state: Option<(Option<Ts>, Author, Ts)> = state.first(tx.conn()).optional()?;
    let Some((closed_at, last_author, last_message_at)) = state else { return Ok(()) };
    if closed_at.is_some_and(|at| at <= since) {
        return Ok(());
    }
    // the team may have been removed from it a moment ago
    if teams_of(tx, conversation)?.iter().any(|(one, _)| *one == team) {
        for user in came {
            add_by_team(tx, conversation, *user, last_author == Author::Patient, last_message_at)?;
        }
    }
    in_step(tx, conversation)
}

/// Brings the rows of those who take part in step with the teams that do, after any of it has changed: who is there through a team
/// alone and belongs to none of them goes, and what a team is to see to stands with its members, until a user has it assigned.
pub(super) fn in_step(tx: &mut Tx, conversation: ConversationId) -> QueryResult<()> {
    type Row = (UserId, bool, Option<Ts>, Option<Ts>);
    let rows: Vec<Row> = participants::table
        .filter(participants::conversation_id.eq(conversation))
        .order(participants::user_id)
        .select((participants::user_id, participants::by_team, participants::team_until, participants::assigned_until))
        .load(tx.conn())?;
    let teams = teams_of(tx, conversation)?;
    if teams.is_empty() && rows.iter().all(|(_, by_team, until, _)| !by_team && until.is_none()) {
        return Ok(());
    }
    // no team is an empty list, which finds nobody
    let ids: Vec<TeamId> = teams.iter().map(|(team, _)| *team).collect();
    let members: Vec<(TeamId, UserId)> = team_members::table
        .filter(team_members::team_id.eq_any(ids))
        .select((team_members::team_id, team_members::user_id))
        .load(tx.conn())?;
    let is_taken = rows.iter().any(|(.., assigned)| assigned.is_some());
    for (user, by_team, was, _) in rows {
        let theirs = teams.iter().filter(|(team, _)| members.contains(&(*team, user)));
        let until: Option<Ts> = theirs.map(|(_, until)| until.unwrap_or(Ts::LAST)).min();
        let row = participants::table.find((conversation, user));
        if by_team && until.is_none() {
            diesel::delete(row).execute(tx.conn())?;
            continue;
        }
        let until = until.filter(|_| !is_taken);
        if until != was {
            diesel::update(row).set(participants::team_until.eq(until)).execute(tx.conn())?;
        }
    }
    Ok(())
}
