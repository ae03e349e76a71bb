//! The keys that seal text, and how they do it: XChaCha20-Poly1305 with a random nonce for each text; for each purpose
//! a key is derived by HKDF (RFC 5869) from the configured one.

use super::terms::TermKey;
use crate::db::SecretKey;
use chacha20poly1305::aead::array::Array;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use data_encoding::BASE64URL_NOPAD;
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

/// The first character of what is stored sealed or escaped. The next one says which: [`SEALED`] or [`ESCAPED`].
pub(super) const MARK: char = '\u{1}';
/// Then follow the key's id and what it sealed.
const SEALED: char = '1';
/// Then follows a text in clear that itself begins with the mark.
const ESCAPED: char = '0';

/// Bytes of a nonce.
const NONCE: usize = 24;
/// Characters of a key's id.
const ID: usize = 16;

/// Bound into every text, so that a later format cannot be taken for this one.
const FORMAT: &[u8] = b"postern text 1";

/// Why a sealed value cannot be read. The error tells nothing about the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its key is not configured.
    #[error("a text is sealed with the key {0}, which is not configured: add it to storage.old_keys")]
    NoKey(String),
    /// The text was changed, or was sealed for another place.
    #[error("a sealed text of {0} was changed, or is that of another place")]
    Changed(&'static str),
    /// The text is neither sealed nor in clear.
    #[error("a text of {0} has no known form")]
    Unknown(&'static str),
}

/// What a text is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// `table.column`
    pub column: &'static str,
    /// the owner of the row, where it never changes
    pub owner: Option<i64>,
}

impl Spot {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = FORMAT.to_vec();
        for part in [self.column.as_bytes(), &self.owner.map_or(Vec::new(), |id| id.to_le_bytes().to_vec())] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        bytes
    }
}

/// One configured key, as it is used for text.
#[derive(Clone)]
struct TextKey {
    id: String,
    cipher: XChaCha20Poly1305,
    terms: TermKey,
}

impl TextKey {
    fn of(key: &SecretKey) -> TextKey {
        let cipher = XChaCha20Poly1305::new(&Array::from(derived(key, b"postern text")));
        TextKey { id: key.id(), cipher, terms: TermKey::of(key) }
    }

    fn seal(&self, drawn: [u8; 32], bound: &[u8], clear: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE] = std::array::from_fn(|at| drawn[at]);
        let mut sealed = nonce.to_vec();
        sealed.extend(self.cipher.encrypt(&Array::from(nonce), Payload { msg: clear, aad: bound }).ok()?);
        Some(sealed)
    }

    fn open(&self, bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
        self.cipher.decrypt(&Array::from(*nonce), Payload { msg: rest, aad: bound }).ok()
    }
}

/// A key for one purpose.
pub(super) fn derived(key: &SecretKey, purpose: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // HKDF fails only for far more than 32 bytes
    let _ = Hkdf::<Sha256>::new(None, key.bytes()).expand(purpose, &mut out);
    out
}

/// The keys of a clinic: the key that seals what is written, and old keys that still read. Without any, text is written
/// and read in clear.
#[derive(Clone)]
pub struct Ring {
    present: Option<TextKey>,
    old: Vec<TextKey>,
    draw: Draw,
}

/// Draws random bytes.
pub type Draw = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Default for Ring {
    fn default() -> Ring {
        // without a key no nonce is ever drawn
        Ring { present: None, old: Vec::new(), draw: Arc::new(|| [0; 32]) }
    }
}

impl Ring {
    /// The key that writes, and those used before.
    pub fn new(present: Option<&SecretKey>, old: &[SecretKey], draw: Draw) -> Ring {
        Ring { present: present.map(TextKey::of), old: old.iter().map(TextKey::of).collect(), draw }
    }

    /// The id of the key that writes.
    pub fn present(&self) -> Option<&str> {
        self.present.as_ref().map(|key| key.id.as_str())
    }

    /// The ids of all keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.all().map(|key| key.id.as_str())
    }

    fn all(&self) -> impl Iterator<Item = &TextKey> {
        self.present.iter().chain(&self.old)
    }

    pub(super) fn present_terms(&self) -> Option<(&str, &TermKey)> {
        self.present.as_ref().map(|key| (key.id.as_str(), &key.terms))
    }

    pub(super) fn all_terms(&self) -> impl Iterator<Item = (&str, &TermKey)> {
        self.all().map(|key| (key.id.as_str(), &key.terms))
    }

    fn key(&self, id: &str) -> Result<&TextKey, Unreadable> {
        self.all().find(|key| key.id == id).ok_or_else(|| Unreadable::NoKey(id.to_owned()))
    }

    /// Seals a text: gives what is to be stored.
    pub(super) fn seal(&self, spot: Spot, clear: &str) -> Result<String, Unreadable> {
        let Some(key) = &self.present else {
            return Ok(if clear.starts_with(MARK) { format!("{MARK}{ESCAPED}{clear}") } else { clear.to_owned() });
        };
        let sealed = key.seal((self.draw)(), &spot.bytes(), clear.as_bytes());
        let sealed = sealed.ok_or(Unreadable::Unknown(spot.column))?;
        let mut stored = self.beginning();
        BASE64URL_NOPAD.encode_append(&sealed, &mut stored);
        Ok(stored)
    }

    /// Opens what is stored: gives the text.
    pub(super) fn open(&self, spot: Spot, stored: String) -> Result<String, Unreadable> {
        let Some(marked) = stored.strip_prefix(MARK) else { return Ok(stored) };
        if let Some(clear) = marked.strip_prefix(ESCAPED) {
            return Ok(clear.to_owned());
        }
        let unknown = || Unreadable::Unknown(spot.column);
        let sealed = marked.strip_prefix(SEALED).ok_or_else(unknown)?;
        let (id, sealed) = sealed.split_at_checked(ID).ok_or_else(unknown)?;
        let changed = || Unreadable::Changed(spot.column);
        let bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).map_err(|_| changed())?;
        let clear = self.key(id)?.open(&spot.bytes(), &bytes).ok_or_else(changed)?;
        String::from_utf8(clear).map_err(|_| changed())
    }

    /// How every text begins that the present key seals; where no key writes, how sealed texts begin.
    pub(super) fn beginning(&self) -> String {
        format!("{MARK}{SEALED}{}", self.present().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    const HERE: Spot = Spot { column: "messages.body_html", owner: Some(7) };

    fn key(byte: u8) -> SecretKey {
        SecretKey::new([byte; 32])
    }

    fn ring(present: Option<u8>, old: &[u8]) -> Ring {
        let old: Vec<SecretKey> = old.iter().map(|byte| key(*byte)).collect();
        let drawn = AtomicU8::new(0);
        Ring::new(present.map(key).as_ref(), &old, Arc::new(move || [drawn.fetch_add(1, Relaxed); 32]))
    }

    #[test]
    fn a_text_is_read_by_its_key_in_its_place_and_nowhere_else() {
        let sealed = ring(Some(1), &[]).seal(HERE, "Bonjour").unwrap();
        assert!(!sealed.contains("Bonjour"));
        assert_eq!(ring(Some(1), &[]).open(HERE, sealed.clone()).unwrap(), "Bonjour");
        assert_eq!(ring(Some(2), &[1]).open(HERE, sealed.clone()).unwrap(), "Bonjour");
        let elsewhere = [Spot { owner: Some(8), ..HERE }, Spot { owner: None, ..HERE }, Spot { column: "x.y", ..HERE }];
        for spot in elsewhere {
            assert_eq!(ring(Some(1), &[]).open(spot, sealed.clone()), Err(Unreadable::Changed(spot.column)));
        }
        let none = ring(None, &[]).open(HERE, sealed.clone());
        assert_eq!(none, Err(Unreadable::NoKey(key(1).id())));
        for at in [1, 3, 20, sealed.len() - 1] {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(ring(Some(1), &[]).open(HERE, String::from_utf8(bytes).unwrap()).is_err(), "at {at}");
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let ring = ring(Some(1), &[]);
        assert_ne!(ring.seal(HERE, "yes").unwrap(), ring.seal(HERE, "yes").unwrap());
    }

    #[test]
    fn without_a_key_text_stays_as_it_is_and_none_is_taken_for_a_sealed_one() {
        let (without, with) = (ring(None, &[]), ring(Some(1), &[]));
        for text in ["", "Bonjour", "\u{1}", "\u{1}0x", "\u{1}1abc", &with.seal(HERE, "x").unwrap()] {
            let stored = without.seal(HERE, text).unwrap();
            assert_eq!(stored == text, !text.starts_with('\u{1}'));
            assert_eq!(without.open(HERE, stored.clone()).unwrap(), text);
            assert_eq!(with.open(HERE, stored).unwrap(), text);
            assert_eq!(with.open(HERE, with.seal(HERE, text).unwrap()).unwrap(), text);
        }
    }
}
