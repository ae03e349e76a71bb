//! What the worker does for the storage now and then: strays are removed, and files of an old key sealed anew.

use super::rows::{Blob, due_strays, exchange, forget_strays, not_sealed_with};
use super::{STRAY, Storage, StorageError, blocking};
use crate::clock::Random;
use crate::db::{Db, DbError, Ts};
use std::io::Read;

/// How many are taken at a time.
const AT_ONCE: i64 = 100;

impl Storage {
    /// Removes the files that nothing refers to and that are due. Gives their number.
    ///
    /// # Errors
    /// See [`StorageError`]; what was not removed is tried again next time.
    pub async fn sweep(&self, db: &Db, now: Ts) -> Result<usize, StorageError> {
        let mut swept = 0;
        loop {
            let names = db.read(move |conn| -> Result<_, DbError> { Ok(due_strays(conn, now, AT_ONCE)?) }).await?;
            if names.is_empty() {
                break;
            }
            swept += names.len();
            let (storage, removed) = (self.clone(), names.clone());
            blocking(move || Ok(removed.iter().try_for_each(|name| storage.remove(name))?)).await?;
            db.write(move |tx| -> Result<_, DbError> { Ok(forget_strays(tx, &names)?) }).await?;
        }
        let storage = self.clone();
        let before = std::time::SystemTime::from(now.plus(-STRAY).get());
        Ok(swept + blocking(move || Ok(storage.0.spool.sweep(before)?)).await?)
    }

    /// Seals files anew that are in clear or under an old key, a few at a time. Gives how many; 0: all is as it should.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn rotate(&self, db: &Db, now: Ts, random: &Random) -> Result<usize, StorageError> {
        let key_id = self.0.key.as_ref().map(|key| key.id());
        let blobs = db.read(move |conn| -> Result<_, DbError> { Ok(not_sealed_with(conn, key_id.as_deref(), 10)?) });
        let mut done = 0;
        for blob in blobs.await? {
            match self.seal_anew(db, now, random, blob.clone()).await {
                Ok(()) => done += 1,
                // the others still can
                Err(cause) => tracing::error!(%cause, blob = %blob.id, "a file could not be sealed anew"),
            }
        }
        Ok(done)
    }

    async fn seal_anew(&self, db: &Db, now: Ts, random: &Random, blob: Blob) -> Result<(), StorageError> {
        let (storage, random, old) = (self.clone(), random.clone(), blob.clone());
        let spooled = blocking(move || {
            let mut incoming = storage.incoming_now(&random)?;
            let mut reading = storage.read_now(&old, old.all())?;
            std::io::copy(&mut reading.by_ref(), &mut incoming)?;
            incoming.finish_now()
        });
        let placed = self.place(db, now, spooled.await?).await?;
        if placed.sha256 != blob.sha256 {
            // left as it is: it may still be mended from a copy
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a file in storage was changed").into());
        }
        db.write(move |tx| -> Result<_, DbError> { Ok(exchange(tx, now, &blob, &placed)?) }).await?;
        Ok(())
    }
}
