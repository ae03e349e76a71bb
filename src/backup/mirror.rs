//! Copies the backups of a folder into a bucket, away from the machine, and back from there.
//!
//! The bucket is trusted more than the folder: nothing there is overwritten, and a file is removed only when every
//! backup can be read and none needs it. A folder that has lost its files takes nothing away from the bucket.

use super::BackupError;
use super::make::{Going, Stopped, lock, needed};
use super::manifest::Manifest;
use super::restore::Backup;
use crate::audit::{self, Actor, Entry, Event, Filter, Subject, What};
use crate::db::{Conn, Db, DbError, SecretKey, Ts};
use crate::storage::{Copies, Mirror, StorageError, is_copy_name};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// The result of copying into the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mirrored {
    /// files and manifests that were copied
    pub copied: usize,
    /// files that were removed in the bucket because no backup needs them any more
    pub removed: usize,
    /// files that are damaged in the folder and that the bucket does not have whole either
    pub damaged: usize,
    /// backups that are only in the bucket
    pub only_there: usize,
}

/// The result of copying back from the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fetched {
    /// files and manifests that were copied
    pub came: usize,
    /// files that are damaged or missing in the bucket
    pub damaged: usize,
}

/// Whether this is the name of a manifest of Postern's.
fn is_manifest(name: &str) -> bool {
    name.strip_suffix("Z.json").is_some_and(|moment| {
        moment.len() == 26 && moment.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | 'T' | '.'))
    })
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str()).filter(|name| is_manifest(name))
}

/// Whether the error concerns only this file, so that the others can still be copied.
fn is_its_own(cause: &StorageError) -> bool {
    match cause {
        StorageError::Missing(_) => true,
        StorageError::Io(cause) => matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound),
        _ => false,
    }
}

/// Copies what the bucket lacks, in a thread of the blocking pool; it stops early where the caller stops waiting.
/// `keys` are those with which the backups may be sealed.
///
/// # Errors
/// See [`BackupError`]. What was copied before stays, and is not copied again.
pub async fn mirror(folder: &Path, bucket: &Mirror, keys: &[SecretKey], now: Ts) -> Result<Mirrored, BackupError> {
    let going = Going::default();
    let (folder, bucket, keys, stopped) = (folder.to_owned(), bucket.clone(), keys.to_vec(), going.stopped());
    tokio::task::spawn_blocking(move || copy_all(&folder, &bucket, &keys, (now, &stopped))).await?
}

fn copy_all(
    folder: &Path,
    bucket: &Mirror,
    keys: &[SecretKey],
    (now, stopped): (Ts, &Stopped),
) -> Result<Mirrored, BackupError> {
    let _held = lock(folder)?;
    let copies = Copies::there(&folder.join("files"));
    let there = bucket.list()?;
    let mut done = Mirrored::default();
    let mut lacking = HashSet::new();
    for name in copies.names()?.into_iter().filter(|name| is_copy_name(name)) {
        stopped.check()?;
        let (here, size) = (copies.size(&name)?, there.get(&name).map(|object| object.size));
        let copied = match size {
            Some(size) if here == Some(size) => continue,
            // the sizes differ: the file in the folder may be cut short, so the bucket's is fetched
            Some(size) => bucket.get_copy(&copies, &name, size).map(|()| 0),
            None => copies.check_copy(&name).and_then(|()| bucket.put_copy(&copies, &name)).map(|()| 1),
        };
        match copied {
            Ok(copied) => done.copied += copied,
            Err(cause) if is_its_own(&cause) => {
                tracing::error!(%cause, name, "a file of the backups is damaged and was not copied");
                done.damaged += 1;
                lacking.insert(name);
            }
            Err(cause) => return Err(cause.into()),
        }
    }
    let manifests = Manifest::all(folder)?;
    for path in &manifests {
        let Some(name) = name_of(path).filter(|name| !there.contains_key(*name)) else { continue };
        // a manifest is copied only after all its files, so that the bucket has no backup that is not whole
        if needs_none_of(path, &copies, keys, &lacking)? {
            bucket.put(path, name)?;
            done.copied += 1;
        }
    }
    let here: HashSet<&str> = manifests.iter().filter_map(|path| name_of(path)).collect();
    done.only_there = there.keys().filter(|name| is_manifest(name) && !here.contains(name.as_str())).count();
    if done.only_there > 0 || done.damaged > 0 {
        return Ok(done);
    }
    let needed = match needed(folder, &copies, keys) {
        Ok(needed) => needed,
        Err(cause) => {
            tracing::warn!(%cause, "a backup cannot be read: nothing is removed from the bucket");
            return Ok(done);
        }
    };
    for (name, object) in &there {
        stopped.check()?;
        // a file that came less than a day ago may belong to a backup that another machine is making
        if is_copy_name(name) && !needed.contains(name) && object.is_old(now) {
            bucket.remove(name)?;
            done.removed += 1;
        }
    }
    Ok(done)
}

/// Whether a backup needs none of the files in `lacking`.
fn needs_none_of(
    path: &Path,
    copies: &Copies,
    keys: &[SecretKey],
    lacking: &HashSet<String>,
) -> Result<bool, BackupError> {
    let manifest = Manifest::read(path, keys)?;
    let mut is_whole = manifest.tables.iter().all(|table| !lacking.contains(&table.part.name));
    if is_whole && !lacking.is_empty() {
        Backup::new(manifest, copies.clone(), keys.to_vec()).each_blob(|blob| {
            is_whole &= blob.name.is_none_or(|name| !lacking.contains(&name));
            Ok(())
        })?;
    }
    Ok(is_whole)
}

/// Whether the backup of this moment is in the folder: another instance may have made it in a folder of its own.
///
/// # Errors
/// When the folder cannot be read.
pub fn is_in(folder: &Path, made: Ts) -> Result<bool, BackupError> {
    Ok(folder.join(Manifest::name(made)).try_exists()?)
}

/// Copies into the folder what it lacks of the bucket's backups, or has damaged.
///
/// # Errors
/// See [`BackupError`]. What was copied before stays, and is not copied again.
pub fn fetch(bucket: &Mirror, folder: &Path) -> Result<Fetched, BackupError> {
    let _held = lock(folder)?;
    let copies = Copies::open(&folder.join("files"))?;
    let there = bucket.list()?;
    let mut done = Fetched::default();
    for (name, object) in there.iter().filter(|(name, _)| is_copy_name(name)) {
        if copies.size(name)? == Some(object.size) && copies.check_copy(name).is_ok() {
            continue;
        }
        match bucket.get_copy(&copies, name, object.size) {
            Ok(()) => done.came += 1,
            Err(cause) if is_its_own(&cause) => {
                tracing::error!(%cause, name, "a file of the backups is damaged in the bucket");
                done.damaged += 1;
            }
            Err(cause) => return Err(cause.into()),
        }
    }
    // the manifests last, so that after an interruption the folder has no backup that is not whole
    for (name, object) in there.iter().filter(|(name, _)| is_manifest(name)) {
        if !folder.join(name).exists() {
            bucket.get(folder, name, object.size)?;
            done.came += 1;
        }
    }
    Ok(done)
}

/// The folder of a backup to be restored: `from` itself, or the folder that contains it where it is a manifest.
pub fn folder_of(from: &Path) -> PathBuf {
    match from.extension().is_some_and(|ending| ending == "json") {
        true => from.parent().map_or_else(PathBuf::new, Path::to_owned),
        false => from.to_owned(),
    }
}

/// Leaves an audit row that the backups were copied into the bucket.
///
/// # Errors
/// Those of the database.
pub async fn tell_mirrored(db: &Db, now: Ts) -> Result<(), DbError> {
    let entry = Entry::of_clinic(Actor::System, Event::BackupCopied, Subject::None);
    db.write(move |tx| -> Result<_, DbError> { Ok(audit::append(tx, now, entry)?) }).await
}

/// When the backups were last copied into a bucket; `None` where they never were.
pub fn last_mirrored(conn: &mut Conn) -> diesel::QueryResult<Option<Ts>> {
    let filter = Filter { what: Some(What::Event(Event::BackupCopied)), ..Filter::default() };
    Ok(audit::newest(conn, &filter, None, 1)?.first().map(|row| row.at))
}
