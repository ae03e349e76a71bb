//! Proving once more who one is, before actions that are not allowed in a browser that was left open.

use super::accounts;
use super::own::{OwnAccountError, TypedPassword, checked};
use super::second_factor::{Checked, TypedFactor, Vault, check};
use crate::access::OwnAccount;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::{Conn, Db, DbError, Ts};
use crate::values::EmailAddress;
use diesel::QueryResult;
use std::net::IpAddr;

/// What the user proves their identity with.
pub enum Confirmation {
    /// with the password
    Password(TypedPassword),
    /// with the second factor
    Factor(TypedFactor),
}

/// Checks what was typed; success and failure both leave an audit row. The page that calls this notes success in the
/// session.
///
/// # Errors
/// Those of the database.
pub async fn confirm(
    db: &Db,
    now: Ts,
    me: &OwnAccount,
    (confirmation, from): (Confirmation, IpAddr),
    vault: Vault,
) -> Result<Checked, DbError> {
    let user = me.id();
    let by_password = match confirmation {
        Confirmation::Factor(typed) => Err(typed),
        Confirmation::Password(typed) => Ok(match checked(db, user, typed).await {
            Ok(_) => true,
            Err(OwnAccountError::Db(cause)) => return Err(cause),
            Err(_) => false,
        }),
    };
    let write = db.write(move |tx| -> Result<_, DbError> {
        let is = match by_password {
            Ok(true) => Checked::Right,
            Ok(false) => Checked::Wrong,
            Err(typed) => check(tx, now, (user, from), &typed, &vault)?,
        };
        let event = if is == Checked::Right { Event::IdentityConfirmed } else { Event::IdentityNotConfirmed };
        let entry = Entry::of_clinic(Actor::User(user), event, Subject::User(user));
        audit::append(tx, now, entry.with(from.to_string()))?;
        Ok(is)
    });
    write.await
}

/// The address with which this user signs in, for the limits of tries.
pub fn own_email(conn: &mut Conn, me: &OwnAccount) -> QueryResult<EmailAddress> {
    accounts::email_of(conn, me.id())
}
