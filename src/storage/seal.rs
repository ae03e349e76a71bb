//! Encryption at rest: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption
//! and its Nonce-Reuse Misuse-Resistance", 2015) over XChaCha20-Poly1305, in pieces of 64 KiB. Each piece is checked
//! before it is given out; pieces cannot be changed, left out, cut off or reordered unnoticed; and each can be read
//! alone, which makes ranges cheap. The nonce is stored in the blob's row, so that a file swapped with another of the
//! same clinic fails too.

use crate::db::SecretKey;
use aead_stream::aead::array::Array;
use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use std::io;

/// Bytes of a piece, unencrypted.
pub const PIECE: usize = 64 * 1024;
/// How many bytes longer a sealed piece is.
pub const TAG: usize = 16;
/// Bytes of the random part of the nonce; the other five count the pieces and mark the last one.
pub const NONCE: usize = 19;

/// Bound into every piece, so that no later format can be mistaken for this one.
const FORMAT: &[u8] = b"postern file 1";

/// In place of a key's id: the file has a key of its own, drawn at random and stored in its row after the nonce, so
/// that the file cannot be read without the database. Files that wait for the scanner are sealed so where no key is
/// configured.
pub const OWN: &str = "own";
/// Bytes of a file's own key.
const KEY: usize = 32;

/// A key and a nonce, for one file.
pub struct Sealing {
    stream: StreamBE32<XChaCha20Poly1305>,
    pub key_id: String,
    pub nonce: Vec<u8>,
}

impl Sealing {
    /// The sealing of a file with this nonce. With a nonce of another length nothing can be read.
    pub fn new(key: &SecretKey, nonce: &[u8]) -> Sealing {
        let mut fixed = [0; NONCE];
        let length = nonce.len().min(NONCE);
        fixed[..length].copy_from_slice(&nonce[..length]);
        let cipher = XChaCha20Poly1305::new(&Array::from(*key.bytes()));
        let stream = StreamBE32::from_aead(cipher, &Array::from(fixed));
        Sealing { stream, key_id: key.id(), nonce: fixed.to_vec() }
    }

    /// The sealing of a file with its own key. `drawn`: the nonce, then the key.
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

    /// Opens a piece in place. The error says that the file was changed.
    pub fn open(&self, number: u32, last: bool, piece: &mut Vec<u8>) -> io::Result<()> {
        let changed = |_| io::Error::new(io::ErrorKind::InvalidData, "a file in storage was changed");
        self.stream.decrypt_in_place(number, last, FORMAT, piece).map_err(changed)
    }
}

/// How many pieces a file has: at least one, so that an empty file is sealed too.
pub fn pieces(size: u64) -> u64 {
    size.div_ceil(PIECE as u64).max(1)
}
