//! Seals that leave the machine without a file: in a line of the program's log, or by mail to the owners.
//!
//! Each hour a line is stored here that says how far each chain has come, sealed together with the line before it. Only
//! the line's number and seal are sent out. Anyone who changes the lines, or the log that they describe, cannot make a
//! seal that equals the one sent out.

use super::heads::{Heads, HeadsError};
use crate::db::schema::audit_seals as s;
use crate::db::{Conn, SecretKey, Ts, Tx, lock_row};
use diesel::prelude::*;
use std::fmt;
use std::str::FromStr;

/// A seal as it is sent out: the number of its line, a hyphen, the seal in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldSeal {
    /// the number of the line
    pub number: i64,
    seal: String,
}

impl fmt::Display for ToldSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.seal)
    }
}

impl FromStr for ToldSeal {
    type Err = &'static str;

    /// Reads what a person copied from a mail or a log.
    fn from_str(text: &str) -> Result<ToldSeal, &'static str> {
        let fix = "write a seal as it was told: a number, a hyphen, and 64 digits and letters from a to f";
        let (number, seal) = text.trim().split_once('-').ok_or(fix)?;
        let number = number.parse().ok().filter(|number| *number > 0).ok_or(fix)?;
        let seal = seal.to_ascii_lowercase();
        let is_whole = seal.len() == 64 && seal.bytes().all(|b| b.is_ascii_hexdigit());
        if is_whole { Ok(ToldSeal { number, seal }) } else { Err(fix) }
    }
}

/// A stored line.
struct Line {
    number: i64,
    sealed_at: Ts,
    heads: Heads,
}

impl Line {
    fn told(&self) -> ToldSeal {
        ToldSeal { number: self.number, seal: self.heads.seal.clone() }
    }
}

/// The line that was stored last. An error where it cannot be read: somebody changed it, and no seal may follow it.
fn last(conn: &mut Conn) -> QueryResult<Option<Line>> {
    let newest = s::table.order(s::id.desc()).select((s::id, s::sealed_at, s::line));
    let found: Option<(i64, Ts, String)> = newest.first(conn).optional()?;
    let Some((number, sealed_at, line)) = found else { return Ok(None) };
    let changed = || diesel::result::Error::DeserializationError("the last stored seal was changed".into());
    Ok(Some(Line { number, sealed_at, heads: Heads::read(&line).ok_or_else(changed)? }))
}

/// The seal that was made last, and when; `None` where there is none yet.
pub fn newest_seal(conn: &mut Conn) -> QueryResult<Option<(ToldSeal, Ts)>> {
    Ok(last(conn)?.map(|line| (line.told(), line.sealed_at)))
}

/// Stores the next line, and gives its seal; `None` where the log has not grown since the last line.
pub fn seal_next(tx: &mut Tx, now: Ts, key: &SecretKey) -> QueryResult<Option<ToldSeal>> {
    lock_row(tx, "clinic", 1)?;
    let before = last(tx.conn())?;
    let Some(heads) = Heads::next(tx.conn(), now, key, before.as_ref().map(|line| &line.heads))? else {
        return Ok(None);
    };
    let line = Line { number: before.map_or(1, |line| line.number + 1), sealed_at: now, heads };
    let words =
        serde_json::to_string(&line.heads).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?;
    let row = (s::id.eq(line.number), s::sealed_at.eq(now), s::line.eq(words));
    diesel::insert_into(s::table).values(row).execute(tx.conn())?;
    Ok(Some(line.told()))
}

/// How many lines are read at once.
const STEP: i64 = 50;

/// Compares the lines up to a seal that was sent out with that seal, with each other and with the log.
///
/// # Errors
/// Where a line is missing or was changed, or the log lacks rows that a line lists.
pub fn verify_seal(conn: &mut Conn, key: &SecretKey, told: &ToldSeal) -> Result<(), HeadsError> {
    let (mut number, mut before) = (0, None);
    while number < told.number {
        let some = s::table.filter(s::id.gt(number)).filter(s::id.le(told.number)).order(s::id).limit(STEP);
        let some: Vec<(i64, String)> = some.select((s::id, s::line)).load(conn)?;
        if some.is_empty() {
            return Err(HeadsError::Stored(number + 1));
        }
        for (id, line) in some {
            number += 1;
            let heads = Heads::read(&line).filter(|_| id == number).ok_or(HeadsError::Stored(number))?;
            heads.verify(conn, key, number as usize, before.as_ref())?;
            before = Some(heads);
        }
    }
    match before {
        Some(heads) if heads.seal == told.seal => Ok(()),
        _ => Err(HeadsError::Stored(told.number)),
    }
}
