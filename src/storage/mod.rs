//! GROUND: the content of files: in a folder or in a bucket, encrypted where a key is configured.
//!
//! A file takes three steps. It is spooled ([`Incoming`]): hashed, sealed and synced to disk as it comes in, in little
//! memory. It is placed ([`Storage::put`]): its name is recorded as stray, then the file is put into storage. It is
//! kept ([`keep`]): in the transaction of the row that refers to it, it becomes a blob. A process that dies between two
//! steps leaves a stray, which is swept, and never a row without its file. Releasing a file takes the same steps
//! backwards.
//!
//! Equal contents are stored once: [`keep`] gives the existing blob. A file's name is the SHA-256 of the stored bytes
//! and a few random letters, so that removing one copy never removes another that was just written.

mod blob_store;
mod bucket;
mod copies;
mod folder;
mod gather;
mod incoming;
mod mirror;
mod places;
mod reading;
mod rows;
mod seal;
mod served;
mod upkeep;

pub use copies::{Copies, Part, is_copy_name};
pub use gather::Gathered;
pub use incoming::{Incoming, Spooled};
pub use mirror::{Mirror, Object};
pub use reading::Reading;
pub use rows::{
    Blob, Kept, Placed, Scan, after, blob, count_under, keep, refer, release, set_scan, waiting, want_no_scans,
    want_scans,
};
pub use served::{NotServed, Served, Serving, Unserved};

use crate::clock::Random;
use crate::config::{self, Files};
use crate::db::SecretKey;
use crate::db::{Db, DbError, Ts};
use crate::error::AppError;
use blob_store::BlobStore;
use bucket::Bucket;
use folder::Folder;
use places::Places;
use seal::Sealing;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Why a file could not be written or read. The text has names in storage only: never the name that a user gave.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no room for the file.
    #[error("the storage is full")]
    Full,
    /// The file is missing in storage.
    #[error("the file {0} is missing in storage")]
    Missing(String),
    /// The file was encrypted with a key that is not configured.
    #[error("the key {0} is not configured: add it to storage.old_keys")]
    NoKey(String),
    /// The bucket's server does not answer; it may later.
    #[error("{0}")]
    Away(io::Error),
    /// The folder or bucket failed.
    #[error("the storage failed: {0}")]
    Io(io::Error),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<StorageError> for AppError {
    fn from(cause: StorageError) -> AppError {
        match cause {
            StorageError::Db(cause) => AppError::Db(cause),
            StorageError::Missing(name) => AppError::Missing(name),
            // the file exists, but cannot be read now: never "not found"
            other => AppError::Storage(other.to_string()),
        }
    }
}

impl From<io::Error> for StorageError {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StorageError::Full
            }
            io::ErrorKind::HostUnreachable => StorageError::Away(cause),
            _ => StorageError::Io(cause),
        }
    }
}

crate::from_database!(StorageError);

/// The files of the clinic, cheap to clone.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    spool: Folder,
    blobs: Places,
    /// the key that encrypts new files
    key: Option<SecretKey>,
    /// every configured key, for reading
    keys: Vec<SecretKey>,
    /// which files may be served
    serving: Serving,
}

/// A stray file that is not kept within this time is swept: its transaction has failed.
const STRAY: time::Duration = time::Duration::DAY;
/// A released file stays in storage for this time: a reader may be about to open it.
const LET_GO: time::Duration = time::Duration::minutes(10);

impl Storage {
    /// Opens the storage that the configuration names, and creates its folder.
    ///
    /// # Errors
    /// When the folder cannot be created or written.
    pub fn open(files: &Files) -> Result<Storage, StorageError> {
        let spool = Folder::open(&files.folder)?;
        let blobs = Places::of(files, &spool)?;
        Ok(Storage(Arc::new(Inner {
            spool,
            blobs,
            key: files.key.clone(),
            keys: files.keys(),
            serving: Serving::by(files),
        })))
    }

    /// Whether the bucket exists and its key fits; nothing is created.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn bucket_answers(bucket: &config::Bucket) -> Result<(), StorageError> {
        let bucket = Bucket::new(bucket)?;
        blocking(move || Ok(bucket.check()?)).await
    }

    /// Whether files can be stored: asks the disk or the bucket's server.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn check(&self) -> Result<(), StorageError> {
        let storage = self.clone();
        blocking(move || Ok(storage.0.blobs.check()?)).await
    }

    /// Begins a file, sealed with the configured key if there is one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn incoming(&self, random: &Random) -> Result<Incoming, StorageError> {
        let (storage, random) = (self.clone(), random.clone());
        blocking(move || storage.incoming_now(&random)).await
    }

    /// Begins a file from a sender, which may be anything: where a scanner is to look at it, it is always encrypted,
    /// with or without a configured key.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn incoming_unknown(&self, random: &Random) -> Result<Incoming, StorageError> {
        if self.0.key.is_some() || !self.0.serving.is_scanned() {
            return self.incoming(random).await;
        }
        let (storage, random) = (self.clone(), random.clone());
        let drawn = [random.bytes(), random.bytes()].concat();
        blocking(move || Ok(Incoming::new(storage.0.spool.spool()?, Sealing::own(&drawn), &random.bytes()))).await
    }

    /// Begins a file on the caller's blocking thread: for imports.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn incoming_now(&self, random: &Random) -> Result<Incoming, StorageError> {
        let sealing = self.0.key.as_ref().map(|key| Sealing::new(key, &random.bytes()));
        Ok(Incoming::new(self.0.spool.spool()?, sealing, &random.bytes()))
    }

    /// Puts a spooled file into storage. Before that, its name is recorded durably as a stray.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn put(&self, db: &Db, now: Ts, spooled: Spooled) -> Result<Placed, StorageError> {
        let (mut placed, ready) = spooled.split();
        let (name, due, sha256) = (placed.name.clone(), now.plus(STRAY), placed.sha256.clone());
        let write = db.write(move |tx| -> Result<_, DbError> {
            rows::add_stray(tx, &name, due)?;
            Ok(rows::name_of(tx.conn(), &sha256)?)
        });
        let same = write.await?;
        let (storage, name) = (self.clone(), placed.name.clone());
        let put = blocking(move || {
            storage.0.blobs.put(ready, &name)?;
            // an equal content was there before: if its file has disappeared, this one replaces it
            let vanished = same.filter(|same| matches!(storage.0.blobs.has(same), Ok(false)));
            Ok(vanished)
        });
        placed.heals = put.await?;
        Ok(placed)
    }

    fn open_blob(&self, blob: &Blob, range: Range<u64>) -> Result<Reading, StorageError> {
        let name = blob.name.as_deref().ok_or_else(|| StorageError::Missing("removed".into()))?;
        let opening = self.opening(blob.key_id.as_deref(), blob.nonce.as_deref())?;
        let (stored, reading) = reading::plan(blob.size as u64, range, opening);
        let source = self.0.blobs.get(name, stored).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => StorageError::Missing(name.to_owned()),
            _ => cause.into(),
        })?;
        Ok(reading.open(source))
    }

    /// Opens a file that is on this machine's disk, but not yet in storage.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn read_spooled(&self, spooled: &Spooled) -> Result<Reading, StorageError> {
        let (placed, file) = spooled.parts();
        let opening = self.opening(placed.key_id.as_deref(), placed.nonce.as_deref())?;
        let (_, reading) = reading::plan(placed.size as u64, 0..placed.size as u64, opening);
        Ok(reading.open(Box::new(file.reopen()?)))
    }

    fn opening(&self, key_id: Option<&str>, nonce: Option<&[u8]>) -> Result<Option<Sealing>, StorageError> {
        match (key_id, nonce) {
            (Some(seal::OWN), Some(nonce)) => match Sealing::own(nonce) {
                Some(sealing) => Ok(Some(sealing)),
                None => Err(StorageError::NoKey(seal::OWN.to_owned())),
            },
            (Some(id), Some(nonce)) => Ok(Some(Sealing::new(self.key(id)?, nonce))),
            _ => Ok(None),
        }
    }

    fn key(&self, id: &str) -> Result<&SecretKey, StorageError> {
        self.0.keys.iter().find(|key| key.id() == id).ok_or_else(|| StorageError::NoKey(id.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.blobs.remove(name)
    }

    /// The folder, for checks of the disk.
    pub fn folder(&self) -> &Path {
        self.0.spool.path()
    }
}

/// Runs work that waits for a disk or a network on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let gone = |_| StorageError::Io(io::Error::other("a thread of the storage died"));
    tokio::task::spawn_blocking(work).await.map_err(gone)?
}
