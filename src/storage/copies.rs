//! Copies of files in a backup's folder: as they are stored, byte for byte, under their names in storage. A name
//! contains the hash of the stored bytes, so an existing copy need not be made again, and can be checked without any
//! key. Parts of the backup itself are stored beside them, sealed like files.

use super::blob_store::{BlobStore, Ready};
use super::folder::Folder;
use super::incoming::{Incoming, Spooled};
use super::rows::Blob;
use super::seal::{Sealing, TAG, pieces};
use super::{Reading, Storage, StorageError, reading, seal};
use crate::clock::Random;
use crate::db::SecretKey;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// A folder of copies.
#[derive(Clone)]
pub struct Copies(Folder);

/// A file that belongs to the backup and is not in storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// its name
    pub name: String,
    /// SHA-256 of its content, in hexadecimal
    pub sha256: String,
    /// size of its content in bytes
    pub size: u64,
    /// the key that it is sealed with; `None`: it is not encrypted
    pub key_id: Option<String>,
    nonce: Option<String>,
}

impl Copies {
    /// Opens a folder, and makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn open(path: &Path) -> Result<Copies, StorageError> {
        Ok(Copies(Folder::open(path)?))
    }

    /// Opens an existing folder, only to read.
    pub fn there(path: &Path) -> Copies {
        Copies(Folder::there(path))
    }

    /// Begins a part; `key` seals it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn part(&self, key: Option<&SecretKey>, random: &Random) -> Result<Incoming, StorageError> {
        let sealing = key.map(|key| Sealing::new(key, &random.bytes()));
        Ok(Incoming::new(self.0.spool()?, sealing, &random.bytes()))
    }

    /// Stores a part; it is durable when this returns.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn keep(&self, spooled: Spooled) -> Result<Part, StorageError> {
        let (placed, ready) = spooled.split();
        self.0.put(ready, &placed.name)?;
        Ok(Part {
            name: placed.name,
            sha256: HEXLOWER.encode(&placed.sha256),
            size: placed.size as u64,
            key_id: placed.key_id,
            nonce: placed.nonce.map(|nonce| HEXLOWER.encode(&nonce)),
        })
    }

    /// Opens a part; `keys` are those that may have sealed it.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn read(&self, part: &Part, keys: &[SecretKey]) -> Result<Reading, StorageError> {
        let opening = match &part.key_id {
            None => None,
            Some(id) => {
                let key = keys.iter().find(|key| key.id() == *id);
                let key = key.ok_or_else(|| StorageError::NoKey(id.clone()))?;
                let nonce = part.nonce.as_ref().and_then(|nonce| HEXLOWER.decode(nonce.as_bytes()).ok());
                Some(Sealing::new(key, &nonce.unwrap_or_default()))
            }
        };
        let (stored, plan) = reading::plan(part.size, 0..part.size, opening);
        Ok(plan.open(self.0.get(&part.name, stored).map_err(|cause| missing(cause, &part.name))?))
    }

    /// Copies a file out of storage, unless there is a copy. Gives whether it was copied.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn take(&self, storage: &Storage, blob: &Blob) -> Result<bool, StorageError> {
        let Some(name) = &blob.name else { return Ok(false) };
        if self.0.size(name)? == Some(stored_size(blob)) {
            return Ok(false);
        }
        let source = storage.0.blobs.get(name, 0..stored_size(blob)).map_err(|cause| missing(cause, name))?;
        self.take_from(source, name)?;
        Ok(true)
    }

    /// Copies a file back into storage. A file of this name in storage is the same: the name has its hash.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn give(&self, storage: &Storage, blob: &Blob) -> Result<(), StorageError> {
        let Some(name) = &blob.name else { return Ok(()) };
        let source = self.0.get(name, 0..stored_size(blob)).map_err(|cause| missing(cause, name))?;
        let ready = whole(storage.0.spool.spool()?, source, name)?;
        match storage.0.blobs.put(ready, name) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            put => Ok(put?),
        }
    }

    /// The names of all copies and parts.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.0.names()?)
    }

    /// The size of a copy or part in bytes; `None` where there is none.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn size(&self, name: &str) -> Result<Option<u64>, StorageError> {
        Ok(self.0.size(name)?)
    }

    /// Reads something and compares it with its name.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn check_copy(&self, name: &str) -> Result<(), StorageError> {
        let source = self.0.open_file(name).map_err(|cause| missing(cause, name))?;
        hashed(Box::new(source), &mut io::sink(), name).map(drop)
    }

    /// Something that lies here, as it lies.
    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        self.0.open_file(name)
    }

    /// Stores a file under its name, in place of one that may be incomplete.
    pub(super) fn take_from(&self, source: Box<dyn Read + Send>, name: &str) -> Result<(), StorageError> {
        let ready = whole(self.0.spool()?, source, name)?;
        self.0.remove(name)?;
        Ok(self.0.put(ready, name)?)
    }

    /// Reads a copy and compares it with the hash in its name.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn check(&self, blob: &Blob) -> Result<(), StorageError> {
        let Some(name) = &blob.name else { return Ok(()) };
        let source = self.0.get(name, 0..stored_size(blob)).map_err(|cause| missing(cause, name))?;
        hashed(source, &mut io::sink(), name).map(drop)
    }

    /// Removes all files except those with these names, and what was being written when a process died. The caller
    /// makes sure that nobody writes here. Gives how many were removed.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn sweep(&self, kept: &HashSet<String>) -> Result<usize, StorageError> {
        let mut swept = self.0.sweep(None)?;
        for name in self.0.names()? {
            if !kept.contains(&name) {
                self.0.remove(&name)?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

impl Storage {
    /// Makes sure that a file that was sealed with this key can be read.
    ///
    /// # Errors
    /// That the key is not configured.
    pub fn has_key(&self, key_id: Option<&str>) -> Result<(), StorageError> {
        match key_id {
            None | Some(seal::OWN) => Ok(()),
            Some(id) => self.key(id).map(drop),
        }
    }
}

/// Whether something has a name as copies have them: the hash of what lies in it, a dash, and a random part.
pub fn is_copy_name(name: &str) -> bool {
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    name.split_once('-').is_some_and(|(hash, random)| hash.len() == 64 && is_hex(hash) && is_hex(random))
}

/// Bytes that a file has where it lies.
pub(super) fn stored_size(blob: &Blob) -> u64 {
    let size = blob.size as u64;
    if blob.key_id.is_some() { size + pieces(size) * TAG as u64 } else { size }
}

pub(super) fn missing(cause: io::Error, name: &str) -> StorageError {
    match cause.kind() {
        io::ErrorKind::NotFound => StorageError::Missing(name.to_owned()),
        _ => cause.into(),
    }
}

/// Copies a source into the file and syncs it, so that it is ready to be put.
pub(super) fn whole(mut file: NamedTempFile, source: Box<dyn Read + Send>, name: &str) -> Result<Ready, StorageError> {
    let sha256 = hashed(source, file.as_file_mut(), name)?;
    file.as_file().sync_all()?;
    Ok(Ready { file, sha256 })
}

/// Copies, and compares the bytes with the hash in the name.
pub(super) fn hashed(
    mut source: Box<dyn Read + Send>,
    into: &mut dyn Write,
    name: &str,
) -> Result<Vec<u8>, StorageError> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                hash.update(&piece[..count]);
                into.write_all(&piece[..count])?;
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause.into()),
        }
    }
    let sha256 = hash.finalize().to_vec();
    if name.split('-').next() != Some(HEXLOWER.encode(&sha256).as_str()) {
        let changed = format!("the file {name} is not what was written");
        return Err(io::Error::new(io::ErrorKind::InvalidData, changed).into());
    }
    Ok(sha256)
}
