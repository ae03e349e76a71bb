//! Ends a user's sessions, and their sign-ins that are not complete yet.

use super::manage::{ManageError, hold};
use super::{second_factor, single_sign_on};
use crate::access::{Authority, rights, session};
use crate::audit::{self, Entry, Event, Subject};
use crate::db::{Ts, Tx, UserId};
use diesel::QueryResult;

/// Ends all sessions of a user, and sign-ins that are not complete yet.
pub(super) fn end_all(tx: &mut Tx, user: UserId) -> QueryResult<()> {
    session::end_of_user(tx, user)?;
    single_sign_on::end_visits(tx, user)?;
    second_factor::end_pending(tx, user).map(drop)
}

/// Ends every session of another user, who may sign in again: for a browser that was left open or stolen.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`].
pub fn end_sessions_of(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    user: UserId,
) -> Result<(), ManageError> {
    hold(tx, by, user)?;
    end_all(tx, user)?;
    audit::append(tx, now, Entry::of_clinic(by.user().into(), Event::SessionEnded, Subject::User(user)))?;
    Ok(())
}
