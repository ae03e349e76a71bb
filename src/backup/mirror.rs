//! The backups of a folder once more in a bucket, away from the machine; and back from there.
//!
//! What is in the bucket is trusted more than the folder: nothing there is overwritten, and only what no backup needs is
//! removed, when every backup can be read. A folder that has lost its files takes nothing away from the bucket.

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

/// What was copied into the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mirrored {
    /// files and manifests that were copied
    pub copied: usize,
    /// files that were removed in the bucket because no backup needs them any more
    pub removed: usize,
    /// files that are damaged here and that the bucket does not have
    pub damaged: usize,
    /// backups that lie only there
    pub only_there: usize,
}

/// What came back from the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fetched {
    /// files and manifests that came
    pub came: usize,
    /// files that are damaged or gone there
    pub damaged: usize,
}

/// A manifest of ours, by its name.
fn is_manifest(name: &str) -> bool {
    name.strip_suffix("Z.json").is_some_and(|moment| {
        moment.len() == 26 && moment.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | 'T' | '.'))
    })
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str()).filter(|name| is_manifest(name))
}

/// Whether only this file is at fault: the others still can be copied.
fn is_its_own(cause: &StorageError) -> bool {
    match cause {
        StorageError::Missing(_) => true,
        StorageError::Io(cause) => matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound),
        _ => false,
    }
}

/// Copies what the bucket lacks, off the threads that answer; it ends early where whoever waits for it goes away. `keys`
/// are those that the backups may be sealed with.
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
            // what was cut short here is whole there
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
        // one that names what is not there is no backup yet
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
        // what came a short while ago may belong to a backup that another machine is making
        if is_copy_name(name) && !needed.contains(name) && object.is_old(now) {
            bucket.remove(name)?;
            done.removed += 1;
        }
    }
    Ok(done)
}

/// Whether a backup is whole without these files.
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

/// Whether the backup of this moment lies in the folder: another instance may have made it into a folder of its own.
///
/// # Errors
/// When the folder cannot be read.
pub fn is_in(folder: &Path, made: Ts) -> Result<bool, BackupError> {
    Ok(folder.join(Manifest::name(made)).try_exists()?)
}

/// Copies the backups of the bucket that the folder lacks, or has damaged, into it.
///
/// # Errors
/// See [`BackupError`]. What came before stays, and does not come again.
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
    // the manifests last, so that whoever is stopped before has no backup that is not whole
    for (name, object) in there.iter().filter(|(name, _)| is_manifest(name)) {
        if !folder.join(name).exists() {
            bucket.get(folder, name, object.size)?;
            done.came += 1;
        }
    }
    Ok(done)
}

/// The folder of what is to be restored: itself, or the one in which a manifest lies.
pub fn folder_of(from: &Path) -> PathBuf {
    match from.extension().is_some_and(|ending| ending == "json") {
        true => from.parent().map_or_else(PathBuf::new, Path::to_owned),
        false => from.to_owned(),
    }
}

/// Records that the backups were copied into the bucket.
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
