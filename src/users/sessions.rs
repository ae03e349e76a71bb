//! Ends every way in which a user is in, or half in.

use super::{second_factor, single_sign_on};
use crate::access::session;
use crate::db::{Tx, UserId};
use diesel::QueryResult;

/// Ends all sessions of a user, and sign-ins that were begun.
pub(super) fn end_all(tx: &mut Tx, user: UserId) -> QueryResult<()> {
    session::end_of_user(tx, user)?;
    single_sign_on::end_visits(tx, user)?;
    second_factor::end_pending(tx, user).map(drop)
}
