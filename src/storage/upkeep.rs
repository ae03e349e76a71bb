//! What the worker regularly does for the storage: it removes strays, and re-seals files of an old key.

use super::rows::{Blob, due_strays, exchange, forget_strays, keys_to_leave, under};
use super::{STRAY, Storage, StorageError, blocking};
use crate::clock::Random;
use crate::db::{BlobId, Db, DbError, Ts};
use std::io::Read;

/// How many strays are removed between two queries.
const AT_ONCE: i64 = 100;

impl Storage {
    /// Removes the files that nothing refers to and that are due. Gives how many.
    ///
    /// # Errors
    /// See [`StorageError`]. A file that cannot be removed is no error: the log names it, and the next sweep tries it
    /// again.
    pub async fn sweep(&self, db: &Db, now: Ts) -> Result<usize, StorageError> {
        let (mut swept, mut after) = (0, None);
        loop {
            let last: Option<(Ts, String)> = after.clone();
            let read =
                db.read(move |conn| -> Result<_, DbError> { Ok(due_strays(conn, now, last.as_ref(), AT_ONCE)?) });
            let strays = read.await?;
            let Some(last) = strays.last() else { break };
            after = Some(last.clone());
            let storage = self.clone();
            let removed = blocking(move || storage.remove_all(strays)).await?;
            swept += removed.len();
            db.write(move |tx| -> Result<_, DbError> { Ok(forget_strays(tx, &removed)?) }).await?;
        }
        let storage = self.clone();
        let before = std::time::SystemTime::from(now.plus(-STRAY).get());
        Ok(swept + blocking(move || Ok(storage.0.spool.sweep(Some(before))?)).await?)
    }

    /// Removes as many files as possible, and gives the names of those that are gone.
    fn remove_all(&self, strays: Vec<(Ts, String)>) -> Result<Vec<String>, StorageError> {
        let mut removed = Vec::new();
        for (_, name) in strays {
            match self.remove(&name).map_err(StorageError::from) {
                Ok(()) => removed.push(name),
                // the server does not answer for the other files either
                Err(cause @ StorageError::Away(_)) if removed.is_empty() => return Err(cause),
                Err(StorageError::Away(_)) => break,
                Err(cause) => tracing::error!(%cause, name, "a file that nothing refers to could not be removed"),
            }
        }
        Ok(removed)
    }

    /// Re-seals files that are unencrypted or sealed with an old key. Gives how many.
    ///
    /// # Errors
    /// See [`StorageError`]. A file that cannot be read is no error: the log names it, and it stays as it is.
    pub async fn rotate(&self, db: &Db, now: Ts, random: &Random) -> Result<usize, StorageError> {
        let present = self.0.key.as_ref().map(|key| key.id());
        let keys = db.read(move |conn| -> Result<_, DbError> { Ok(keys_to_leave(conn, present.as_deref())?) });
        let mut done = 0;
        for key in keys.await? {
            let mut after = BlobId(0);
            loop {
                let key = key.clone();
                let read = db.read(move |conn| -> Result<_, DbError> { Ok(under(conn, key.as_deref(), after, 10)?) });
                let blobs = read.await?;
                let Some(last) = blobs.last() else { break };
                after = last.id;
                for blob in blobs {
                    match self.seal_anew(db, now, random, blob.clone()).await {
                        Ok(()) => done += 1,
                        // the other files would fail too
                        Err(cause @ (StorageError::Away(_) | StorageError::Full)) => return Err(cause),
                        // the other files may still succeed
                        Err(cause) => tracing::error!(%cause, blob = %blob.id, "a file could not be sealed anew"),
                    }
                }
            }
        }
        Ok(done)
    }

    async fn seal_anew(&self, db: &Db, now: Ts, random: &Random, blob: Blob) -> Result<(), StorageError> {
        let (storage, random, old) = (self.clone(), random.clone(), blob.clone());
        let spooled = blocking(move || {
            let mut incoming = storage.incoming_now(&random)?;
            let mut reading = storage.open_blob(&old, old.all())?;
            std::io::copy(&mut reading.by_ref(), &mut incoming)?;
            incoming.finish_now()
        });
        let placed = self.put(db, now, spooled.await?).await?;
        if placed.sha256 != blob.sha256 {
            // the damaged file stays as it is: a copy may still repair it
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a file in storage was changed").into());
        }
        db.write(move |tx| -> Result<_, DbError> { Ok(exchange(tx, now, &blob, &placed)?) }).await?;
        Ok(())
    }
}
