//! `backup`: the state of a running clinic at one moment.

use super::manifest::{FORMAT, Manifest, TablePart};
use super::restore::Backup;
use super::{BackupError, LEFT_OUT};
use crate::audit::{self, Actor, Entry, Event, Filter, Subject, What};
use crate::clock::Random;
use crate::db::copying::{self, Table};
use crate::db::{BlobId, Conn, Db, DbError, SecretKey, Ts};
use crate::storage::{self, Blob, Copies, Storage, StorageError};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::HashSet;
use std::fs::{self, TryLockError};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many files are copied after each query.
const AT_ONCE: i64 = 100;

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// the name of its manifest
    pub name: String,
    /// what the manifest says
    pub manifest: Manifest,
    /// how many files were copied; the folder already had the others
    pub copied: u64,
    /// how many files were removed because no backup of the folder needs them
    pub removed: usize,
}

/// Makes a backup into this folder, which may hold others. `keys`: the one that seals it, and all that may have sealed
/// them.
///
/// Most files are copied before the rows are read, so that few are left to copy afterwards: storage still keeps the
/// files that were released in between.
///
/// # Errors
/// See [`BackupError`].
pub async fn make(
    db: &Db,
    storage: &Storage,
    folder: &Path,
    keys: (Option<&SecretKey>, &[SecretKey]),
    now: Ts,
    random: &Random,
) -> Result<Made, BackupError> {
    let (lock, going) = (Arc::new(lock(folder)?), Going::default());
    let copies = Copies::open(&folder.join("files"))?;
    let mut copied = copy_files(db, storage, &copies).await?;
    let mut manifest = {
        let (copies, key, random) = (copies.clone(), keys.0.cloned(), random.clone());
        let (lock, stopped) = (lock.clone(), going.stopped());
        let read = db.read(move |conn| {
            let _held = lock;
            copying::stand_still(conn)?;
            write_rows(conn, &copies, (key.as_ref(), &random), now, &stopped)
        });
        read.await?
    };
    let (name, keys, folder) = (Manifest::name(now), (keys.0.cloned(), keys.1.to_vec()), folder.to_owned());
    let (storage, held, stopped) = (storage.clone(), lock.clone(), going.stopped());
    let finished = tokio::task::spawn_blocking(move || -> Result<_, BackupError> {
        let _held = held;
        let backup = Backup::new(manifest.clone(), copies.clone(), keys.1.clone());
        backup.each_blob(|blob| {
            stopped.check()?;
            manifest.files += u64::from(blob.name.is_some());
            match copies.take(&storage, &blob) {
                Ok(was_copied) => copied += u64::from(was_copied),
                Err(cause) if is_its_own(&cause) => {
                    tracing::error!(%cause, blob = %blob.id, "a file could not be backed up");
                    manifest.missing.extend(blob.name);
                }
                Err(cause) => return Err(cause.into()),
            }
            Ok(())
        })?;
        stopped.check()?;
        manifest.write(&folder, &name, keys.0.as_ref())?;
        let removed = sweep(&folder, &copies, &keys.1).unwrap_or_else(|cause| {
            tracing::warn!(%cause, "files that no backup needs were not removed");
            0
        });
        Ok(Made { name, manifest, copied, removed })
    });
    let made = finished.await??;
    drop(lock);
    let mut entry = Entry::of_clinic(Actor::System, Event::BackupMade, Subject::None);
    if !made.manifest.missing.is_empty() {
        entry = entry.with(format!("{} files missing", made.manifest.missing.len()));
    }
    db.write(move |tx| -> Result<_, DbError> { Ok(audit::append(tx, now, entry)?) }).await?;
    Ok(made)
}

/// Makes the folder where it is missing, and keeps other processes from writing into it while the file is open.
pub(super) fn lock(folder: &Path) -> Result<fs::File, BackupError> {
    let unusable = |cause| BackupError::Folder(folder.display().to_string(), cause);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let lock = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(folder.join(".lock"));
    let lock = lock.map_err(unusable)?;
    // an older program may have made the file with other permissions
    lock.set_permissions(fs::Permissions::from_mode(0o600)).map_err(unusable)?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy),
        Err(TryLockError::Error(cause)) => Err(cause.into()),
        Ok(()) => Ok(lock),
    }
}

/// Stops the threads that make a backup when its caller is dropped: they would delay the end of the program.
#[derive(Default)]
pub(super) struct Going(Arc<AtomicBool>);

pub(super) struct Stopped(Arc<AtomicBool>);

impl Going {
    pub(super) fn stopped(&self) -> Stopped {
        Stopped(self.0.clone())
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Stopped {
    pub(super) fn check(&self) -> Result<(), BackupError> {
        if self.0.load(Ordering::Relaxed) { Err(BackupError::Stopped) } else { Ok(()) }
    }
}

/// When the last backup was made; `None` where none was.
pub fn last(conn: &mut Conn) -> diesel::QueryResult<Option<Ts>> {
    let filter = Filter { what: Some(What::Event(Event::BackupMade)), ..Filter::default() };
    Ok(audit::newest(conn, &filter, None, 1)?.first().map(|row| row.at))
}

/// Whether the failure concerns only this file: the others can still be read.
fn is_its_own(cause: &StorageError) -> bool {
    match cause {
        StorageError::Missing(_) => true,
        StorageError::Io(cause) => cause.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

async fn copy_files(db: &Db, storage: &Storage, copies: &Copies) -> Result<u64, BackupError> {
    let (mut after, mut copied) = (BlobId(0), 0);
    loop {
        let read = db.read(move |conn| -> Result<_, DbError> { Ok(storage::after(conn, after, AT_ONCE)?) });
        let blobs: Vec<Blob> = read.await?;
        let Some(last) = blobs.last() else { return Ok(copied) };
        after = last.id;
        let (storage, copies) = (storage.clone(), copies.clone());
        let some = tokio::task::spawn_blocking(move || -> Result<u64, BackupError> {
            let mut copied = 0;
            for blob in &blobs {
                match copies.take(&storage, blob) {
                    Ok(was_copied) => copied += u64::from(was_copied),
                    // the second pass looks at it again, and reports it
                    Err(cause) if is_its_own(&cause) => {}
                    Err(cause) => return Err(cause.into()),
                }
            }
            Ok(copied)
        });
        copied += some.await??;
    }
}

fn write_rows(
    conn: &mut Conn,
    copies: &Copies,
    sealing: (Option<&SecretKey>, &Random),
    now: Ts,
    stopped: &Stopped,
) -> Result<Manifest, BackupError> {
    let steps = copying::steps(conn)?;
    let mut tables = Vec::new();
    for table in copying::tables(conn)? {
        if !LEFT_OUT.contains(&table.name.as_str()) {
            tables.push(write_table(conn, &table, copies, sealing, stopped)?);
        }
    }
    let (program, made_at) = (env!("CARGO_PKG_VERSION").to_owned(), Manifest::moment(now));
    Ok(Manifest { format: FORMAT, program, made_at, steps, tables, files: 0, missing: Vec::new() })
}

fn write_table(
    conn: &mut Conn,
    table: &Table,
    copies: &Copies,
    (key, random): (Option<&SecretKey>, &Random),
    stopped: &Stopped,
) -> Result<TablePart, BackupError> {
    let part = BufWriter::with_capacity(64 * 1024, copies.part(key, random)?);
    let mut lines = GzEncoder::new(part, Compression::fast());
    let rows = copying::each_row(conn, table, |line| -> Result<(), BackupError> {
        stopped.check()?;
        lines.write_all(line.as_bytes())?;
        Ok(lines.write_all(b"\n")?)
    })?;
    let part = lines.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    let part = copies.keep(part.finish_now()?)?;
    let last_number = copying::last_number(conn, table)?;
    Ok(TablePart { table: table.name.clone(), columns: table.columns(), rows, last_number, part })
}

/// The names of all files that the backups of this folder need.
///
/// # Errors
/// Where one of them cannot be read: it may name anything.
pub(super) fn needed(folder: &Path, copies: &Copies, keys: &[SecretKey]) -> Result<HashSet<String>, BackupError> {
    let mut named = HashSet::new();
    for path in Manifest::all(folder)? {
        let manifest = Manifest::read(&path, keys)?;
        named.extend(manifest.tables.iter().map(|table| table.part.name.clone()));
        Backup::new(manifest, copies.clone(), keys.to_vec()).each_blob(|blob| {
            named.extend(blob.name);
            Ok(())
        })?;
    }
    Ok(named)
}

/// Removes what no backup of this folder names. One that cannot be read may name anything: then nothing goes.
fn sweep(folder: &Path, copies: &Copies, keys: &[SecretKey]) -> Result<usize, BackupError> {
    Ok(copies.sweep(&needed(folder, copies, keys)?)?)
}
