//! Adding users; changing their name, address and role; deactivating and reactivating them.
//!
//! Two such changes at the same moment wait for each other, because two rules concern all users together: one user who
//! may manage users remains, and no two users have the same address.

use super::accounts::{Account, WaysIn, account, accounts, by_email};
use super::{away, sessions};
use crate::access::{self, Action, Authority, Role, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{password_links, users};
use crate::db::{Conn, DbError, Ts, Tx, UserId, lock_row};
use crate::outbox::{self, Task};
use crate::values::{EmailAddress, UserName};
use diesel::prelude::*;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The right to manage users was taken away since the request began.
    #[error("not an owner any more")]
    NotAllowed,
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// No other user who can sign in may manage users.
    #[error("the last owner")]
    LastOwner,
    /// Another user signs in with this address.
    #[error("the address is taken")]
    EmailTaken,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(ManageError);

/// A user to be added.
pub struct AddUser {
    /// sign-in name
    pub email: EmailAddress,
    /// as colleagues see it
    pub name: UserName,
    /// role
    pub role: Role,
    /// language of pages
    pub language: String,
    /// argon2 hash; `None` until a password is set by link
    pub password_hash: Option<String>,
}

/// A user's new name, address and role.
pub struct Change {
    /// sign-in name
    pub email: EmailAddress,
    /// as colleagues see it
    pub name: UserName,
    /// role
    pub role: Role,
}

fn lock(tx: &mut Tx, by: &impl Authority<rights::Users>) -> Result<(), ManageError> {
    lock_row(tx, "clinic", 1)?;
    if access::still_has(tx, by)? { Ok(()) } else { Err(ManageError::NotAllowed) }
}

/// Locks all users against changes by others until the transaction ends, and gives this user.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`].
pub fn hold(tx: &mut Tx, by: &impl Authority<rights::Users>, user: UserId) -> Result<Account, ManageError> {
    lock(tx, by)?;
    account(tx, user)?.ok_or(ManageError::NotFound)
}

/// Whether this user is active and may manage users, and no other user who can sign in may.
pub fn is_last_owner(conn: &mut Conn, ways: WaysIn, who: &Account) -> QueryResult<bool> {
    let manages = |one: &Account| one.active && one.role.may(Action::Users);
    let others = |one: &Account| one.id != who.id && manages(one) && ways.are_open_to(one);
    Ok(manages(who) && !accounts(conn)?.iter().any(others))
}

/// Adds a user.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::EmailTaken`].
pub fn add(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Users>, user: AddUser) -> Result<UserId, ManageError> {
    lock(tx, by)?;
    insert(tx, now, by.user(), user)?.ok_or(ManageError::EmailTaken)
}

/// Adds a user; the caller has locked all users. `None` where another user signs in with the address.
pub(super) fn insert(tx: &mut Tx, now: Ts, by: Option<UserId>, user: AddUser) -> QueryResult<Option<UserId>> {
    if by_email(tx, &user.email)?.is_some() {
        return Ok(None);
    }
    let row = (
        (users::email.eq(&user.email), users::email_key.eq(user.email.key()), users::name.eq(&user.name)),
        (users::role.eq(user.role), users::language.eq(&user.language), users::password_hash.eq(&user.password_hash)),
        (users::active.eq(true), users::created_at.eq(now)),
    );
    let id: UserId = diesel::insert_into(users::table).values(row).returning(users::id).get_result(tx.conn())?;
    let entry = Entry::of_clinic(by.into(), Event::UserAdded, Subject::User(id)).with(user.role.as_str());
    audit::append(tx, now, entry)?;
    Ok(Some(id))
}

/// Gives a user the role that the provider says; the caller has locked all users. The last owner keeps the role.
pub(super) fn follow_role(tx: &mut Tx, now: Ts, ways: WaysIn, who: &Account, role: Role) -> QueryResult<()> {
    if role == who.role || (!role.may(Action::Users) && is_last_owner(tx, ways, who)?) {
        return Ok(());
    }
    diesel::update(users::table.find(who.id)).set(users::role.eq(role)).execute(tx.conn())?;
    let entry = Entry::of_clinic(Actor::System, Event::UserRoleChanged, Subject::User(who.id));
    audit::append(tx, now, entry.with(format!("{} {}", who.role.as_str(), role.as_str())))
}

/// Changes a user's name, address and role. The new role applies from the user's next request on.
///
/// # Errors
/// See [`ManageError`].
pub fn change(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    ways: WaysIn,
    user: UserId,
    to: &Change,
) -> Result<(), ManageError> {
    let before = hold(tx, by, user)?;
    if !to.role.may(Action::Users) && is_last_owner(tx, ways, &before)? {
        return Err(ManageError::LastOwner);
    }
    if by_email(tx, &to.email)?.is_some_and(|other| other != user) {
        return Err(ManageError::EmailTaken);
    }
    diesel::update(users::table.find(user))
        .set((
            (users::name.eq(&to.name), users::role.eq(to.role)),
            (users::email.eq(&to.email), users::email_key.eq(to.email.key())),
        ))
        .execute(tx.conn())?;
    let changed = [("name", before.name != to.name), ("email", before.email != to.email)];
    let fields: Vec<&str> = changed.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    let mut note = |event, words: String| {
        audit::append(tx, now, Entry::of_clinic(by.user().into(), event, Subject::User(user)).with(words))
    };
    if !fields.is_empty() {
        note(Event::UserChanged, fields.join(" "))?;
    }
    if before.role != to.role {
        note(Event::UserRoleChanged, format!("{} {}", before.role.as_str(), to.role.as_str()))?;
    }
    Ok(())
}

/// Whether this user is active and may be deactivated. Nobody gives them work from here until the transaction ends:
/// that needs a lock on the user's row, see [`crate::access::active`]. So it happens before, or finds them deactivated.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`], [`ManageError::LastOwner`].
pub fn may_leave(
    tx: &mut Tx,
    by: &impl Authority<rights::Users>,
    ways: WaysIn,
    user: UserId,
) -> Result<bool, ManageError> {
    let before = hold(tx, by, user)?;
    if is_last_owner(tx, ways, &before)? {
        return Err(ManageError::LastOwner);
    }
    lock_row(tx, "users", user.0)?;
    Ok(before.active)
}

/// Deactivates a user: ends their sessions and links at once, and lets them sign in no more. `false` where they were
/// deactivated already. The room `administration`, the only caller, hands over what they have to do, to `to`.
///
/// # Errors
/// Those of [`may_leave`].
pub fn deactivate(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    ways: WaysIn,
    user: UserId,
    to: Option<UserId>,
) -> Result<bool, ManageError> {
    if !may_leave(tx, by, ways, user)? {
        return Ok(false);
    }
    diesel::update(users::table.find(user)).set(users::active.eq(false)).execute(tx.conn())?;
    sessions::end_all(tx, user)?;
    diesel::delete(password_links::table.filter(password_links::user_id.eq(user))).execute(tx.conn())?;
    outbox::cancel(tx, &[Task::TellStaff(user)])?;
    away::forget_absences(tx, user, to)?;
    audit::append(tx, now, Entry::of_clinic(by.user().into(), Event::UserDeactivated, Subject::User(user)))?;
    Ok(true)
}

/// Lets a user sign in again, with the password and the role that they had. `false` where they are active already.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`].
pub fn reactivate(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Users>, user: UserId) -> Result<bool, ManageError> {
    if hold(tx, by, user)?.active {
        return Ok(false);
    }
    diesel::update(users::table.find(user)).set(users::active.eq(true)).execute(tx.conn())?;
    audit::append(tx, now, Entry::of_clinic(by.user().into(), Event::UserReactivated, Subject::User(user)))?;
    Ok(true)
}
