//! Encryption at rest: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption
//! and its Nonce-Reuse Misuse-Resistance", 2015) over XChaCha20-Poly1305, in pieces of 64 KiB. Each piece is checked
//! before it is given out; pieces cannot be changed, left out, cut off or put into another order; and any one can be
//! read alone, which makes ranges cheap. The nonce lies in the blob's row, so that a file that was exchanged for
//! another of the same clinic fails too.

use crate::db::SecretKey;
use aead_stream::aead::array::Array;
use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use std::io;

/// Bytes of a piece in clear.
pub const PIECE: usize = 64 * 1024;
/// Bytes that a sealed piece is longer.
pub const TAG: usize = 16;
/// Bytes of the random part of the nonce; the other five count the pieces and mark the last.
pub const NONCE: usize = 19;

/// Bound into every piece: another format of later versions cannot be taken for this one.
const FORMAT: &[u8] = b"postern file 1";

/// What stands for a key where the file has one of its own, drawn for it and kept in its row after the nonce: the file
/// tells nothing without the database. Files that no scanner has looked at are kept so where no key is configured.
pub const OWN: &str = "own";
/// Bytes of such a key.
const KEY: usize = 32;

/// A key and a nonce, for one file.
pub struct Sealing {
    stream: StreamBE32<XChaCha20Poly1305>,
    pub key_id: String,
    pub nonce: Vec<u8>,
}

impl Sealing {
    /// For a file with this nonce. One of another length is no nonce of ours; then nothing can be read.
    pub fn new(key: &SecretKey, nonce: &[u8]) -> Sealing {
        let mut fixed = [0; NONCE];
        let length = nonce.len().min(NONCE);
        fixed[..length].copy_from_slice(&nonce[..length]);
        let cipher = XChaCha20Poly1305::new(&Array::from(*key.bytes()));
        let stream = StreamBE32::from_aead(cipher, &Array::from(fixed));
        Sealing { stream, key_id: key.id(), nonce: fixed.to_vec() }
    }

    /// For a file with a key of its own. `drawn`: the nonce, then the key.
    pub fn own(drawn: &[u8]) -> Option<Sealing> {
        let key: [u8; KEY] = drawn.get(NONCE..NONCE + KEY)?.try_into().ok()?;
        let sealing = Sealing::new(&SecretKey::new(key), drawn);
        Some(Sealing { key_id: OWN.to_owned(), nonce: drawn[..NONCE + KEY].to_vec(), ..sealing })
    }

    /// Seals a piece in place.
    pub fn seal(&self, number: u32, last: bool, piece: &mut Vec<u8>) -> io::Result<()> {
        self.stream
            .encrypt_in_place(number, last, FORMAT, piece)
            .map_err(|_| io::Error::other("a piece was not sealed"))
    }

    /// Opens a piece in place. The error says that the file is not what was written.
    pub fn open(&self, number: u32, last: bool, piece: &mut Vec<u8>) -> io::Result<()> {
        let changed = |_| io::Error::new(io::ErrorKind::InvalidData, "a file in storage was changed");
        self.stream.decrypt_in_place(number, last, FORMAT, piece).map_err(changed)
    }
}

/// How many pieces a file has: one at least, so that an empty one is sealed too.
pub fn pieces(size: u64) -> u64 {
    size.div_ceil(PIECE as u64).max(1)
}
