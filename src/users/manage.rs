//! Adding users, changing who they are, deactivating and reactivating them.
//!
//! Whoever does so waits for whoever else does at the same moment: that somebody is left who may, and that no two sign in
//! with one address, is asked of all users together.

use super::accounts::{Account, account, by_email};
use super::sessions;
use crate::access::{self, Action, Authority, Role, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{password_links, provider_links, users};
use crate::db::{Conn, DbError, Ts, Tx, UserId, lock_row};
use crate::outbox::{self, Task};
use crate::values::{EmailAddress, UserName};
use diesel::prelude::*;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// Whoever asked may not do this any more.
    #[error("not an owner any more")]
    NotAllowed,
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// Nobody else who can sign in may manage users.
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

/// What a user is to be from now on.
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

/// Keeps others from changing users until the transaction ends, and gives this one as they are.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`].
pub fn hold(tx: &mut Tx, by: &impl Authority<rights::Users>, user: UserId) -> Result<Account, ManageError> {
    lock(tx, by)?;
    account(tx, user)?.ok_or(ManageError::NotFound)
}

/// Whether there is somebody else who can sign in and may manage users.
fn others_manage(conn: &mut Conn, but: UserId) -> QueryResult<bool> {
    let managers: Vec<Role> = Role::ALL.iter().copied().filter(|role| role.may(Action::Users)).collect();
    let has_a_way_in = users::password_hash.is_not_null().or(provider_links::user_id.nullable().is_not_null());
    let others = users::table
        .left_join(provider_links::table)
        .filter(users::id.ne(but))
        .filter(users::active.eq(true))
        .filter(has_a_way_in)
        .filter(users::role.eq_any(managers));
    Ok(others.select(users::id).first::<UserId>(conn).optional()?.is_some())
}

/// Whether nobody would be left who can manage users, if this one could not any more.
pub fn is_last_owner(conn: &mut Conn, who: &Account) -> QueryResult<bool> {
    Ok(who.active && who.role.may(Action::Users) && !others_manage(conn, who.id)?)
}

/// Adds a user.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::EmailTaken`].
pub fn add(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Users>, user: AddUser) -> Result<UserId, ManageError> {
    lock(tx, by)?;
    insert(tx, now, by.user(), user)?.ok_or(ManageError::EmailTaken)
}

/// Adds a user, where users are held already; `None` where another one signs in with the address.
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

/// Gives a user the role that the provider says, where users are held already. The last owner stays one.
pub(super) fn follow_role(tx: &mut Tx, now: Ts, who: &Account, role: Role) -> QueryResult<()> {
    if role == who.role || (!role.may(Action::Users) && is_last_owner(tx, who)?) {
        return Ok(());
    }
    diesel::update(users::table.find(who.id)).set(users::role.eq(role)).execute(tx.conn())?;
    let entry = Entry::of_clinic(Actor::System, Event::UserRoleChanged, Subject::User(who.id));
    audit::append(tx, now, entry.with(format!("{} {}", who.role.as_str(), role.as_str())))
}

/// Changes a user's name, address and role. The role holds from the user's next request on.
///
/// # Errors
/// See [`ManageError`].
pub fn change(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    user: UserId,
    to: &Change,
) -> Result<(), ManageError> {
    let before = hold(tx, by, user)?;
    if !to.role.may(Action::Users) && is_last_owner(tx, &before)? {
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

/// Whether this user is active and may leave. From then on, until the transaction ends, nobody gives them work: whoever
/// does so holds their row, see [`crate::access::active`], and is either waited for or sees that the user has left.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`], [`ManageError::LastOwner`].
pub fn may_leave(tx: &mut Tx, by: &impl Authority<rights::Users>, user: UserId) -> Result<bool, ManageError> {
    let before = hold(tx, by, user)?;
    if is_last_owner(tx, &before)? {
        return Err(ManageError::LastOwner);
    }
    lock_row(tx, "users", user.0)?;
    Ok(before.active)
}

/// Ends a user's sessions and links at once: they cannot sign in any more. `false` where that is so already. What they
/// have to do is handed over by the room `administration`, which alone calls this.
///
/// # Errors
/// Those of [`may_leave`].
pub fn deactivate(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Users>, user: UserId) -> Result<bool, ManageError> {
    if !may_leave(tx, by, user)? {
        return Ok(false);
    }
    diesel::update(users::table.find(user)).set(users::active.eq(false)).execute(tx.conn())?;
    sessions::end_all(tx, user)?;
    diesel::delete(password_links::table.filter(password_links::user_id.eq(user))).execute(tx.conn())?;
    outbox::cancel(tx, &[Task::TellStaff(user)])?;
    audit::append(tx, now, Entry::of_clinic(by.user().into(), Event::UserDeactivated, Subject::User(user)))?;
    Ok(true)
}

/// Lets a user sign in again, with the password and the role that they had. `false` where they can already.
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
