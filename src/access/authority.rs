//! A verb that concerns the clinic and no single record asks for an [`Authority`]: the right itself, whoever has it.

use super::{ConfirmedUser, Right, Role, SignedInUser, Unconfirmed};
use crate::db::schema::users;
use crate::db::{Conn, UserId};
use diesel::prelude::*;

/// Somebody who has the right `R`.
pub trait Authority<R: Right> {
    /// The user; `None` for the program itself.
    fn user(&self) -> Option<UserId>;
}

impl<R: Unconfirmed> Authority<R> for SignedInUser<R> {
    fn user(&self) -> Option<UserId> {
        Some(self.id())
    }
}

impl<R: Right> Authority<R> for ConfirmedUser<R> {
    fn user(&self) -> Option<UserId> {
        Some(self.user().id())
    }
}

/// Whoever runs the program from a command line: they hold the database and the files, so every right is theirs. Only the
/// commands and the demo make one, and the sync that they configured; a test holds them to it.
#[derive(Debug, Clone, Copy)]
pub struct Operator(());

impl Operator {
    /// The operator who gave the command.
    pub fn of_the_command_line() -> Operator {
        Operator(())
    }

    /// The sync with a source that the operator wrote into the configuration: it does what `postern import` does.
    pub fn of_the_sync() -> Operator {
        Operator(())
    }
}

impl<R: Right> Authority<R> for Operator {
    fn user(&self) -> Option<UserId> {
        None
    }
}

/// Whether `by` still has the right `R`: somebody else may have taken the right away since the request began.
pub fn still_has<R: Right>(conn: &mut Conn, by: &impl Authority<R>) -> QueryResult<bool> {
    let Some(user) = by.user() else { return Ok(true) };
    let role = users::table.find(user).filter(users::active.eq(true)).select(users::role);
    Ok(role.first::<Role>(conn).optional()?.is_some_and(|role| role.may(R::ACTION)))
}
