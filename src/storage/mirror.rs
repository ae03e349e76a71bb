//! A bucket with the same copies as a backup folder: a backup away from the machine. Unlike the storage of attachments
//! it lists its contents.

use super::StorageError;
use super::blob_store::BlobStore;
use super::bucket::Bucket;
use super::copies::Copies;
use crate::config;
use crate::db::Ts;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use time::OffsetDateTime;

/// What a bucket says of one of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// its size in bytes
    pub size: u64,
    /// when it was stored, by the server's clock; `None` where the server does not say
    pub(super) came_at: Option<OffsetDateTime>,
}

impl Object {
    /// Whether it was stored more than a day before `now`; `false` where the server does not say when.
    pub fn is_old(&self, now: Ts) -> bool {
        self.came_at.is_some_and(|at| now.get() - at > time::Duration::DAY)
    }
}

/// A bucket for backups.
#[derive(Clone)]
pub struct Mirror(Bucket);

impl Mirror {
    /// A mirror in this bucket. Nothing is sent to the server yet.
    ///
    /// # Errors
    /// Where the bucket's address is not valid.
    pub fn new(config: &config::Bucket) -> Result<Mirror, StorageError> {
        Ok(Mirror(Bucket::new(config)?))
    }

    /// Everything in the bucket, by its name.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn list(&self) -> Result<HashMap<String, Object>, StorageError> {
        Ok(self.0.list()?)
    }

    /// Stores a copy from a folder. The server compares it with the hash in its name, and refuses a damaged one.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn put_copy(&self, copies: &Copies, name: &str) -> Result<(), StorageError> {
        let hash = name.split('-').next().and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok()).unwrap_or_default();
        Ok(self.0.put_file(&mut copies.open_file(name)?, &hash, name)?)
    }

    /// Stores a file whose name holds no hash: a manifest.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn put(&self, path: &Path, name: &str) -> Result<(), StorageError> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        io::copy(&mut file, &mut hash)?;
        Ok(self.0.put_file(&mut file, &hash.finalize(), name)?)
    }

    /// Fetches a copy into a folder, and compares it with the hash in its name.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn get_copy(&self, copies: &Copies, name: &str, size: u64) -> Result<(), StorageError> {
        copies.take_from(self.0.get(name, 0..size)?, name)
    }

    /// Fetches a file whose name holds no hash, durably: it is in the folder whole or not at all.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn get(&self, folder: &Path, name: &str, size: u64) -> Result<(), StorageError> {
        let mut bytes = Vec::new();
        self.0.get(name, 0..size)?.read_to_end(&mut bytes)?;
        let mut file = tempfile::Builder::new().prefix(".").suffix(".part").tempfile_in(folder)?;
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(folder.join(name)).map_err(|cause| cause.error)?;
        Ok(File::open(folder)?.sync_all()?)
    }

    /// Removes a file; a missing file is no error.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn remove(&self, name: &str) -> Result<(), StorageError> {
        Ok(self.0.remove(name)?)
    }
}
