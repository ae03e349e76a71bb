//! Adds a team, changes its name and who belongs to it, and archives it.

use super::follow::follow;
use super::rows::{Team, members, team};
use crate::access::{self, Action, Authority, Role, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::db::schema::{team_members, teams, users};
use crate::db::{DbError, TeamId, Ts, Tx, UserId, lock_row};
use crate::text;
use diesel::prelude::*;

/// The most teams that a clinic has, with those that are archived.
pub const MOST_TEAMS: i64 = 100;

/// The most users who belong to one team.
pub const MOST_MEMBERS: usize = 100;

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 60;

/// A team as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTeam {
    /// its name
    pub name: String,
    /// who belongs to it
    pub members: Vec<UserId>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// Whoever asks may not change the settings any more.
    #[error("not allowed")]
    NotAllowed,
    /// There is no such team.
    #[error("no such team")]
    NotFound,
    /// The name is empty, or too long.
    #[error("not a name")]
    Name,
    /// Another team has the name.
    #[error("another team has the name")]
    NameTaken,
    /// Nobody belongs to it who is active and may write to patients, or there are too many.
    #[error("nobody could do its work, or too many would")]
    Members,
    /// There are [`MOST_TEAMS`] already.
    #[error("there are too many teams")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(TeamError);

/// Locks a team until the transaction ends, after all users.
///
/// # Errors
/// [`TeamError::NotAllowed`], [`TeamError::NotFound`].
pub fn hold(tx: &mut Tx, by: &impl Authority<rights::Settings>, id: TeamId) -> Result<Team, TeamError> {
    lock(tx, by)?;
    lock_row(tx, "teams", id.0)?;
    team(tx, id)?.ok_or(TeamError::NotFound)
}

fn lock(tx: &mut Tx, by: &impl Authority<rights::Settings>) -> Result<(), TeamError> {
    lock_row(tx, "clinic", 1)?;
    if access::still_has(tx, by)? { Ok(()) } else { Err(TeamError::NotAllowed) }
}

/// Adds a team.
///
/// # Errors
/// See [`TeamError`].
pub fn add(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Settings>, new: &NewTeam) -> Result<TeamId, TeamError> {
    lock(tx, by)?;
    let there: i64 = teams::table.count().get_result(tx.conn())?;
    if there >= MOST_TEAMS {
        return Err(TeamError::TooMany);
    }
    let (name, key) = named(tx, &new.name, None)?;
    let users = able(tx, &new.members)?;
    let row = (teams::name.eq(&name), teams::name_key.eq(&key), teams::created_at.eq(now));
    let id: TeamId = diesel::insert_into(teams::table).values(row).returning(teams::id).get_result(tx.conn())?;
    for user in &users {
        joins(tx, id, *user)?;
    }
    let entry = Entry::of_clinic(by.user().into(), Event::TeamAdded, Subject::Team(id));
    audit::append(tx, now, entry)?;
    Ok(id)
}

/// Changes a team's name and who belongs to it. What it takes part in follows, a little later: see [`super::followed_to`]. Says whether
/// anything has changed.
///
/// # Errors
/// See [`TeamError`].
pub fn change(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    id: TeamId,
    new: &NewTeam,
) -> Result<bool, TeamError> {
    let before = hold(tx, by, id)?;
    let (name, key) = named(tx, &new.name, Some(id))?;
    let users = able(tx, &new.members)?;
    if name != before.name {
        diesel::update(teams::table.find(id))
            .set((teams::name.eq(&name), teams::name_key.eq(&key)))
            .execute(tx.conn())?;
    }
    let there: Vec<UserId> = members(tx, &[id])?.into_iter().map(|(_, user)| user).collect();
    for user in there.iter().filter(|user| !users.contains(user)) {
        diesel::delete(team_members::table.find((id, *user))).execute(tx.conn())?;
    }
    for user in users.iter().filter(|user| !there.contains(user)) {
        joins(tx, id, *user)?;
    }
    let changed = [("name", name != before.name), ("members", users != there)];
    let fields: Vec<&str> = changed.iter().filter(|(_, is)| *is).map(|(field, _)| *field).collect();
    if users != there {
        follow(tx, now, id)?;
    }
    if fields.is_empty() {
        return Ok(false);
    }
    let entry = Entry::of_clinic(by.user().into(), Event::TeamChanged, Subject::Team(id));
    audit::append(tx, now, entry.with(fields.join(" ")))?;
    Ok(true)
}

/// Archives a team, which is then given no new work and keeps what it has, or brings it back. A team that is so already stays so.
///
/// # Errors
/// [`TeamError::NotAllowed`], [`TeamError::NotFound`].
pub fn set_archived(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    id: TeamId,
    archived: bool,
) -> Result<(), TeamError> {
    if hold(tx, by, id)?.archived_at.is_some() == archived {
        return Ok(());
    }
    let at = archived.then_some(now);
    diesel::update(teams::table.find(id)).set(teams::archived_at.eq(at)).execute(tx.conn())?;
    let event = if archived { Event::TeamArchived } else { Event::TeamBroughtBack };
    Ok(audit::append(tx, now, Entry::of_clinic(by.user().into(), event, Subject::Team(id)))?)
}

/// The name as it is stored, and by which no other team may have it: without its case and accents.
fn named(tx: &mut Tx, name: &str, but: Option<TeamId>) -> Result<(String, String), TeamError> {
    let name = text::one_line(name);
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(TeamError::Name);
    }
    let key = text::fold(&name);
    let other = teams::table.filter(teams::name_key.eq(&key)).select(teams::id);
    let other: Option<TeamId> = other.first(tx.conn()).optional()?;
    if other.is_some() && other != but { Err(TeamError::NameTaken) } else { Ok((name, key)) }
}

/// Those of these users who are active, by id; one of them at least may write to patients. The caller has locked all users.
fn able(tx: &mut Tx, named: &[UserId]) -> Result<Vec<UserId>, TeamError> {
    let found: Vec<(UserId, Role)> = users::table
        .filter(users::id.eq_any(named.to_vec()))
        .filter(users::active.eq(true))
        .order(users::id)
        .select((users::id, users::role))
        .load(tx.conn())?;
    let is_able = found.iter().any(|(_, role)| role.may(Action::Send));
    if !is_able || found.len() > MOST_MEMBERS {
        return Err(TeamError::Members);
    }
    Ok(found.into_iter().map(|(user, _)| user).collect())
}

/// Writes down that a user belongs to a team, to which they do not belong yet.
pub(super) fn joins(tx: &mut Tx, team: TeamId, user: UserId) -> QueryResult<()> {
    let row = (team_members::team_id.eq(team), team_members::user_id.eq(user));
    diesel::insert_into(team_members::table).values(row).execute(tx.conn()).map(drop)
}
