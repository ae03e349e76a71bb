//! Teams and who belongs to them, as they are read.

use crate::db::schema::{team_members, teams, users};
use crate::db::{Conn, MultiBackend, TeamId, Ts, Tx, UserId, hold_row};
use diesel::prelude::*;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// identity
    pub id: TeamId,
    /// its name
    pub name: String,
    /// since when it is given no new work; `None`: it is
    pub archived_at: Option<Ts>,
    /// who belongs to it, by id: all of them are active
    pub members: Vec<UserId>,
}

/// A team as a line of the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamLine {
    /// identity
    pub id: TeamId,
    /// its name
    pub name: String,
    /// since when it is given no new work
    pub archived_at: Option<Ts>,
    /// the names of those who belong to it
    pub members: Vec<String>,
}

/// The most teams that one list has; there are never more, see [`super::MOST_TEAMS`].
const MOST: i64 = 200;

/// Every team with who belongs to it, by name.
pub fn list(conn: &mut Conn) -> QueryResult<Vec<TeamLine>> {
    let rows: Vec<(TeamId, String, Option<Ts>)> = teams::table
        .order((teams::name_key, teams::id))
        .limit(MOST)
        .select((teams::id, teams::name, teams::archived_at))
        .load(conn)?;
    let named: Vec<(TeamId, String)> = team_members::table
        .inner_join(users::table)
        .order((users::name, users::id))
        .select((team_members::team_id, users::name))
        .load(conn)?;
    let of = |team: TeamId| named.iter().filter(move |(one, _)| *one == team).map(|(_, name)| name.clone());
    let line = |(id, name, archived_at)| TeamLine { id, name, archived_at, members: of(id).collect() };
    Ok(rows.into_iter().map(line).collect())
}

/// The teams that can be given work, by name.
pub fn offered(conn: &mut Conn) -> QueryResult<Vec<(TeamId, String)>> {
    let query = teams::table.filter(teams::archived_at.is_null()).order((teams::name_key, teams::id));
    query.limit(MOST).select((teams::id, teams::name)).load(conn)
}

/// One team; `None` where there is none with this number.
pub fn team(conn: &mut Conn, id: TeamId) -> QueryResult<Option<Team>> {
    let row = teams::table.find(id).select((teams::name, teams::archived_at));
    let Some((name, archived_at)) = row.first::<(String, Option<Ts>)>(conn).optional()? else { return Ok(None) };
    let members = members(conn, &[id])?.into_iter().map(|(_, user)| user).collect();
    Ok(Some(Team { id, name, archived_at, members }))
}

/// The names of these teams.
pub fn names_of(conn: &mut Conn, ids: &[TeamId]) -> QueryResult<Vec<(TeamId, String)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = teams::table.filter(teams::id.eq_any(ids.to_vec())).order((teams::name_key, teams::id));
    query.select((teams::id, teams::name)).load(conn)
}

/// Who belongs to these teams, by id.
pub fn members(conn: &mut Conn, of: &[TeamId]) -> QueryResult<Vec<(TeamId, UserId)>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    team_members::table
        .filter(team_members::team_id.eq_any(of.to_vec()))
        .order((team_members::team_id, team_members::user_id))
        .select((team_members::team_id, team_members::user_id))
        .into_boxed::<MultiBackend>()
        .load(conn)
}

/// Who belongs to these teams; nobody joins or leaves by a change of the team until the transaction ends. Call this before
/// [`crate::access::active`] for the users whom it gives, and both before a conversation is locked.
pub fn hold_members(tx: &mut Tx, of: &[TeamId]) -> QueryResult<Vec<(TeamId, UserId)>> {
    let mut all = of.to_vec();
    all.sort_unstable();
    all.dedup();
    for team in &all {
        hold_row(tx, "teams", team.0)?;
    }
    members(tx, &all)
}

/// The same for those of them that can be given work.
pub fn hold_offered(tx: &mut Tx, of: &[TeamId]) -> QueryResult<Vec<(TeamId, UserId)>> {
    let held = hold_members(tx, of)?;
    if held.is_empty() {
        return Ok(held);
    }
    let query = teams::table.filter(teams::id.eq_any(of.to_vec())).filter(teams::archived_at.is_null());
    let offered: Vec<TeamId> = query.select(teams::id).load(tx.conn())?;
    Ok(held.into_iter().filter(|(team, _)| offered.contains(team)).collect())
}

/// Those of these who are among `active`, by team; a team without any is left out.
pub fn by_team(members: &[(TeamId, UserId)], active: &[UserId]) -> Vec<(TeamId, Vec<UserId>)> {
    let mut all: Vec<(TeamId, Vec<UserId>)> = Vec::new();
    for (team, user) in members.iter().filter(|(_, user)| active.contains(user)) {
        match all.iter_mut().find(|(one, _)| one == team) {
            Some((_, users)) => users.push(*user),
            None => all.push((*team, vec![*user])),
        }
    }
    all
}
