//! What a folder and a bucket have in common: everything that the rest of the storage needs of them.

use std::io::{self, Read};
use std::ops::Range;
use tempfile::NamedTempFile;

/// A file that is ready to be put: synced, and with its hash known.
pub struct Ready {
    /// the bytes as they are stored
    pub file: NamedTempFile,
    /// SHA-256 of these bytes
    pub sha256: Vec<u8>,
}

/// A place that stores files. This program makes the names: hexadecimal digits and one dash; none is used twice.
///
/// Errors of note: [`io::ErrorKind::NotFound`], [`io::ErrorKind::StorageFull`], and [`io::ErrorKind::HostUnreachable`]
/// for a server that does not answer, but may later.
pub trait BlobStore: Send + Sync {
    /// Stores a file; it is durable when this returns.
    fn put(&self, ready: Ready, name: &str) -> io::Result<()>;
    /// Opens a range of a file.
    fn get(&self, name: &str, range: Range<u64>) -> io::Result<Box<dyn Read + Send>>;
    /// Whether a file exists.
    fn has(&self, name: &str) -> io::Result<bool>;
    /// Removes a file; a missing file is no error.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Whether files can be stored here, without storing one.
    fn check(&self) -> io::Result<()>;
}
