//! What a verb asks for that concerns the clinic and no single record: the right itself, whoever has it.

use super::{Right, SignedInUser};
use crate::db::UserId;

/// Somebody who has the right `R`.
pub trait Authority<R: Right> {
    /// Which user; `None` for the program itself.
    fn user(&self) -> Option<UserId>;
}

impl<R: Right> Authority<R> for SignedInUser<R> {
    fn user(&self) -> Option<UserId> {
        Some(self.id())
    }
}

/// Whoever runs the program from a command line: they hold the database and the files, so every right is theirs. Only the
/// commands and the demo make one; a test holds them to it.
#[derive(Debug, Clone, Copy)]
pub struct Operator(());

impl Operator {
    /// The one who gave the command.
    pub fn of_the_command_line() -> Operator {
        Operator(())
    }
}

impl<R: Right> Authority<R> for Operator {
    fn user(&self) -> Option<UserId> {
        None
    }
}
