//! Reads every chain from its first row and recomputes each hash.

use super::Row;
use super::heads::Head;
use crate::db::schema::{audit_events, audit_heads};
use crate::db::{Conn, SecretKey};
use diesel::prelude::*;

/// A log whose chains all verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// number of chains
    pub chains: usize,
    /// number of rows
    pub rows: u64,
}

/// Where a chain does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// This row or one before it was changed.
    #[error("chain {chain}: the row at position {position} was changed")]
    Changed {
        /// 0 for the clinic, else the patient's id
        chain: i64,
        /// the row's position in the chain
        position: i64,
    },
    /// A row is missing.
    #[error("chain {chain}: the row at position {position} is missing")]
    Missing {
        /// 0 for the clinic, else the patient's id
        chain: i64,
        /// the row's position in the chain
        position: i64,
    },
    /// The end of a chain is not sealed by the key.
    #[error(
        "chain {chain}: its end is not sealed by audit.key (`postern audit seal` seals what was written without one)"
    )]
    Unsealed {
        /// 0 for the clinic, else the patient's id
        chain: i64,
    },
    /// The database refused a statement.
    #[error("the database refused a statement: {0}")]
    Database(String),
}

impl From<diesel::result::Error> for Broken {
    fn from(cause: diesel::result::Error) -> Broken {
        Broken::Database(cause.to_string())
    }
}

/// How many rows are held in memory at once.
const STEP: i64 = 2_000;

/// Verifies all chains, 2,000 rows at a time; with `key` also that this key sealed their ends.
///
/// # Errors
/// The first place where a chain does not verify.
pub fn verify(conn: &mut Conn, key: Option<&SecretKey>) -> Result<Verified, Broken> {
    let heads: Vec<Head> = audit_heads::table.order(audit_heads::chain).select(Head::as_select()).load(conn)?;
    let orphans: Option<i64> = audit_events::table
        .filter(audit_events::chain.ne_all(audit_heads::table.select(audit_heads::chain)))
        .select(audit_events::chain)
        .first(conn)
        .optional()?;
    if let Some(chain) = orphans {
        return Err(Broken::Missing { chain, position: 0 });
    }
    let mut rows = 0;
    for head in &heads {
        rows += verify_chain(conn, head.chain, head.position, &head.hash)?;
        if key.is_some_and(|key| !head.is_sealed_by(key)) {
            return Err(Broken::Unsealed { chain: head.chain });
        }
    }
    Ok(Verified { chains: heads.len(), rows })
}

fn verify_chain(conn: &mut Conn, chain: i64, last: i64, head: &[u8]) -> Result<u64, Broken> {
    let (mut position, mut previous) = (0, Vec::new());
    loop {
        let rows: Vec<Row> = audit_events::table
            .filter(audit_events::chain.eq(chain))
            .filter(audit_events::position.gt(position))
            .order(audit_events::position)
            .limit(STEP)
            .select(Row::as_select())
            .load(conn)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            position += 1;
            if row.position != position {
                return Err(Broken::Missing { chain, position });
            }
            if row.hashed(&previous) != row.hash {
                return Err(Broken::Changed { chain, position });
            }
            previous = row.hash;
        }
    }
    match () {
        () if position < last => Err(Broken::Missing { chain, position: position + 1 }),
        () if position > last || previous != head => Err(Broken::Changed { chain, position }),
        () => Ok(position as u64),
    }
}
