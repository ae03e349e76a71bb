//! A user leaves the clinic, and so the teams to which they belong.

use super::change::joins;
use super::follow::follow;
use super::rows::members;
use crate::access::{Action, Role};
use crate::db::schema::{team_members, users};
use crate::db::{Conn, TeamId, Ts, Tx, UserId};
use diesel::prelude::*;

/// The teams of this user, and those of them in which nobody else who is active may write to patients.
fn of_user(conn: &mut Conn, user: UserId) -> QueryResult<(Vec<TeamId>, Vec<TeamId>)> {
    let theirs = team_members::table.filter(team_members::user_id.eq(user)).order(team_members::team_id);
    let theirs: Vec<TeamId> = theirs.select(team_members::team_id).load(conn)?;
    if theirs.is_empty() {
        return Ok((theirs, Vec::new()));
    }
    let others: Vec<(TeamId, Role)> = team_members::table
        .inner_join(users::table)
        .filter(team_members::team_id.eq_any(theirs.clone()))
        .filter(team_members::user_id.ne(user))
        .filter(users::active.eq(true))
        .select((team_members::team_id, users::role))
        .load(conn)?;
    let has_others = |team: &TeamId| others.iter().any(|(one, role)| one == team && role.may(Action::Send));
    let alone = theirs.iter().copied().filter(|team| !has_others(team)).collect();
    Ok((theirs, alone))
}

/// In how many teams nobody else is who could do the work.
pub fn count_alone(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    Ok(of_user(conn, user)?.1.len() as i64)
}

/// Ends a user's part in all teams; in those in which nobody else could do the work, `to` takes their place. Gives the teams, which
/// have changed. The caller has locked all users, and writes it down.
pub fn leave(tx: &mut Tx, now: Ts, user: UserId, to: Option<UserId>) -> QueryResult<Vec<TeamId>> {
    let (theirs, alone) = of_user(tx, user)?;
    for team in &theirs {
        diesel::delete(team_members::table.find((*team, user))).execute(tx.conn())?;
        // a viewer who takes over may belong to it already
        if let Some(to) = to.filter(|_| alone.contains(team))
            && members(tx, &[*team])?.iter().all(|(_, one)| *one != to)
        {
            joins(tx, *team, to)?;
        }
        follow(tx, now, *team)?;
    }
    Ok(theirs)
}
