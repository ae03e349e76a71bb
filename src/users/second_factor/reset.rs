//! An owner removes the second factor of a user who has lost it: that user signs in with the password alone, and must
//! set up another second factor at once where their role needs one.

use super::{app, check, passkeys, recovery};
use crate::access::{Authority, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::db::{Ts, Tx, UserId, lock_row};
use crate::users::mails::{self, MailKind, Wanted};
use crate::users::manage::{ManageError, hold};
use crate::users::sessions;

/// Removes the user's second factors, and ends their sessions, because somebody with the lost phone may be in one. The
/// user is told by mail. `false` where there was no second factor.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`].
pub fn reset_second_factor(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    user: UserId,
) -> Result<bool, ManageError> {
    hold(tx, by, user)?;
    lock_row(tx, "users", user.0)?;
    let had = super::second_factor(tx, user)?.is_there();
    app::forget(tx, user)?;
    passkeys::forget(tx, user)?;
    recovery::forget(tx, user)?;
    check::forget(tx, user)?;
    if had {
        sessions::end_all(tx, user)?;
        mails::post(tx, now, &Wanted::to_user(MailKind::SecondFactorReset, Some(user)))?;
    }
    // written also where there was nothing to remove, because somebody asked for it
    audit::append(tx, now, Entry::of_clinic(by.user().into(), Event::SecondFactorReset, Subject::User(user)))?;
    Ok(had)
}
