//! `migrate-database`: the clinic moves from SQLite to PostgreSQL while it works.

use crate::audit::{self, Actor, Broken, Entry, Event, Subject};
use crate::db::copying::{MoveError, Moved, Moving};
use crate::db::{DatabaseUrl, DbError, Keys, Ts};

/// A pass with fewer rows is the last one that the clinic does not notice: the next one takes no shorter.
const FEW: u64 = 500;
/// The most passes before the last one: a clinic that never rests is moved all the same.
const MOST_PASSES: usize = 6;

/// What a move is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// a pass ended: its number, and how many rows differed
    Passed(usize, u64),
    /// nobody can write from now on
    Still,
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocated {
    /// each table, alike in both databases
    pub tables: Vec<Moved>,
    /// rows of the audit log, whose hashes verify in the new database
    pub audit_rows: u64,
}

/// Why the clinic did not move. It goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// The rows could not be brought over.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The log does not hold in the new database.
    #[error("the audit log was tampered with: {0}")]
    Audit(Broken),
}

impl From<diesel::result::Error> for RelocateError {
    fn from(cause: diesel::result::Error) -> RelocateError {
        RelocateError::Move(MoveError::Db(DbError::from(cause)))
    }
}

/// Moves every row to an empty database, and leaves the old one for good: nobody can write to it any more. `tell` hears of
/// each step. It can be broken off anywhere, and begun again.
///
/// # Errors
/// See [`RelocateError`].
pub fn relocate(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    keys: &Keys,
    now: impl FnOnce() -> Ts,
    mut tell: impl FnMut(Step),
) -> Result<Relocated, RelocateError> {
    let mut moving = Moving::begin(from, to)?;
    for number in 1..=MOST_PASSES {
        let differed = moving.pass()?;
        tell(Step::Passed(number, differed));
        if differed < FEW {
            break;
        }
    }
    tell(Step::Still);
    let entry = Entry::of_clinic(Actor::System, Event::DatabaseMoved, Subject::None);
    let mut audit_rows = 0;
    let tables = moving.finish(
        keys,
        |tx| audit::append(tx, now(), entry),
        |tx| {
            // the ends may be unsealed where the log was written without a key
            let held = match audit::verify(tx, keys.audit.as_deref()) {
                Err(Broken::Unsealed { .. }) => audit::verify(tx, None),
                held => held,
            };
            audit_rows = held.map_err(RelocateError::Audit)?.rows;
            Ok::<_, RelocateError>(())
        },
    )?;
    Ok(Relocated { tables, audit_rows })
}
