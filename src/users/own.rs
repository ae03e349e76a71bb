//! Changes that users make to their own account. Password and address ask for the present password, because a browser
//! may have been left open.

use super::accounts::by_email;
use super::mails::{self, MailKind, Wanted};
use super::password::{self, HashError, WeakPassword};
use super::sessions;
use crate::access::{SignedInUser, rights, session};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{password_links, users};
use crate::db::{Db, DbError, Ts, Tx, UserId, lock_row};
use crate::values::EmailAddress;
use diesel::prelude::*;
use std::net::IpAddr;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OwnAccountError {
    /// The password is not the user's.
    #[error("the password is wrong")]
    WrongPassword,
    /// The new password is not allowed.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// Another user signs in with this address.
    #[error("the address is taken")]
    EmailTaken,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Hashing failed.
    #[error("hashing failed: {0}")]
    Hash(String),
}

impl From<HashError> for OwnAccountError {
    fn from(cause: HashError) -> Self {
        match cause {
            HashError::Weak(cause) => OwnAccountError::Weak(cause),
            HashError::Db(cause) => OwnAccountError::Db(cause),
            HashError::Hash(cause) => OwnAccountError::Hash(cause),
        }
    }
}

crate::from_database!(OwnAccountError);

/// The signed-in user's password, as it was typed, with the caller's address: see [`crate::slow_hash::verify`].
pub struct TypedPassword {
    /// the password, as typed
    pub password: String,
    /// the caller's address
    pub from: IpAddr,
}

/// The stored hash, if the password is right. The change is then made only where the hash is still the same.
pub(super) async fn checked(db: &Db, user: UserId, typed: TypedPassword) -> Result<String, OwnAccountError> {
    let read = db.read(move |conn| -> Result<_, DbError> {
        let active = users::table.find(user).filter(users::active.eq(true));
        Ok(active.select(users::password_hash).first::<Option<String>>(conn).optional()?)
    });
    let hash = read.await?.flatten();
    let right = password::is_right(typed.from, typed.password, hash.clone()).await;
    hash.filter(|_| right).ok_or(OwnAccountError::WrongPassword)
}

/// Locks all users until the transaction ends, and makes sure that this one is active and has the password that was
/// checked. Gives their address.
fn held(tx: &mut Tx, user: UserId, hash: &str) -> Result<EmailAddress, OwnAccountError> {
    lock_row(tx, "clinic", 1)?;
    let same = users::table.find(user).filter(users::active.eq(true)).filter(users::password_hash.eq(hash));
    same.select(users::email).first(tx.conn()).optional()?.ok_or(OwnAccountError::WrongPassword)
}

/// Sets another password, and ends all sessions of the user: the page that calls this begins a new one. The user is
/// told by mail.
///
/// # Errors
/// See [`OwnAccountError`].
pub async fn change_password(
    db: &Db,
    now: Ts,
    me: &SignedInUser<rights::Read>,
    typed: TypedPassword,
    new: String,
) -> Result<(), OwnAccountError> {
    let user = me.id();
    let before = checked(db, user, typed).await?;
    let after = password::hashed(db, user, new).await?;
    let write = db.write(move |tx| -> Result<_, OwnAccountError> {
        held(tx, user, &before)?;
        diesel::update(users::table.find(user)).set(users::password_hash.eq(after)).execute(tx.conn())?;
        diesel::delete(password_links::table.filter(password_links::user_id.eq(user))).execute(tx.conn())?;
        sessions::end_all(tx, user)?;
        let entry = Entry::of_clinic(Actor::User(user), Event::PasswordSet, Subject::User(user));
        audit::append(tx, now, entry.with("own"))?;
        Ok(mails::post(tx, now, &Wanted::to_user(MailKind::PasswordChanged, Some(user)))?)
    });
    write.await
}

/// Sets another address to sign in with. A mail goes to the old one.
///
/// # Errors
/// See [`OwnAccountError`].
pub async fn change_email(
    db: &Db,
    now: Ts,
    me: &SignedInUser<rights::Read>,
    typed: TypedPassword,
    email: EmailAddress,
) -> Result<(), OwnAccountError> {
    let user = me.id();
    let hash = checked(db, user, typed).await?;
    let write = db.write(move |tx| -> Result<_, OwnAccountError> {
        let before = held(tx, user, &hash)?;
        if by_email(tx, &email)?.is_some_and(|other| other != user) {
            return Err(OwnAccountError::EmailTaken);
        }
        if before == email {
            return Ok(());
        }
        let row = (users::email.eq(&email), users::email_key.eq(email.key()));
        diesel::update(users::table.find(user)).set(row).execute(tx.conn())?;
        let entry = Entry::of_clinic(Actor::User(user), Event::UserChanged, Subject::User(user));
        audit::append(tx, now, entry.with("email"))?;
        Ok(mails::post(tx, now, &Wanted::to_user(MailKind::EmailChanged, Some(user)).to(before))?)
    });
    write.await
}

/// The user's own sessions that are to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// the one with this mark
    One(String),
    /// all but the one with this mark
    AllBut(String),
}

/// Ends some of the user's own sessions. Gives how many.
pub fn end_sessions(tx: &mut Tx, now: Ts, me: &SignedInUser<rights::Read>, which: &Ended) -> QueryResult<usize> {
    let user = me.id();
    let ended = match which {
        Ended::One(mark) => session::end_some(tx, now, user, |one| one.mark == *mark)?,
        Ended::AllBut(mark) => session::end_some(tx, now, user, |one| one.mark != *mark)?,
    };
    if ended > 0 {
        let entry = Entry::of_clinic(Actor::User(user), Event::SessionEnded, Subject::User(user));
        audit::append(tx, now, entry.with(ended.to_string()))?;
    }
    Ok(ended)
}
