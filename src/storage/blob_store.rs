//! What a folder and a bucket have in common: all that the rest of the storage asks of either.

use std::io::{self, Read};
use std::ops::Range;
use tempfile::NamedTempFile;

/// A file that is ready to be put: synced, and known by what lies in it.
pub struct Ready {
    /// its bytes as they will lie
    pub file: NamedTempFile,
    /// SHA-256 of these bytes
    pub sha256: Vec<u8>,
}

/// Where files lie. Names are ours alone: hexadecimal digits and one dash; none is ever used again.
///
/// Errors of note: [`io::ErrorKind::NotFound`], [`io::ErrorKind::StorageFull`], and for a server that does not answer,
/// and may do so later, [`io::ErrorKind::HostUnreachable`].
pub trait BlobStore: Send + Sync {
    /// Puts a file; it is durable when this returns.
    fn put(&self, ready: Ready, name: &str) -> io::Result<()>;
    /// Opens a range of a file.
    fn get(&self, name: &str, range: Range<u64>) -> io::Result<Box<dyn Read + Send>>;
    /// Whether a file is there.
    fn has(&self, name: &str) -> io::Result<bool>;
    /// Removes a file; that it is not there is as good.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Whether files can be put here, without putting one.
    fn check(&self) -> io::Result<()>;
}
