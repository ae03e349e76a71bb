//! A file that is read: only the pieces of the requested range, each decrypted and checked before it is passed on.

use super::blocking;
use super::seal::{PIECE, Sealing, TAG, pieces};
use futures_util::Stream;
use std::io::{self, Read};
use std::ops::Range;

/// How many bytes are read at a time.
const CHUNK: usize = 2 * PIECE;

/// What is to be read, before the source is open.
pub struct Plan {
    opening: Option<Opening>,
    left: u64,
}

struct Opening {
    sealing: Sealing,
    number: u64,
    pieces: u64,
    /// how many bytes of the first piece come before the range
    skip: usize,
}

/// The bytes of a range of a file, by [`Read`] on a blocking thread, or as a stream.
pub struct Reading {
    source: Box<dyn Read + Send>,
    opening: Option<Opening>,
    /// decrypted bytes; those from `at` on are unread
    ready: Vec<u8>,
    at: usize,
    left: u64,
}

/// Which bytes of the stored file `range` of a file of `size` bytes needs, and how they are read.
pub fn plan(size: u64, range: Range<u64>, sealing: Option<Sealing>) -> (Range<u64>, Plan) {
    let end = range.end.min(size);
    let start = range.start.min(end);
    let Some(sealing) = sealing else { return (start..end, Plan { opening: None, left: end - start }) };
    let (piece, sealed) = (PIECE as u64, (PIECE + TAG) as u64);
    let pieces = pieces(size);
    let (first, last) = (start / piece, end.saturating_sub(1).max(start) / piece);
    let stored = first * sealed..((last + 1) * sealed).min(size + pieces * TAG as u64);
    let opening = Opening { sealing, number: first, pieces, skip: (start % piece) as usize };
    (stored, Plan { opening: Some(opening), left: end - start })
}

impl Plan {
    pub fn open(self, source: Box<dyn Read + Send>) -> Reading {
        Reading { source, opening: self.opening, ready: Vec::new(), at: 0, left: self.left }
    }
}

impl Reading {
    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes, empty at the end. A file that ends early is an error: a reader must not take a part for the
    /// whole.
    fn next(&mut self) -> io::Result<&[u8]> {
        if self.at == self.ready.len() && self.left > 0 {
            self.fill()?;
        }
        let there = (self.ready.len() - self.at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        Ok(&self.ready[self.at..self.at + there])
    }

    fn fill(&mut self) -> io::Result<()> {
        let wanted = if self.opening.is_some() { PIECE + TAG } else { CHUNK };
        self.at = 0;
        self.ready.clear();
        self.source.by_ref().take(wanted as u64).read_to_end(&mut self.ready)?;
        if let Some(opening) = &mut self.opening {
            let last = opening.number + 1 == opening.pieces;
            let number = u32::try_from(opening.number).map_err(|_| io::ErrorKind::InvalidData)?;
            opening.sealing.open(number, last, &mut self.ready)?;
            self.at = std::mem::take(&mut opening.skip).min(self.ready.len());
            opening.number += 1;
        }
        if self.at == self.ready.len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file in storage is cut short"));
        }
        Ok(())
    }

    fn advance(&mut self, count: usize) {
        self.at += count;
        self.left -= count as u64;
    }

    /// A stream for an HTTP answer: a thread reads one chunk at a time, and no thread waits in between.
    pub fn stream(self) -> impl Stream<Item = io::Result<actix_web::web::Bytes>> {
        futures_util::stream::try_unfold(self, |mut reading| async move {
            let next = blocking(move || {
                let mut chunk = Vec::with_capacity(CHUNK);
                while chunk.len() < CHUNK && reading.left > 0 {
                    let bytes = reading.next()?;
                    let count = bytes.len().min(CHUNK - chunk.len());
                    chunk.extend_from_slice(&bytes[..count]);
                    reading.advance(count);
                }
                Ok((chunk, reading))
            });
            let (chunk, reading) = next.await.map_err(|cause| {
                tracing::error!(%cause, "a download broke off");
                io::Error::other(cause.to_string())
            })?;
            Ok((!chunk.is_empty()).then(|| (actix_web::web::Bytes::from(chunk), reading)))
        })
    }
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next()?;
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.advance(count);
        Ok(count)
    }
}
