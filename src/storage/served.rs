//! Decides which files may be served. Giving a file to a reader needs a [`Served`], and only [`Storage::served`] makes
//! one.

use super::rows::{Blob, Scan};
use super::{Reading, Storage, StorageError, blocking};
use crate::config::Files;
use std::io::{self, Read};
use std::ops::Range;

/// Why a file may not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotServed {
    /// the scanner has not found the file clean yet
    Waiting,
    /// a virus was found in it
    Infected,
}

/// The rule: where a virus scanner is configured, a file is served only after it was found clean, even if it came
/// before the scanner. Pages use it for their links, and the storage for what it gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    scanned: bool,
}

impl Serving {
    /// The stricter rule, as with a scanner, for where the configuration is not known.
    pub const ONLY_CLEAN: Serving = Serving { scanned: true };

    pub(super) fn by(files: &Files) -> Serving {
        Serving { scanned: files.scanner.is_some() }
    }

    pub(super) fn is_scanned(self) -> bool {
        self.scanned
    }

    /// Whether a file with this result of the scanner may be served.
    ///
    /// # Errors
    /// Why it may not.
    pub fn judge(self, scan: Scan) -> Result<(), NotServed> {
        match scan {
            Scan::Clean => Ok(()),
            Scan::NotScanned if !self.scanned => Ok(()),
            Scan::NotScanned | Scan::Waiting => Err(NotServed::Waiting),
            Scan::Infected => Err(NotServed::Infected),
        }
    }

    /// The result to show: a file from before there was a scanner waits for it.
    pub fn effective(self, scan: Scan) -> Scan {
        if scan == Scan::NotScanned && self.scanned { Scan::Waiting } else { scan }
    }
}

/// A file that may be served.
#[derive(Debug, Clone)]
pub struct Served(Blob);

impl Served {
    /// Size in bytes, unencrypted.
    pub fn size(&self) -> u64 {
        self.0.size as u64
    }

    /// SHA-256 of the unencrypted content.
    pub fn sha256(&self) -> &[u8] {
        &self.0.sha256
    }
}

/// A file that is read inside the program, by the scanner or for a comparison with its hash. It cannot be streamed to a
/// reader.
pub struct Unserved(Reading);

impl Read for Unserved {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Storage {
    /// The rule for serving files.
    pub fn serving(&self) -> Serving {
        self.0.serving
    }

    /// Makes a blob a file that may be served.
    ///
    /// # Errors
    /// Why it may not.
    pub fn served(&self, blob: Blob) -> Result<Served, NotServed> {
        self.0.serving.judge(blob.scan).map(|()| Served(blob))
    }

    /// Opens the bytes of `range` of a file that may be served.
    ///
    /// # Errors
    /// See [`StorageError`]. A file that was changed in storage fails later, while it is read.
    pub async fn read(&self, file: &Served, range: Range<u64>) -> Result<Reading, StorageError> {
        let (storage, file) = (self.clone(), file.clone());
        blocking(move || storage.read_now(&file, range)).await
    }

    /// Opens it on the caller's blocking thread.
    ///
    /// # Errors
    /// See [`Storage::read`].
    pub fn read_now(&self, file: &Served, range: Range<u64>) -> Result<Reading, StorageError> {
        self.open_blob(&file.0, range)
    }

    /// Opens a blob to be scanned, or compared with its hash. Blocks the thread.
    ///
    /// # Errors
    /// See [`Storage::read`].
    pub fn read_to_check(&self, blob: &Blob) -> Result<Unserved, StorageError> {
        self.open_blob(blob, blob.all()).map(Unserved)
    }
}
