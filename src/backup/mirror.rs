//! The backups of a folder once more in a bucket, away from the machine; and back from there.

use super::BackupError;
use super::make::lock;
use super::manifest::Manifest;
use crate::audit::{self, Actor, Entry, Event, Filter, Subject, What};
use crate::db::{Conn, Db, DbError, Ts};
use crate::storage::{Copies, Mirror};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// What was copied into the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mirrored {
    /// files and manifests
    pub copied: usize,
    /// files that no backup needs any more and that were removed there
    pub removed: usize,
    /// backups that lie only there
    pub only_there: usize,
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn is_manifest(name: &str) -> bool {
    name.ends_with("Z.json")
}

/// Copies what the bucket lacks, the manifests last, so that each that is there is whole. What no backup of the folder
/// needs is removed there too, unless a backup lies only there: then it may need it.
///
/// # Errors
/// See [`BackupError`]. What was copied before stays, and is not copied again.
pub fn mirror(folder: &Path, bucket: &Mirror) -> Result<Mirrored, BackupError> {
    let _held = lock(folder)?;
    let copies = Copies::there(&folder.join("files"));
    let mut there = bucket.list()?;
    let mut done = Mirrored::default();
    let mut here = HashSet::new();
    for name in copies.names()? {
        if there.get(&name).copied() != copies.size(&name)? {
            bucket.put_copy(&copies, &name)?;
            done.copied += 1;
        }
        here.insert(name);
    }
    for path in Manifest::all(folder)? {
        let Some(name) = name_of(&path) else { continue };
        if there.get(name).copied() != Some(fs::metadata(&path)?.len()) {
            bucket.put(&path, name)?;
            done.copied += 1;
        }
        here.insert(name.to_owned());
    }
    there.retain(|name, _| !here.contains(name));
    done.only_there = there.keys().filter(|name| is_manifest(name)).count();
    if done.only_there == 0 {
        for name in there.keys() {
            bucket.remove(name)?;
            done.removed += 1;
        }
    }
    Ok(done)
}

/// Whether the backup of this moment lies in the folder: another instance may have made it into a folder of its own.
///
/// # Errors
/// When the folder cannot be read.
pub fn is_in(folder: &Path, made: Ts) -> Result<bool, BackupError> {
    Ok(folder.join(Manifest::name(made)).try_exists()?)
}

/// Copies the backups of the bucket that the folder lacks into it. Gives how many files came.
///
/// # Errors
/// See [`BackupError`]. What came before stays, and does not come again.
pub fn fetch(bucket: &Mirror, folder: &Path) -> Result<usize, BackupError> {
    let _held = lock(folder)?;
    let copies = Copies::open(&folder.join("files"))?;
    let mut there: Vec<(String, u64)> = bucket.list()?.into_iter().collect();
    // the manifests last, so that each that is here is whole
    there.sort_by_key(|(name, _)| (is_manifest(name), name.clone()));
    let mut came = 0;
    for (name, size) in there {
        match is_manifest(&name) {
            true if folder.join(&name).exists() => {}
            true => {
                bucket.get(folder, &name, size)?;
                came += 1;
            }
            false if copies.size(&name)? == Some(size) => {}
            false => {
                bucket.get_copy(&copies, &name, size)?;
                came += 1;
            }
        }
    }
    Ok(came)
}

/// Writes down that the backups were copied into the bucket.
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
