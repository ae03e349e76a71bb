//! The ends of the chains, sealed by a key that is stored outside the database, and written to a file outside this
//! machine.
//!
//! The hashes alone find changes by somebody who does not know of them. Anyone who can write the database can compute
//! new hashes: the seal finds that. Anyone who kept an old end with its seal can put the chain back to it: the file
//! finds that, one line for each hour, which says how far each chain had come. Its lines hold identities and hashes, no
//! names.

use super::{Broken, Entry, Event, Subject, append};
use crate::audit::Actor;
use crate::db::schema::{audit_events, audit_heads};
use crate::db::{Conn, DbError, MultiBackend, SecretKey, Ts, Tx};
use diesel::dsl::max;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

/// The end of a chain.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit_heads, check_for_backend(MultiBackend))]
pub(super) struct Head {
    pub chain: i64,
    pub position: i64,
    pub hash: Vec<u8>,
    pub seal: Option<Vec<u8>>,
}

impl Head {
    pub fn is_new(&self) -> bool {
        self.position == 0
    }

    pub fn is_sealed_by(&self, key: &SecretKey) -> bool {
        let seal = self.seal.as_deref().unwrap_or_default();
        key.is_seal(seal, &parts(&self.chain.to_le_bytes(), &self.position.to_le_bytes(), &self.hash))
    }
}

fn parts<'a>(chain: &'a [u8], position: &'a [u8], hash: &'a [u8]) -> [&'a [u8]; 4] {
    [b"postern audit head", chain, position, hash]
}

pub(super) fn seal(key: &SecretKey, chain: i64, position: i64, hash: &[u8]) -> Vec<u8> {
    key.seal(&parts(&chain.to_le_bytes(), &position.to_le_bytes(), hash))
}

/// Seals the chains that are not sealed yet, after the operator has verified them; gives how many. A chain whose seal
/// is wrong stays as it is.
pub fn seal_all(tx: &mut Tx, now: Ts, key: &SecretKey) -> QueryResult<usize> {
    let open = audit_heads::table.filter(audit_heads::seal.is_null());
    let heads: Vec<Head> = open.select(Head::as_select()).load(tx.conn())?;
    for head in &heads {
        let seal = seal(key, head.chain, head.position, &head.hash);
        diesel::update(audit_heads::table.find(head.chain)).set(audit_heads::seal.eq(seal)).execute(tx.conn())?;
    }
    if !heads.is_empty() {
        append(tx, now, Entry::of_clinic(Actor::System, Event::AuditLogSealed, Subject::None))?;
    }
    Ok(heads.len())
}

/// One line of the file: how far those chains had come that had grown since the line before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// when, in microseconds of Unix time
    pub at: i64,
    /// the id of the newest audit row that the line covers
    pub row: i64,
    /// chain, position, hash in hexadecimal
    pub heads: Vec<(i64, i64, String)>,
    /// covers this line and the seal of the line before, in hexadecimal
    pub seal: String,
}

/// Why the file of heads does not verify.
#[derive(Debug, thiserror::Error)]
pub enum HeadsError {
    /// a line was not written by this program, or was changed, or the line before it is missing
    #[error("line {0} does not fit its seal: it was changed, or the line before it is missing")]
    Line(usize),
    /// a stored line does not have the seal that was sent out, or is missing
    #[error("line {0} of the stored seals was changed or is missing")]
    Stored(i64),
    /// the log lacks rows that the file lists
    #[error(transparent)]
    Log(#[from] Broken),
    /// the database
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(HeadsError);

/// The most rows that one line covers.
const ROWS: i64 = 5_000;
/// A line repeats the chains of this many rows before it.
const LATE: i64 = 500;

impl Heads {
    /// The next line after `before`; `None` where nothing was added since.
    pub fn next(conn: &mut Conn, now: Ts, key: &SecretKey, before: Option<&Heads>) -> QueryResult<Option<Heads>> {
        let since = before.map_or(0, |line| line.row);
        let newer = audit_events::table.filter(audit_events::id.gt(since));
        let ids: Vec<i64> = newer.select(audit_events::id).order(audit_events::id).limit(ROWS).load(conn)?;
        let Some(last) = ids.last().copied() else { return Ok(None) };
        // on PostgreSQL a row may be committed after one with a higher id, when the line was made already
        let grown: Vec<(i64, Option<i64>)> = audit_events::table
            .filter(audit_events::id.gt(since - LATE))
            .filter(audit_events::id.le(last))
            .group_by(audit_events::chain)
            .select((audit_events::chain, max(audit_events::position)))
            .order(audit_events::chain)
            .load(conn)?;
        let mut heads = Vec::with_capacity(grown.len());
        for (chain, position) in grown {
            let position = position.unwrap_or_default();
            heads.push((
                chain,
                position,
                data_encoding::HEXLOWER.encode(&hash_at(conn, chain, position)?.unwrap_or_default()),
            ));
        }
        let mut line = Heads { at: now.micros(), row: last, heads, seal: String::new() };
        line.seal = line.sealed(key, before);
        Ok(Some(line))
    }

    fn sealed(&self, key: &SecretKey, before: Option<&Heads>) -> String {
        let open = Heads { seal: String::new(), ..self.clone() };
        let words = serde_json::to_vec(&open).unwrap_or_default();
        let before = before.map_or("", |line| &line.seal);
        data_encoding::HEXLOWER.encode(&key.seal(&[b"postern audit heads", before.as_bytes(), &words]))
    }

    /// Reads a line; `None` where it is not one.
    pub fn read(line: &str) -> Option<Heads> {
        serde_json::from_str(line).ok()
    }

    /// Compares the line, the `number`th of the file, with the line before it and with the log.
    ///
    /// # Errors
    /// See [`HeadsError`].
    pub fn verify(
        &self,
        conn: &mut Conn,
        key: &SecretKey,
        number: usize,
        before: Option<&Heads>,
    ) -> Result<(), HeadsError> {
        if self.seal != self.sealed(key, before) {
            return Err(HeadsError::Line(number));
        }
        for (chain, position, hash) in &self.heads {
            let (chain, position) = (*chain, *position);
            match hash_at(conn, chain, position)? {
                None => return Err(Broken::Missing { chain, position }.into()),
                Some(found) if data_encoding::HEXLOWER.encode(&found) != *hash => {
                    return Err(Broken::Changed { chain, position }.into());
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

fn hash_at(conn: &mut Conn, chain: i64, position: i64) -> QueryResult<Option<Vec<u8>>> {
    audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::position.eq(position))
        .select(audit_events::hash)
        .first(conn)
        .optional()
}
