//! A table of two databases, read side by side.

use super::moving::MoveError;
use super::{Column, Order, Table, each_row_in, insert, read_value};
use crate::db::connection::Conn;
use crate::db::pool::DbError;
use data_encoding::HEXLOWER;
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};

/// The most rows that one statement adds or deletes, and their bytes.
const ROWS: usize = 500;
const BYTES: usize = 1 << 20;
/// How many rows one side may be read ahead of the other.
const AHEAD: usize = 100;

/// Reads a table of both databases side by side, and deletes what is other in the new one, or adds what it lacks:
/// first the one, then the other, so that no two rows ever want the same place of an index. `to` and `reader` are both the
/// new database.
///
/// # Errors
/// See [`MoveError`]. What was written by then stays.
pub(super) fn side_by_side(
    from: &mut Conn,
    (to, reader): (&mut Conn, &mut Conn),
    (table, there): (&Table, &Table),
    wanted: Wanted,
) -> Result<Found, MoveError> {
    let broken = || MoveError::Broken(table.name.clone());
    let (send, theirs) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            each_row_in(reader, there, Order::Key, |line| {
                // whoever compares has failed where nobody takes the line
                send.send(line.to_owned()).map_err(|_| DbError::Gone)
            })
        });
        let mut sides = Sides { table, there, to, theirs: Theirs::new(table, theirs), wanted, found: Found::default() };
        let mut batch = Batch::default();
        let (mut here, mut rows) = (Sha256::new(), 0);
        let read = each_row_in(from, table, Order::Key, |line| {
            let row: Vec<Value> = serde_json::from_str(line).map_err(|_| broken())?;
            here.update(line_of(&row)?);
            rows += 1;
            sides.ours(&row, line, &mut batch)
        });
        let ended = read.and_then(|_| sides.end(&mut batch));
        let Sides { theirs, mut found, .. } = sides;
        let hash = theirs.hash.clone().finalize();
        // ends the other side where this one has failed
        drop(theirs);
        match (ended, reading.join()) {
            (Err(cause), _) => return Err(cause),
            (_, Ok(read)) => drop(read?),
            (_, Err(_)) => return Err(DbError::Gone.into()),
        }
        (found.rows, found.here, found.there) = (rows, HEXLOWER.encode(&here.finalize()), HEXLOWER.encode(&hash));
        Ok(found)
    })
}

/// What is done with rows that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// rows of the new database that the old one does not have are deleted
    Other,
    /// rows that the new database lacks are added
    Lacking,
}

/// What was found of a table.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub rows: u64,
    /// rows that only the new database has, or has with other values
    pub other: u64,
    /// rows that the new database lacks
    pub lacking: u64,
    /// the hash of the rows of the old database
    pub here: String,
    /// the hash of those of the new one
    pub there: String,
}

/// Rows that are to be added, or keys that are to be deleted.
#[derive(Default)]
struct Batch {
    lines: String,
    rows: usize,
}

impl Batch {
    fn push(&mut self, line: &str) -> bool {
        self.lines.push(if self.rows == 0 { '[' } else { ',' });
        self.lines.push_str(line);
        self.rows += 1;
        self.rows == ROWS || self.lines.len() >= BYTES
    }

    /// The lines as one array; `None` where there are none.
    fn take(&mut self) -> Option<String> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(']');
        (std::mem::take(&mut self.rows) > 0).then_some(lines)
    }
}

/// The rows of the new database, one ahead.
struct Theirs<'a> {
    table: &'a Table,
    lines: Receiver<String>,
    next: Option<Vec<Value>>,
    hash: Sha256,
}

impl<'a> Theirs<'a> {
    fn new(table: &'a Table, lines: Receiver<String>) -> Theirs<'a> {
        Theirs { table, lines, next: None, hash: Sha256::new() }
    }

    /// The next row, which stays the next one until it is taken.
    fn peek(&mut self) -> Result<Option<&Vec<Value>>, MoveError> {
        if self.next.is_none()
            && let Ok(line) = self.lines.recv()
        {
            let row: Vec<Value> =
                serde_json::from_str(&line).map_err(|_| MoveError::Broken(self.table.name.clone()))?;
            self.hash.update(line_of(&row)?);
            self.next = Some(row);
        }
        Ok(self.next.as_ref())
    }
}

/// Both sides of a table.
struct Sides<'a> {
    table: &'a Table,
    there: &'a Table,
    to: &'a mut Conn,
    theirs: Theirs<'a>,
    wanted: Wanted,
    found: Found,
}

impl Sides<'_> {
    /// Compares a row of the old database with those of the new one up to its key.
    fn ours(&mut self, row: &[Value], line: &str, batch: &mut Batch) -> Result<(), MoveError> {
        loop {
            let Some(theirs) = self.theirs.peek()? else { return self.lacks(line, batch) };
            match by_key(self.table, theirs, row) {
                Ordering::Less => self.is_other(batch)?,
                Ordering::Equal if *theirs == row => {
                    self.theirs.next = None;
                    return Ok(());
                }
                Ordering::Equal => {
                    self.is_other(batch)?;
                    return self.lacks(line, batch);
                }
                Ordering::Greater => return self.lacks(line, batch),
            }
        }
    }

    /// What is left on the other side is other, too.
    fn end(&mut self, batch: &mut Batch) -> Result<(), MoveError> {
        while self.theirs.peek()?.is_some() {
            self.is_other(batch)?;
        }
        self.write(batch)
    }

    fn lacks(&mut self, line: &str, batch: &mut Batch) -> Result<(), MoveError> {
        self.found.lacking += 1;
        if self.wanted == Wanted::Lacking && batch.push(line) {
            self.write(batch)?;
        }
        Ok(())
    }

    /// The next row of the new database is not one of the old one.
    fn is_other(&mut self, batch: &mut Batch) -> Result<(), MoveError> {
        let Some(row) = self.theirs.next.take() else { return Ok(()) };
        self.found.other += 1;
        let key: Vec<&Value> = self.table.key.iter().filter_map(|place| row.get(*place)).collect();
        let key = serde_json::to_string(&key).map_err(|_| MoveError::Broken(self.table.name.clone()))?;
        if self.wanted == Wanted::Other && batch.push(&key) {
            self.write(batch)?;
        }
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch) -> Result<(), MoveError> {
        let Some(lines) = batch.take() else { return Ok(()) };
        let columns: Vec<&Column> = self.there.columns.iter().collect();
        match (self.wanted, &mut *self.to) {
            (Wanted::Lacking, to) => insert(to, &self.table.name, &columns, &lines)?,
            (Wanted::Other, Conn::Pg(to)) => {
                let key: Vec<&Column> = self.table.key.iter().filter_map(|at| columns.get(*at).copied()).collect();
                let names: Vec<String> = key.iter().map(|column| format!("\"{}\"", column.name)).collect();
                let values = key.iter().enumerate().map(|(at, column)| read_value(&column.kind, at, true));
                let query = format!(
                    "DELETE FROM \"{}\" WHERE ({}) IN (SELECT {} FROM jsonb_array_elements($1::jsonb) AS t (v))",
                    self.table.name,
                    names.join(", "),
                    values.collect::<Vec<_>>().join(", "),
                );
                diesel::sql_query(query).bind::<Text, _>(lines).execute(to)?;
            }
            (Wanted::Other, Conn::Sqlite(_)) => return Err(MoveError::Kinds),
        }
        Ok(())
    }
}

/// A row as both databases would write it.
fn line_of(row: &[Value]) -> Result<Vec<u8>, MoveError> {
    let mut line = serde_json::to_vec(row).map_err(|_| MoveError::Broken("a table".to_owned()))?;
    line.push(b'\n');
    Ok(line)
}

/// Compares two rows as their primary keys are ordered: numbers by their size, text and bytes by their bytes.
fn by_key(table: &Table, one: &[Value], other: &[Value]) -> Ordering {
    let order = |place: &usize| match (one.get(*place), other.get(*place)) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_i64().cmp(&other.as_i64()),
        (Some(Value::String(one)), Some(Value::String(other))) => one.cmp(other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    };
    table.key.iter().map(order).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
