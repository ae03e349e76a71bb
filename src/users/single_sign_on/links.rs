//! Links between users and persons at the provider: made by the user, by an invitation or by the first sign-in; ended
//! by the user or by an owner.

use super::ProviderRefusal;
use crate::access::{Authority, ConfirmedAccount, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::provider_links as l;
use crate::db::{Conn, DbError, Ts, Tx, UserId, lock_row};
use crate::provider::Person;
use crate::users::accounts::{self, Account, WaysIn};
use crate::users::mails::{self, MailKind, Wanted};
use crate::users::manage::{ManageError, hold, is_last_owner};
use crate::users::sessions;
use diesel::prelude::*;

/// A user's link.
#[derive(Debug, Clone, Queryable)]
pub struct ProviderLink {
    /// the provider's issuer address
    pub issuer: String,
    /// since when
    pub linked_at: Ts,
    /// when the user last signed in by it
    pub used_at: Option<Ts>,
}

/// The link of a user; `None` where they have none.
pub fn provider_link(conn: &mut Conn, user: UserId) -> QueryResult<Option<ProviderLink>> {
    l::table.find(user).select((l::issuer, l::linked_at, l::used_at)).first(conn).optional()
}

/// The user who is linked to this person.
pub(super) fn whose(conn: &mut Conn, person: &Person) -> QueryResult<Option<UserId>> {
    let of_them = l::table.filter(l::issuer.eq(&person.issuer)).filter(l::subject.eq(&person.subject));
    of_them.select(l::user_id).first(conn).optional()
}

/// Links a user to this person, in place of an earlier one; refused where another user is linked to the person. The
/// caller has locked all users.
pub(super) fn link(
    tx: &mut Tx,
    now: Ts,
    user: UserId,
    person: &Person,
    made_by: Actor,
) -> QueryResult<Result<(), ProviderRefusal>> {
    match whose(tx, person)? {
        Some(other) if other != user => return Ok(Err(ProviderRefusal::LinkedElsewhere)),
        Some(_) => {
            audit::append(tx, now, Entry::of_clinic(made_by, Event::ProviderLinked, Subject::User(user)))?;
            return Ok(Ok(()));
        }
        None => {}
    }
    diesel::delete(l::table.find(user)).execute(tx.conn())?;
    let row = (
        (l::user_id.eq(user), l::issuer.eq(&person.issuer), l::subject.eq(&person.subject)),
        (l::linked_at.eq(now), l::used_at.eq(None::<Ts>)),
    );
    diesel::insert_into(l::table).values(row).execute(tx.conn())?;
    audit::append(tx, now, Entry::of_clinic(made_by, Event::ProviderLinked, Subject::User(user)))?;
    mails::post(tx, now, &Wanted::to_user(MailKind::ProviderLinked, Some(user)))?;
    Ok(Ok(()))
}

/// Notes that the user has signed in by their link.
pub(super) fn used(tx: &mut Tx, now: Ts, user: UserId) -> QueryResult<usize> {
    diesel::update(l::table.find(user)).set(l::used_at.eq(now)).execute(tx.conn())
}

/// Why a link was not ended.
#[derive(Debug, thiserror::Error)]
pub enum UnlinkError {
    /// Without it the user could not sign in.
    #[error("there is no other way to sign in")]
    Needed,
    /// The user has no link.
    #[error("there is no such link")]
    NotThere,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(UnlinkError);

fn remove(tx: &mut Tx, now: Ts, by: Actor, user: UserId) -> QueryResult<bool> {
    let had = diesel::delete(l::table.find(user)).execute(tx.conn())? > 0;
    if had {
        mails::post(tx, now, &Wanted::to_user(MailKind::ProviderUnlinked, Some(user)))?;
    }
    // written also where there was no link, because somebody asked for it
    audit::append(tx, now, Entry::of_clinic(by, Event::ProviderUnlinked, Subject::User(user)))?;
    Ok(had)
}

/// Ends the user's own link. `is_only_way`: users sign in at the provider only.
///
/// # Errors
/// See [`UnlinkError`].
pub fn unlink(tx: &mut Tx, now: Ts, me: &ConfirmedAccount, is_only_way: bool) -> Result<(), UnlinkError> {
    lock_row(tx, "clinic", 1)?;
    let account = accounts::account(tx, me.id())?.ok_or(UnlinkError::NotThere)?;
    if !account.is_linked {
        return Err(UnlinkError::NotThere);
    }
    if is_only_way || !account.has_password {
        return Err(UnlinkError::Needed);
    }
    remove(tx, now, Actor::User(me.id()), me.id())?;
    Ok(())
}

/// Ends a user's link and sessions: the person at the provider cannot sign in as this user any more. `false` where
/// there was no link.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`]; [`ManageError::LastOwner`] where nobody else can sign in and
/// manage users.
pub fn unlink_user(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    ways: WaysIn,
    user: UserId,
) -> Result<bool, ManageError> {
    let account = hold(tx, by, user)?;
    let without = Account { is_linked: false, ..account.clone() };
    if account.is_linked && !ways.are_open_to(&without) && is_last_owner(tx, ways, &account)? {
        return Err(ManageError::LastOwner);
    }
    let had = remove(tx, now, by.user().into(), user)?;
    if had {
        sessions::end_all(tx, user)?;
    }
    Ok(had)
}
