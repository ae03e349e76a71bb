//! A file that is coming in: hashed, sealed and written piece by piece, in little memory whatever its size.

use super::blob_store::Ready;
use super::rows::Placed;
use super::seal::{PIECE, Sealing};
use super::{StorageError, blocking};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use tempfile::NamedTempFile;

/// How many bytes are gathered before a thread writes them.
const GATHERED: usize = 2 * PIECE;

/// A file that is being written. When it is dropped unfinished, nothing of it is kept.
pub struct Incoming {
    gathered: Vec<u8>,
    /// `None` while a thread writes, and permanently after an error
    writer: Option<Writer>,
}

struct Writer {
    file: NamedTempFile,
    sealing: Option<Sealing>,
    /// the newest piece, which is sealed when it is known whether it is the last
    piece: Vec<u8>,
    number: u32,
    size: u64,
    plain: Sha256,
    stored: Sha256,
    suffix: String,
}

/// A file that is completely on this machine's disk, but not yet in storage.
pub struct Spooled {
    placed: Placed,
    ready: Ready,
}

impl Spooled {
    /// Its size in bytes, unencrypted.
    pub fn size(&self) -> u64 {
        self.placed.size as u64
    }

    pub(super) fn parts(&self) -> (&Placed, &NamedTempFile) {
        (&self.placed, &self.ready.file)
    }

    pub(super) fn split(self) -> (Placed, Ready) {
        (self.placed, self.ready)
    }
}

impl Incoming {
    pub(super) fn new(file: NamedTempFile, sealing: Option<Sealing>, random: &[u8]) -> Incoming {
        let suffix = HEXLOWER.encode(&random[..6]);
        let (plain, stored) = (Sha256::new(), Sha256::new());
        let piece = Vec::with_capacity(if sealing.is_some() { PIECE + super::seal::TAG } else { 0 });
        let writer = Writer { file, sealing, piece, number: 0, size: 0, plain, stored, suffix };
        Incoming { gathered: Vec::with_capacity(GATHERED), writer: Some(writer) }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// When they cannot be written; the file is lost then.
    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(GATHERED - self.gathered.len()));
            self.gathered.extend_from_slice(now);
            bytes = later;
            if self.gathered.len() == GATHERED {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), StorageError> {
        let mut writer = self.writer.take().ok_or_else(lost)?;
        let mut gathered = std::mem::take(&mut self.gathered);
        let written = blocking(move || {
            writer.write(&gathered)?;
            gathered.clear();
            Ok((writer, gathered))
        });
        let (writer, gathered) = written.await?;
        (self.writer, self.gathered) = (Some(writer), gathered);
        Ok(())
    }

    /// Ends the file; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn finish(self) -> Result<Spooled, StorageError> {
        blocking(move || self.finish_now()).await
    }

    /// Ends the file, on the caller's blocking thread.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish_now(self) -> Result<Spooled, StorageError> {
        let mut writer = self.writer.ok_or_else(lost)?;
        writer.write(&self.gathered)?;
        Ok(writer.finish()?)
    }
}

/// For blocking threads.
impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.as_mut().ok_or_else(lost)?.write(bytes)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lost() -> io::Error {
    io::Error::other("an upload went on after it failed")
}

impl Writer {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.plain.update(bytes);
        if self.sealing.is_none() {
            return self.file.write_all(bytes);
        }
        while !bytes.is_empty() {
            if self.piece.len() == PIECE {
                self.seal(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        if let Some(sealing) = &self.sealing {
            sealing.seal(self.number, last, &mut self.piece)?;
            self.stored.update(&self.piece);
            self.file.write_all(&self.piece)?;
            self.number += 1;
            self.piece.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<Spooled> {
        self.seal(true)?;
        self.file.as_file().sync_all()?;
        let sha256 = self.plain.finalize().to_vec();
        let stored = if self.sealing.is_some() { self.stored.finalize().to_vec() } else { sha256.clone() };
        let name = format!("{}-{}", HEXLOWER.encode(&stored), self.suffix);
        let (key_id, nonce) = self.sealing.map(|sealing| (sealing.key_id, sealing.nonce)).unzip();
        let placed = Placed { sha256, size: self.size as i64, name, key_id, nonce, heals: None };
        Ok(Spooled { placed, ready: Ready { file: self.file, sha256: stored } })
    }
}
