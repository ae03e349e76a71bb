//! Secrets that are kept outside the database: whoever can only read and write the database does not have them.

use super::sealed::Ring;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A secret of 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> SecretKey {
        SecretKey(bytes)
    }

    /// Reads base64; `None` for anything but 32 bytes.
    pub fn parse(text: &str) -> Option<SecretKey> {
        let bytes = data_encoding::BASE64.decode(text.trim().as_bytes()).ok()?;
        bytes.try_into().ok().map(SecretKey)
    }

    /// The key's id, stored beside what the key protects, to find the key again: it tells nothing about the key.
    pub fn id(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(self.0)[..8])
    }

    /// The bytes, for the cipher alone.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA-256 (RFC 2104) over parts, each with its length, so that no two lists of parts read alike.
    pub fn seal(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.mac(parts).finalize().into_bytes().to_vec()
    }

    /// Whether [`SecretKey::seal`] gave this; in constant time.
    pub fn is_seal(&self, seal: &[u8], parts: &[&[u8]]) -> bool {
        self.mac(parts).verify_slice(seal).is_ok()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        // the key is padded to a block of the hash, a length that cannot be refused
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac
    }
}

/// The secrets that writing needs.
#[derive(Clone, Default)]
pub struct Keys {
    /// seals the audit log; `None`: the log is protected by its own hashes only
    pub audit: Option<Arc<SecretKey>>,
    /// seals text of patients
    pub text: Arc<Ring>,
}
