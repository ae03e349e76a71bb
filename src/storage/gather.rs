//! Brings the files of two places together in the first.

use super::blob_store::BlobStore;
use super::copies::{hashed, missing, stored_size, whole};
use super::rows::{after, blob};
use super::{Blob, Storage, StorageError, blocking};
use crate::db::{BlobId, Db, DbError};
use diesel::OptionalExtension;
use std::io;

/// How many files are looked at after each query.
const AT_ONCE: i64 = 100;

/// What was found, and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gathered {
    /// files that were copied
    pub copied: u64,
    /// files that the first place had already, and that are whole there
    pub there: u64,
    /// files that also lie in the second place
    pub left: u64,
    /// their bytes
    pub left_bytes: u64,
    /// files that were removed in the second place
    pub removed: u64,
    /// files that are missing or damaged in both
    pub lacking: u64,
}

/// Whether a file is there and is not what was stored: other bytes, or fewer.
fn is_damage(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Whether S3 gives this answer for an object that is not there: it does so to an account that may not list.
fn is_kept_secret(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::PermissionDenied
}

fn is_there(place: &dyn BlobStore, name: &str) -> io::Result<bool> {
    match place.has(name) {
        Err(cause) if is_kept_secret(&cause) => Ok(false),
        has => has,
    }
}

impl Storage {
    /// Copies every file that the first place lacks from the second, and compares what the first has with its hash; with
    /// `remove`, then removes it in the second. It can be broken off anywhere, and begun again. A file that is missing in
    /// both is named to `lacks`, and is no error.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn gather(&self, db: &Db, remove: bool, lacks: impl Fn(BlobId)) -> Result<Gathered, StorageError> {
        let (mut done, mut last) = (Gathered::default(), BlobId(0));
        loop {
            let read = db.read(move |conn| -> Result<_, DbError> { Ok(after(conn, last, AT_ONCE)?) });
            let blobs: Vec<Blob> = read.await?;
            let Some(newest) = blobs.last() else { return Ok(done) };
            last = newest.id;
            for one in blobs {
                let (storage, looked_at) = (self.clone(), one.clone());
                let was_there = match blocking(move || storage.bring(&looked_at)).await {
                    Ok(was_there) => was_there,
                    Err(StorageError::Missing(_)) if self.is_gone(db, &one).await? => continue,
                    Err(StorageError::Missing(_)) => {
                        lacks(one.id);
                        done.lacking += 1;
                        continue;
                    }
                    Err(cause) => return Err(cause),
                };
                // what was released meanwhile was perhaps swept before its copy came
                if !was_there && self.is_gone(db, &one).await? {
                    let storage = self.clone();
                    blocking(move || storage.remove_copy(&one)).await?;
                    continue;
                }
                done.copied += u64::from(!was_there);
                done.there += u64::from(was_there);
                let size = stored_size(&one);
                let storage = self.clone();
                match blocking(move || storage.leave(&one, remove)).await? {
                    true if remove => done.removed += 1,
                    true => {
                        done.left += 1;
                        done.left_bytes += size;
                    }
                    false => {}
                }
            }
        }
    }

    async fn is_gone(&self, db: &Db, one: &Blob) -> Result<bool, StorageError> {
        let (id, name) = (one.id, one.name.clone());
        let read = db.read(move |conn| -> Result<_, DbError> { Ok(blob(conn, id).optional()?) });
        Ok(read.await?.is_none_or(|now| now.name != name))
    }

    /// Makes sure that the first place has the file; gives whether it had it before.
    fn bring(&self, one: &Blob) -> Result<bool, StorageError> {
        let Some(name) = one.name.as_deref() else { return Ok(true) };
        let (places, all) = (&self.0.blobs, 0..stored_size(one));
        let lost = |cause: io::Error| match is_kept_secret(&cause) {
            true => missing(io::ErrorKind::NotFound.into(), name),
            false => missing(cause, name),
        };
        let has = is_there(places.first.as_ref(), name)?;
        if has {
            match hashed(places.first.get(name, all.clone()).map_err(lost)?, &mut io::sink(), name) {
                Ok(_) => return Ok(true),
                Err(StorageError::Io(cause)) if is_damage(&cause) => {}
                Err(cause) => return Err(cause),
            }
        }
        let Some(second) = &places.second else { return Err(StorageError::Missing(name.to_owned())) };
        let ready =
            whole(self.0.spool.spool()?, second.get(name, all).map_err(lost)?, name).map_err(|cause| match cause {
                StorageError::Io(cause) if is_damage(&cause) => lost(io::ErrorKind::NotFound.into()),
                cause => cause,
            })?;
        // only a damaged one is in the way: another run may have brought a good one meanwhile
        if has {
            places.first.remove(name)?;
        }
        match places.first.put(ready, name) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            put => Ok(put.map(|()| false)?),
        }
    }

    fn remove_copy(&self, one: &Blob) -> Result<(), StorageError> {
        Ok(one.name.as_deref().map_or(Ok(()), |name| self.0.blobs.first.remove(name))?)
    }

    /// Whether the file also lies in the second place; with `remove`, it is removed there.
    fn leave(&self, one: &Blob, remove: bool) -> Result<bool, StorageError> {
        let (Some(second), Some(name)) = (&self.0.blobs.second, one.name.as_deref()) else { return Ok(false) };
        let is_there = is_there(second.as_ref(), name)?;
        if is_there && remove {
            second.remove(name)?;
        }
        Ok(is_there)
    }
}
