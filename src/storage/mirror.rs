//! A bucket that holds the copies of a folder again: a backup away from the machine. It lists what it holds, which the
//! storage of attachments never needs.

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

/// What a bucket says of something that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// its bytes
    pub size: u64,
    /// when it came, by the server's clock
    pub(super) came_at: Option<OffsetDateTime>,
}

impl Object {
    /// Whether it came more than a day before; one of which the server does not say when did not.
    pub fn is_old(&self, now: Ts) -> bool {
        self.came_at.is_some_and(|at| now.get() - at > time::Duration::DAY)
    }
}

/// A bucket for backups.
#[derive(Clone)]
pub struct Mirror(Bucket);

impl Mirror {
    /// Nothing is sent to the server yet.
    ///
    /// # Errors
    /// Where the bucket's address is not valid.
    pub fn new(config: &config::Bucket) -> Result<Mirror, StorageError> {
        Ok(Mirror(Bucket::new(config)?))
    }

    /// What it holds, by its name.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn list(&self) -> Result<HashMap<String, Object>, StorageError> {
        Ok(self.0.list()?)
    }

    /// Stores a copy of a folder. The server compares it with the hash in its name, and refuses a damaged one.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn put_copy(&self, copies: &Copies, name: &str) -> Result<(), StorageError> {
        let hash = name.split('-').next().and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok()).unwrap_or_default();
        Ok(self.0.put_file(&mut copies.open_file(name)?, &hash, name)?)
    }

    /// Stores another file.
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

    /// Fetches another file: durably, whole or not at all.
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
