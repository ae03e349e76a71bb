//! Time and randomness, passed in so that tests control both. No other place asks the system for either.

use crate::db::Ts;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};

/// Tells the time. Cheap to clone; a fixed clock is shared by its clones.
#[derive(Clone)]
pub struct Clock(Option<Arc<Mutex<Ts>>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Clock {
        Clock(None)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn fixed(start: Ts) -> Clock {
        Clock(Some(Arc::new(Mutex::new(start))))
    }

    /// The present moment in UTC.
    #[allow(clippy::disallowed_methods)] // the one place
    pub fn now(&self) -> Ts {
        match &self.0 {
            None => time::OffsetDateTime::now_utc().into(),
            Some(held) => *held.lock().unwrap_or_else(|e| e.into_inner()),
        }
    }

    /// Moves a fixed clock; the system's stays as it is.
    pub fn advance(&self, span: time::Duration) {
        if let Some(held) = &self.0 {
            let mut now = held.lock().unwrap_or_else(|e| e.into_inner());
            *now = now.plus(span);
        }
    }
}

/// Characters of a [`Token`].
const TOKEN_LENGTH: usize = 32;

/// A secret that only its holder knows. It has no `Display` or `Debug`, so that it cannot get into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The text, for the one address or form that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A token as it came back in an address. A full stop, a bracket or anything else that was copied with it is cut
    /// off: no token contains such a character.
    pub fn received(text: &str) -> Token {
        let own = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        Token(text.chars().take_while(own).take(TOKEN_LENGTH).collect())
    }

    /// Whether it has the length of a drawn token.
    pub fn is_whole(&self) -> bool {
        self.0.len() == TOKEN_LENGTH
    }

    /// The SHA-256 of the text, which is stored in its place. Enough for 192 random bits; a passcode needs a slow hash.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Draws random values: from the system, or in tests from a seed.
#[derive(Clone)]
pub struct Random(Option<Arc<Mutex<(u64, u64)>>>);

impl Random {
    /// The system's CSPRNG.
    pub fn system() -> Random {
        Random(None)
    }

    /// The same values in the same order for the same seed. Only for tests.
    pub fn seeded(seed: u64) -> Random {
        Random(Some(Arc::new(Mutex::new((seed, 0)))))
    }

    /// 32 random bytes.
    ///
    /// # Panics
    /// When the system has no randomness: nothing safe can be done then.
    #[allow(clippy::disallowed_methods, clippy::expect_used)] // the one place
    pub fn bytes(&self) -> [u8; 32] {
        let mut out = [0; 32];
        match &self.0 {
            None => getrandom::fill(&mut out).expect("the system gives random bytes"),
            Some(state) => {
                let mut state = state.lock().unwrap_or_else(|e| e.into_inner());
                state.1 += 1;
                let mut hash = Sha256::new();
                hash.update(state.0.to_le_bytes());
                hash.update(state.1.to_le_bytes());
                out = hash.finalize().into();
            }
        }
        out
    }

    /// A token of about 192 bits in 32 characters that need no escaping in an address. It ends in a letter or a digit:
    /// mail programs cut punctuation off the end of a link.
    pub fn token(&self) -> Token {
        loop {
            let token = data_encoding::BASE64URL_NOPAD.encode(&self.bytes()[..24]);
            if !token.ends_with(['-', '_']) {
                return Token(token);
            }
        }
    }

    /// Six decimal digits, each value equally likely.
    pub fn six_digits(&self) -> String {
        const RANGE: u32 = 1_000_000;
        loop {
            for chunk in self.bytes().chunks_exact(4) {
                let draw = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
                // values above the last whole multiple would make the small codes likelier
                if draw < u32::MAX / RANGE * RANGE {
                    return format!("{:06}", draw % RANGE);
                }
            }
        }
    }

    /// A number from 0 up to and including 1, for jitter.
    pub fn fraction(&self) -> f64 {
        let bytes = self.bytes();
        f64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_in_a_letter_or_digit_and_comes_back_whole() {
        let random = Random::seeded(7);
        for _ in 0..500 {
            let token = random.token();
            let text = token.reveal();
            assert!(text.len() == TOKEN_LENGTH && text.ends_with(|c: char| c.is_ascii_alphanumeric()), "{text}");
            for behind in ["", ".", ")", ",", ">", " ", ";", "”", "…", "。", "_", "*", "-", "'s", "\u{200b}"] {
                assert_eq!(Token::received(&format!("{text}{behind}")).reveal(), text, "{behind:?}");
            }
        }
    }
}
