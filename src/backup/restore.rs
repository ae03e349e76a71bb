//! `restore`: reads a backup back, all of it or nothing.

use super::BackupError;
use super::manifest::{Manifest, TablePart};
use crate::audit::{self, Actor, Broken, Entry, Event, Subject};
use crate::broadcasts;
use crate::db::copying::{self, Filling};
use crate::db::{BlobId, DatabaseUrl, Keys, SecretKey, Ts};
use crate::storage::{Blob, Copies, Scan, Storage};
use crate::{conversations, notifications, outbox, users};
use data_encoding::HEXLOWER;
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// A backup that is opened for reading.
pub struct Backup {
    /// the manifest
    pub manifest: Manifest,
    copies: Copies,
    keys: Vec<SecretKey>,
}

/// How much was found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// rows
    pub rows: u64,
    /// files
    pub files: u64,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// rows and files
    pub checked: Checked,
    /// rows of the audit log, whose hashes verify
    pub audit_rows: u64,
    /// whether the ends of the log are sealed by `audit.key`; `None` without such a key
    pub sealed: Option<bool>,
    /// notifications that were waiting when the backup was made: they may have been sent since
    pub unsure: usize,
    /// messages that were to go out later: none does by itself
    pub scheduled: usize,
    /// messages to many patients that were going out, or were prepared: they are stopped
    pub broadcasts: usize,
    /// mails to users about their accounts that were waiting
    pub mails: usize,
    /// reminders that came due since the backup was made
    pub reminders: usize,
}

/// The most rows that one statement adds, and their bytes.
const ROWS: usize = 500;
const BYTES: usize = 1 << 20;

impl Backup {
    /// Opens the newest backup of a folder, or the one that a manifest names.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn open(from: &Path, keys: &[SecretKey]) -> Result<Backup, BackupError> {
        let none = || BackupError::NoBackup(from.display().to_string());
        let path = match from.is_dir() {
            true => Manifest::all(from)?.pop().ok_or_else(none)?,
            false => from.to_owned(),
        };
        let manifest = Manifest::read(&path, keys)?;
        let folder = path.parent().map_or(Path::new("."), |parent| parent);
        Ok(Backup::new(manifest, Copies::there(&folder.join("files")), keys.to_vec()))
    }

    pub(super) fn new(manifest: Manifest, copies: Copies, keys: Vec<SecretKey>) -> Backup {
        Backup { manifest, copies, keys }
    }

    /// Passes every line of a table on, and makes sure that the table is as it was written.
    fn each_line(
        &self,
        table: &TablePart,
        mut take: impl FnMut(&str) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let damaged = || BackupError::Damaged(format!("the rows of {}", table.table));
        let told = |cause: io::Error| match cause.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => damaged(),
            _ => cause.into(),
        };
        let hashing = Hashing { source: self.copies.read(&table.part, &self.keys)?, hash: Sha256::new() };
        let mut lines = BufReader::new(GzDecoder::new(hashing));
        let (mut line, mut rows) = (String::new(), 0);
        while lines.read_line(&mut line).map_err(told)? > 0 {
            take(line.trim_end_matches('\n'))?;
            rows += 1;
            line.clear();
        }
        let mut hashing = lines.into_inner().into_inner();
        io::copy(&mut hashing, &mut io::sink()).map_err(told)?;
        if rows != table.rows || HEXLOWER.encode(&hashing.hash.finalize()) != table.part.sha256 {
            return Err(damaged());
        }
        Ok(())
    }

    /// Passes on the rows of all contents of files.
    pub(super) fn each_blob(&self, mut take: impl FnMut(Blob) -> Result<(), BackupError>) -> Result<(), BackupError> {
        let Some(table) = self.manifest.tables.iter().find(|table| table.table == "blobs") else { return Ok(()) };
        let damaged = || BackupError::Damaged("the list of files".to_owned());
        let place = |name: &str| table.columns.iter().position(|column| column == name);
        self.each_line(table, |line| {
            let values: Vec<Value> = serde_json::from_str(line).map_err(|_| damaged())?;
            let value = |name| place(name).and_then(|at| values.get(at));
            let number = |name| value(name).and_then(Value::as_i64).ok_or_else(damaged);
            let text = |name| value(name).and_then(Value::as_str).map(str::to_owned);
            let bytes = |name| text(name).and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
            take(Blob {
                id: BlobId(number("id")?),
                sha256: bytes("sha256").ok_or_else(damaged)?,
                size: number("size")?,
                name: text("name"),
                key_id: text("key_id"),
                nonce: bytes("nonce"),
                scan: text("scan").and_then(|word| word.parse().ok()).unwrap_or(Scan::Waiting),
            })
        })
    }

    /// The names of files that were missing already when the backup was made.
    fn missing(&self) -> HashSet<&str> {
        self.manifest.missing.iter().map(String::as_str).collect()
    }

    /// Reads all of the backup, and compares it with its hashes.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<Checked, BackupError> {
        let (missing, mut files) = (self.missing(), 0);
        for table in self.manifest.tables.iter().filter(|table| table.table != "blobs") {
            self.each_line(table, |_| Ok(()))?;
        }
        self.each_blob(|blob| {
            if blob.name.as_deref().is_some_and(|name| !missing.contains(name)) {
                self.copies.check(&blob).map_err(|cause| BackupError::Damaged(cause.to_string()))?;
                files += 1;
            }
            Ok(())
        })?;
        Ok(Checked { rows: self.manifest.tables.iter().map(|table| table.rows).sum(), files })
    }

    /// Puts the backup into an empty database, in one transaction, and its files into storage. Messages that wait in
    /// the backup are not sent: nobody knows whether they have been sent since.
    ///
    /// # Errors
    /// See [`BackupError`]. Only files that nothing refers to are left then, which the next try uses.
    pub fn restore(&self, url: &DatabaseUrl, keys: &Keys, storage: &Storage, now: Ts) -> Result<Restored, BackupError> {
        self.each_blob(|blob| match &blob.name {
            Some(_) => Ok(storage.has_key(blob.key_id.as_deref())?),
            None => Ok(()),
        })?;
        copying::fill(url, keys, |filling| {
            filling.begin(&self.manifest.steps)?;
            let mut rows = 0;
            for table in &self.manifest.tables {
                rows += self.add_rows(filling, table)?;
            }
            filling.end()?;
            let files = self.give_files(storage)?;
            let mut tx = filling.tx();
            let held = audit::verify(&mut tx, None).map_err(BackupError::Audit)?;
            let sealed = keys.audit.as_deref().map(|key| audit::verify(&mut tx, Some(key)));
            let sealed = match sealed {
                None => None,
                Some(Err(Broken::Unsealed { .. })) => Some(false),
                Some(held) => held.map(|_| Some(true)).map_err(BackupError::Audit)?,
            };
            outbox::after_restore(&mut tx)?;
            let (unsure, reminders) = notifications::after_restore(&mut tx, now)?;
            let scheduled = conversations::after_restore(&mut tx, now)?;
            let broadcasts = broadcasts::after_restore(&mut tx, now)?;
            let mails = users::after_restore(&mut tx, now)?;
            let entry = Entry::of_clinic(Actor::System, Event::BackupRestored, Subject::None);
            audit::append(&mut tx, now, entry.with(self.manifest.made_at.clone()))?;
            let checked = Checked { rows, files };
            Ok(Restored { checked, audit_rows: held.rows, sealed, unsure, scheduled, broadcasts, mails, reminders })
        })
    }

    fn add_rows(&self, filling: &mut Filling, table: &TablePart) -> Result<u64, BackupError> {
        let (mut lines, mut count) = (String::new(), 0);
        self.each_line(table, |line| {
            lines.push(if count == 0 { '[' } else { ',' });
            lines.push_str(line);
            count += 1;
            if count == ROWS || lines.len() >= BYTES {
                lines.push(']');
                filling.add(&table.table, &table.columns, &lines)?;
                lines.clear();
                count = 0;
            }
            Ok(())
        })?;
        if count > 0 {
            lines.push(']');
            filling.add(&table.table, &table.columns, &lines)?;
        }
        let rows = filling.end_table(&table.table, table.last_number)?;
        match rows == table.rows {
            true => Ok(rows),
            false => Err(BackupError::Damaged(format!("the rows of {}", table.table))),
        }
    }

    fn give_files(&self, storage: &Storage) -> Result<u64, BackupError> {
        let (missing, mut files) = (self.missing(), 0);
        self.each_blob(|blob| {
            if blob.name.as_deref().is_some_and(|name| !missing.contains(name)) {
                self.copies.give(storage, &blob)?;
                files += 1;
            }
            Ok(())
        })?;
        Ok(files)
    }
}

/// Hashes everything that is read through it.
struct Hashing<R> {
    source: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}
