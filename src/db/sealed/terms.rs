//! The words of the search index of sealed text. A word is stored as its keyed hash and the word itself, encrypted with
//! that hash as the nonce (the construction of RFC 5297, "SIV", over HMAC-SHA-256 and XChaCha20): the same word always
//! gives the same term, so that an index finds it. Without the key one learns which items share words, but no word.
//!
//! An index of whole words does not find words that begin with something. So a sign stands before the hash, one of 64,
//! which a word's first two letters and the key decide: a search opens and compares only about a 64th of a chart's
//! words.

use super::ring::{MARK, Ring, Unreadable, derived};
use super::with_ring;
use crate::db::SecretKey;
use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use data_encoding::BASE64URL_NOPAD;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::result::Error::{DeserializationError, SerializationError};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Bytes of a word's keyed hash.
const HASH: usize = 16;
/// Characters of the key's id that stand in a term.
const ID: usize = 8;
/// Letters of a word that decide its sign.
const DECIDING: usize = 2;

/// A word of the index, as it is stored: only this module makes one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Term(String);

impl<DB: Backend> FromSql<Text, DB> for Term
where
    String: FromSql<Text, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
        String::from_sql(raw).map(Term)
    }
}
impl<DB: Backend> ToSql<Text, DB> for Term
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        <str as ToSql<Text, DB>>::to_sql(&self.0, out)
    }
}

impl Term {
    /// As the database stores it.
    pub(in crate::db) fn stored(&self) -> &str {
        &self.0
    }
}

/// This word, as the present key stores it.
pub fn term(word: &str) -> diesel::QueryResult<Term> {
    with_ring(|ring| Ok(ring.term(word))).map_err(SerializationError)
}

/// This word in every form in which it may be stored.
pub fn forms(word: &str) -> diesel::QueryResult<Vec<Term>> {
    with_ring(|ring| Ok(ring.forms(word))).map_err(SerializationError)
}

/// A range of terms: its beginning, and its end, which is left out.
pub type Range = (Term, Term);

/// The ranges of terms that may begin with this: in clear, where all of the range do, and under each key.
pub fn ranges(beginning: &str) -> diesel::QueryResult<(Range, Vec<Range>)> {
    let in_clear = range(beginning.to_owned());
    with_ring(|ring| Ok((in_clear, ring.ranges(beginning)))).map_err(SerializationError)
}

/// Opens a term: gives its word.
pub fn word(term: &Term) -> diesel::QueryResult<String> {
    with_ring(|ring| ring.word(&term.0)).map_err(DeserializationError)
}

/// A hash of a text, to recognise it again: with the present key where there is one, so that nobody without the key
/// finds the text by trying.
pub fn digest(text: &str) -> diesel::QueryResult<[u8; HASH]> {
    with_ring(|ring| Ok(ring.digest(text))).map_err(SerializationError)
}

fn range(from: String) -> (Term, Term) {
    let to = format!("{from}\u{10ffff}");
    (Term(from), Term(to))
}

/// Makes terms of words with one key.
#[derive(Clone)]
pub(super) struct TermKey {
    hash: [u8; 32],
    cipher: [u8; 32],
}

impl TermKey {
    pub(super) fn of(key: &SecretKey) -> TermKey {
        TermKey { hash: derived(key, b"postern terms: hash"), cipher: derived(key, b"postern terms: cipher") }
    }

    fn hmac(&self, purpose: u8, word: &[u8]) -> [u8; HASH] {
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.hash);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&[purpose]);
        mac.update(word);
        let whole = mac.finalize().into_bytes();
        std::array::from_fn(|at| whole[at])
    }

    fn crypt(&self, hash: [u8; HASH], word: &mut [u8]) {
        let nonce: [u8; 24] = std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default());
        XChaCha20::new(&self.cipher.into(), &nonce.into()).apply_keystream(word);
    }

    /// The sign of words with this beginning: one of 64.
    fn place(&self, word: &str) -> char {
        let deciding: String = word.chars().take(DECIDING).collect();
        const SIGNS: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
        char::from(SIGNS[usize::from(self.hmac(1, deciding.as_bytes())[0] & 63)])
    }

    fn seal(&self, word: &str) -> String {
        let hash = self.hmac(0, word.as_bytes());
        let mut bytes = word.as_bytes().to_vec();
        self.crypt(hash, &mut bytes);
        let mut sealed = String::from(self.place(word));
        BASE64URL_NOPAD.encode_append(&[&hash[..], &bytes].concat(), &mut sealed);
        sealed
    }

    fn open(&self, sealed: &str) -> Option<String> {
        let mut signs = sealed.chars();
        signs.next()?;
        let bytes = BASE64URL_NOPAD.decode(signs.as_str().as_bytes()).ok()?;
        let (hash, word) = bytes.split_first_chunk::<HASH>()?;
        let mut word = word.to_vec();
        self.crypt(*hash, &mut word);
        let word = String::from_utf8(word).ok()?;
        (self.hmac(0, word.as_bytes()) == *hash).then_some(word)
    }
}

/// The part of a key's id that stands in its terms.
fn short(id: &str) -> &str {
    id.get(..ID).unwrap_or(id)
}

impl Ring {
    /// How every term begins that the present key makes; where no key writes, how terms begin that any key made.
    pub(super) fn terms_beginning(&self) -> String {
        format!("{MARK}{}", self.present().map_or("", short))
    }

    pub(super) fn term(&self, word: &str) -> Term {
        Term(match self.present_terms() {
            None => word.to_owned(),
            Some((id, key)) => format!("{MARK}{}{}", short(id), key.seal(word)),
        })
    }

    fn forms(&self, word: &str) -> Vec<Term> {
        let sealed = self.all_terms().map(|(id, key)| Term(format!("{MARK}{}{}", short(id), key.seal(word))));
        sealed.chain([Term(word.to_owned())]).collect()
    }

    fn ranges(&self, beginning: &str) -> Vec<(Term, Term)> {
        let is_decided = beginning.chars().count() >= DECIDING;
        let place = |key: &TermKey| if is_decided { key.place(beginning).to_string() } else { String::new() };
        self.all_terms().map(|(id, key)| range(format!("{MARK}{}{}", short(id), place(key)))).collect()
    }

    fn digest(&self, text: &str) -> [u8; HASH] {
        match self.present_terms() {
            Some((_, key)) => key.hmac(2, text.as_bytes()),
            None => {
                let whole = Sha256::digest(text.as_bytes());
                std::array::from_fn(|at| whole[at])
            }
        }
    }

    pub(super) fn word(&self, stored: &str) -> Result<String, Unreadable> {
        let Some(marked) = stored.strip_prefix(MARK) else { return Ok(stored.to_owned()) };
        const WHERE: &str = "chart_item_terms.term";
        let (id, sealed) = marked.split_at_checked(ID).ok_or(Unreadable::Unknown(WHERE))?;
        let key = self.all_terms().find(|(known, _)| short(known) == id);
        let (_, key) = key.ok_or_else(|| Unreadable::NoKey(id.to_owned()))?;
        key.open(sealed).ok_or(Unreadable::Changed(WHERE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn ring(present: Option<u8>, old: &[u8]) -> Ring {
        let key = |byte: u8| SecretKey::new([byte; 32]);
        let old: Vec<SecretKey> = old.iter().map(|byte| key(*byte)).collect();
        Ring::new(present.map(key).as_ref(), &old, Arc::new(|| [7; 32]))
    }

    #[test]
    fn a_word_is_one_term_which_stands_in_the_range_of_each_of_its_beginnings() {
        for ring in [ring(Some(1), &[]), ring(Some(2), &[1]), ring(None, &[1])] {
            for word in ["a", "ab", "asthma", "été", "頭痛", &"x".repeat(40)] {
                let term = ring.term(word);
                assert_eq!(term, ring.term(word));
                assert_eq!(ring.word(term.stored()).unwrap(), word);
                assert!(ring.forms(word).contains(&term));
                let letters: Vec<char> = word.chars().collect();
                for length in 1..=letters.len() {
                    let beginning: String = letters[..length].iter().collect();
                    let mut all = ring.ranges(&beginning);
                    all.push(range(beginning.clone()));
                    assert!(all.iter().any(|(from, to)| *from <= term && term < *to), "{word} by {beginning}");
                }
            }
        }
    }

    #[test]
    fn a_term_tells_no_word_and_is_read_by_its_key_alone() {
        let term = ring(Some(1), &[]).term("asthma");
        assert!(!term.stored().contains("asthma"));
        assert_ne!(term, ring(Some(2), &[]).term("asthma"));
        assert!(matches!(ring(Some(2), &[]).word(term.stored()), Err(Unreadable::NoKey(_))));
        let last = if term.stored().ends_with('A') { "B" } else { "A" };
        let changed = format!("{}{last}", term.stored().strip_suffix(|_| true).unwrap());
        assert!(ring(Some(1), &[]).word(&changed).is_err());
    }
}
