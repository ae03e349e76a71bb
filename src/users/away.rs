//! Users who are away: from which day to which, and who covers for them.

use super::accounts::{Account, accounts};
use super::manage::{ManageError, hold};
use crate::access::{self, Action, Authority, SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{absences, users};
use crate::db::{Conn, DbError, Ts, Tx, UserId, lock_row};
use crate::settings::{self, day_text, parse_day};
use diesel::prelude::*;
use std::collections::HashMap;
use time::Date;

/// When a user is away, and who covers for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// the first day
    pub from: Date,
    /// the last day
    pub until: Date,
    /// who covers
    pub cover: UserId,
}

/// Somebody who takes part in a conversation and is away today.
#[derive(Debug, Clone)]
pub struct Away {
    /// who is away
    pub user: UserId,
    /// the last day
    pub until: Date,
    /// the name of whoever covers; `None`: nobody does
    pub cover: Option<String>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AwayError {
    /// Whoever was named cannot cover: see [`may_cover`].
    #[error("they cannot cover")]
    CannotCover,
    /// Users cannot be managed so.
    #[error(transparent)]
    Manage(#[from] ManageError),
}

impl From<DbError> for AwayError {
    fn from(cause: DbError) -> Self {
        AwayError::Manage(cause.into())
    }
}

impl From<diesel::result::Error> for AwayError {
    fn from(cause: diesel::result::Error) -> Self {
        AwayError::Manage(cause.into())
    }
}

/// When a user is away, unless that is over.
pub fn absence(conn: &mut Conn, today: Date, user: UserId) -> QueryResult<Option<Absence>> {
    let row = absences::table.find(user).filter(absences::away_until.ge(day_text(today)));
    let found: Option<(String, String, UserId)> =
        row.select((absences::away_from, absences::away_until, absences::cover_id)).first(conn).optional()?;
    let read = |(from, until, cover): (String, String, UserId)| {
        Some(Absence { from: parse_day(&from)?, until: parse_day(&until)?, cover })
    };
    Ok(found.and_then(read))
}

/// Those who may cover for this user: who is active, and may write to patients.
pub fn may_cover(conn: &mut Conn, user: UserId) -> QueryResult<Vec<Account>> {
    let able = |one: &Account| one.id != user && one.active && one.role.may(Action::Send);
    Ok(accounts(conn)?.into_iter().filter(able).collect())
}

/// Sets when the user is away, or that they are back.
///
/// # Errors
/// See [`AwayError`].
pub fn set_absence(
    tx: &mut Tx,
    now: Ts,
    me: &SignedInUser<rights::Read>,
    absence: Option<Absence>,
) -> Result<(), AwayError> {
    lock_row(tx, "clinic", 1)?;
    write(tx, now, Some(me.id()).into(), me.id(), absence)
}

/// The same for another user, by somebody who may manage users.
///
/// # Errors
/// See [`AwayError`].
pub fn set_absence_of(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    user: UserId,
    absence: Option<Absence>,
) -> Result<(), AwayError> {
    hold(tx, by, user)?;
    write(tx, now, by.user().into(), user, absence)
}

/// The caller has locked all users: whoever is named cannot be deactivated at the same moment.
fn write(tx: &mut Tx, now: Ts, actor: Actor, user: UserId, absence: Option<Absence>) -> Result<(), AwayError> {
    if let Some(absence) = absence
        && may_cover(tx, user)?.iter().all(|one| one.id != absence.cover)
    {
        return Err(AwayError::CannotCover);
    }
    diesel::delete(absences::table.find(user)).execute(tx.conn())?;
    if let Some(Absence { from, until, cover }) = absence {
        let row = (
            absences::user_id.eq(user),
            absences::away_from.eq(day_text(from)),
            absences::away_until.eq(day_text(until)),
            absences::cover_id.eq(cover),
        );
        diesel::insert_into(absences::table).values(row).execute(tx.conn())?;
    }
    let entry = Entry::of_clinic(actor, Event::UserChanged, Subject::User(user));
    Ok(audit::append(tx, now, entry.with(if absence.is_some() { "away" } else { "back" }))?)
}

/// A user leaves: they are not away but gone, and whoever takes over covers in their place. Where nobody does, those for whom they
/// covered stay away, and nobody covers. The caller has locked all users.
pub(super) fn forget_absences(tx: &mut Tx, user: UserId, to: Option<UserId>) -> QueryResult<()> {
    diesel::delete(absences::table.find(user)).execute(tx.conn())?;
    let Some(to) = to else { return Ok(()) };
    // whoever takes over cannot cover for themselves
    let theirs = absences::table.filter(absences::cover_id.eq(user)).filter(absences::user_id.ne(to));
    diesel::update(theirs).set(absences::cover_id.eq(to)).execute(tx.conn()).map(drop)
}

/// For how many colleagues who are or will be away this user covers.
pub fn count_covered(conn: &mut Conn, today: Date, user: UserId) -> QueryResult<i64> {
    let theirs = absences::table.filter(absences::cover_id.eq(user));
    theirs.filter(absences::away_until.ge(day_text(today))).count().get_result(conn)
}

/// Who is away on this day: until when, and whom they named.
fn away_on(conn: &mut Conn, today: Date) -> QueryResult<Vec<(UserId, String, UserId)>> {
    let today = day_text(today);
    absences::table
        .filter(absences::away_from.le(&today))
        .filter(absences::away_until.ge(&today))
        .order(absences::user_id)
        .select((absences::user_id, absences::away_until, absences::cover_id))
        .load(conn)
}

/// For each user who is away today, who covers: where that one is away too, whoever covers for them, and so on. Nobody, where those
/// who cover for each other are all away. All of them stay active until the transaction ends: call this before a conversation is
/// locked, as [`access::active`].
pub fn covering(tx: &mut Tx, now: Ts) -> QueryResult<Vec<(UserId, UserId)>> {
    let none = absences::table.select(absences::user_id).first::<UserId>(tx.conn()).optional()?.is_none();
    if none {
        return Ok(Vec::new());
    }
    let today = settings::load(tx)?.zone().local(now).date();
    let away: HashMap<UserId, UserId> = away_on(tx, today)?.into_iter().map(|(user, _, cover)| (user, cover)).collect();
    let pairs: Vec<(UserId, UserId)> =
        away.iter().filter_map(|(user, cover)| Some((*user, last(&away, *cover)?))).collect();
    let named: Vec<UserId> = pairs.iter().map(|(_, cover)| *cover).collect();
    let able = able(tx, &named)?;
    Ok(pairs.into_iter().filter(|(_, cover)| able.contains(cover)).collect())
}

/// Whoever stands at the end of the covers that begin with this one; `None` where they go round.
fn last(away: &HashMap<UserId, UserId>, first: UserId) -> Option<UserId> {
    let steps = std::iter::successors(Some(first), |one| away.get(one).copied());
    steps.take(away.len() + 1).find(|one| !away.contains_key(one))
}

/// Those of these users who are active, and stay so until the transaction ends, and may write to patients.
fn able(tx: &mut Tx, named: &[UserId]) -> QueryResult<Vec<UserId>> {
    let active = access::active(tx, named)?;
    let found: Vec<(UserId, access::Role)> = users::table
        .filter(users::id.eq_any(active))
        .order(users::id)
        .select((users::id, users::role))
        .load(tx.conn())?;
    Ok(found.into_iter().filter(|(_, role)| role.may(Action::Send)).map(|(id, _)| id).collect())
}

/// The owners who are active, and stay so until the transaction ends.
pub fn owners(tx: &mut Tx) -> QueryResult<Vec<UserId>> {
    let found = users::table.filter(users::role.eq(access::Role::Owner)).filter(users::active.eq(true));
    let ids: Vec<UserId> = found.order(users::id).select(users::id).load(tx.conn())?;
    able(tx, &ids)
}

/// Those of these users who are away on this day, each with whoever [`covering`] finds for them.
pub fn away_among(conn: &mut Conn, today: Date, named: &[UserId]) -> QueryResult<Vec<Away>> {
    let rows = away_on(conn, today)?;
    if rows.iter().all(|(user, ..)| !named.contains(user)) {
        return Ok(Vec::new());
    }
    let away: HashMap<UserId, UserId> = rows.iter().map(|(user, _, cover)| (*user, *cover)).collect();
    let able: HashMap<UserId, String> = accounts(conn)?
        .into_iter()
        .filter(|one| one.active && one.role.may(Action::Send))
        .map(|one| (one.id, one.name.to_string()))
        .collect();
    let theirs = rows.into_iter().filter(|(user, ..)| named.contains(user));
    Ok(theirs
        .filter_map(|(user, until, cover)| {
            let cover = last(&away, cover).and_then(|one| able.get(&one).cloned());
            Some(Away { user, until: parse_day(&until)?, cover })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_are_followed_to_the_one_who_is_there() {
        let id = |number| UserId(number);
        let away = HashMap::from([(id(1), id(2)), (id(2), id(3)), (id(4), id(5)), (id(5), id(4))]);
        assert_eq!(last(&away, id(2)), Some(id(3)), "the cover of the cover");
        assert_eq!(last(&away, id(3)), Some(id(3)));
        assert_eq!((last(&away, id(5)), last(&away, id(4))), (None, None), "they cover for each other");
        let round = HashMap::from([(id(1), id(1))]);
        assert_eq!(last(&round, id(1)), None);
    }
}
