//! Which files may go out. Whoever gives one to a reader needs a [`Served`], and [`Storage::served`] alone makes one.

use super::rows::{Blob, Scan};
use super::{Reading, Storage, StorageError, blocking};
use crate::config::Files;
use std::io::{self, Read};
use std::ops::Range;

/// Why a file may not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotServed {
    /// the scanner has not found it clean yet
    Waiting,
    /// a virus was found in it
    Infected,
}

/// The rule: where a virus scanner is configured, nothing goes out before it was found clean, whatever was known of it
/// when there was none. Pages ask it for what they link to, and the storage for what it gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    scanned: bool,
}

impl Serving {
    /// With a scanner: the stricter rule, for where the configuration is not known.
    pub const ONLY_CLEAN: Serving = Serving { scanned: true };

    pub(super) fn by(files: &Files) -> Serving {
        Serving { scanned: files.scanner.is_some() }
    }

    pub(super) fn is_scanned(self) -> bool {
        self.scanned
    }

    /// Whether a file of which the scanner says this may go out.
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

    /// What is said of such a file: one that came before there was a scanner waits for it.
    pub fn effective(self, scan: Scan) -> Scan {
        if scan == Scan::NotScanned && self.scanned { Scan::Waiting } else { scan }
    }
}

/// A file that may go out.
#[derive(Debug, Clone)]
pub struct Served(Blob);

impl Served {
    /// Bytes in clear.
    pub fn size(&self) -> u64 {
        self.0.size as u64
    }

    /// SHA-256 of the content in clear.
    pub fn sha256(&self) -> &[u8] {
        &self.0.sha256
    }
}

/// A file that is looked at where it lies, by a scanner or by whoever compares it with its hash. It gives no stream for
/// an answer.
pub struct Unserved(Reading);

impl Read for Unserved {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Storage {
    /// Which files may go out.
    pub fn serving(&self) -> Serving {
        self.0.serving
    }

    /// A blob as a file that may go out.
    ///
    /// # Errors
    /// Why it may not.
    pub fn served(&self, blob: Blob) -> Result<Served, NotServed> {
        self.0.serving.judge(blob.scan).map(|()| Served(blob))
    }

    /// Opens the bytes of `range` of a file that may go out.
    ///
    /// # Errors
    /// See [`StorageError`]. What was changed in storage shows later, as an error of the reading.
    pub async fn read(&self, file: &Served, range: Range<u64>) -> Result<Reading, StorageError> {
        let (storage, file) = (self.clone(), file.clone());
        blocking(move || storage.read_now(&file, range)).await
    }

    /// The same on a thread that may wait.
    ///
    /// # Errors
    /// See [`Storage::read`].
    pub fn read_now(&self, file: &Served, range: Range<u64>) -> Result<Reading, StorageError> {
        self.open_blob(&file.0, range)
    }

    /// Opens a blob that goes nowhere: to be scanned, or compared with its hash. On a thread that may wait.
    ///
    /// # Errors
    /// See [`Storage::read`].
    pub fn read_to_check(&self, blob: &Blob) -> Result<Unserved, StorageError> {
        self.open_blob(blob, blob.all()).map(Unserved)
    }
}
