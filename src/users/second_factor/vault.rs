//! Stores the secret of an authenticator app: under the storage's key where there is one. It cannot be a hash, because
//! it is needed to check a code.

use crate::clock::Random;
use crate::config::Files;
use crate::db::{SecretKey, UserId};
use chacha20poly1305::aead::array::Array;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use diesel::QueryResult;
use diesel::result::Error::DeserializationError;

/// The first byte of a secret in clear, and of a sealed one.
const CLEAR: u8 = 0;
const SEALED: u8 = 1;
/// Lengths in bytes of what then stands before a sealed secret: the key's id, and the nonce.
const NAME: usize = 16;
const NONCE: usize = 24;

/// Seals and opens the secrets of apps.
#[derive(Clone)]
pub struct Vault {
    key: Option<SecretKey>,
    keys: Vec<SecretKey>,
    random: Random,
}

impl Vault {
    /// A vault with the keys of the storage.
    pub fn from_files(files: &Files, random: &Random) -> Vault {
        Vault { key: files.key.clone(), keys: files.keys(), random: random.clone() }
    }

    /// Twenty random bytes, as RFC 4226 advises.
    pub(super) fn draw(&self) -> Vec<u8> {
        self.random.bytes().into_iter().take(20).collect()
    }

    /// Seals a secret. It opens for this user alone, so that somebody who can write the database cannot give it to
    /// another user.
    pub(super) fn seal(&self, user: UserId, secret: &[u8]) -> QueryResult<Vec<u8>> {
        let Some(key) = &self.key else { return Ok([&[CLEAR], secret].concat()) };
        let drawn = self.random.bytes();
        let nonce: [u8; NONCE] = std::array::from_fn(|at| drawn[at]);
        let sealed = cipher(key)
            .encrypt(&Array::from(nonce), Payload { msg: secret, aad: &bound_to(user) })
            .map_err(|_| DeserializationError("a secret was not sealed".into()))?;
        Ok([&[SEALED], key.id().as_bytes(), &nonce, sealed.as_slice()].concat())
    }

    /// Opens what is stored: gives the secret.
    ///
    /// # Errors
    /// Where its key is not configured any more, or the stored bytes were changed.
    pub(super) fn open(&self, user: UserId, stored: &[u8]) -> QueryResult<Vec<u8>> {
        let broken = || DeserializationError("the secret of an authenticator app cannot be opened".into());
        match stored {
            [CLEAR, secret @ ..] => Ok(secret.to_vec()),
            [SEALED, rest @ ..] => {
                let (name, rest) = rest.split_first_chunk::<NAME>().ok_or_else(broken)?;
                let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or_else(broken)?;
                let key = self.keys.iter().find(|key| key.id().as_bytes() == name).ok_or_else(broken)?;
                let sealed = Payload { msg: sealed, aad: &bound_to(user) };
                cipher(key).decrypt(&Array::from(*nonce), sealed).map_err(|_| broken())
            }
            _ => Err(broken()),
        }
    }

    /// Whether what is stored is sealed with an old key, in clear although there is a key, or sealed although no key is
    /// configured to write.
    pub(super) fn is_outdated(&self, stored: &[u8]) -> bool {
        match (&self.key, stored) {
            (Some(key), [SEALED, rest @ ..]) => !rest.starts_with(key.id().as_bytes()),
            (None, [SEALED, ..]) => true,
            (key, _) => key.is_some(),
        }
    }
}

fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Array::from(*key.bytes()))
}

fn bound_to(user: UserId) -> Vec<u8> {
    [b"postern authenticator app 1".as_slice(), &user.0.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn vault(key: Option<u8>, old: &[u8]) -> Vault {
        let secret = |byte: u8| SecretKey::new([byte; 32]);
        let files = Files::in_folder(PathBuf::new());
        let files = Files { key: key.map(secret), old_keys: old.iter().copied().map(secret).collect(), ..files };
        Vault::from_files(&files, &Random::seeded(1))
    }

    #[test]
    fn a_secret_opens_for_its_user_and_its_key() {
        let (user, secret) = (UserId(4), b"twenty bytes of it..".as_slice());
        let sealed = vault(Some(1), &[]).seal(user, secret).unwrap();
        assert!(!sealed.windows(4).any(|part| part == &secret[..4]));
        assert_eq!(vault(Some(1), &[]).open(user, &sealed).unwrap(), secret);
        assert!(vault(Some(1), &[]).open(UserId(5), &sealed).is_err());
        // after a change of keys the old key still opens
        let later = vault(Some(2), &[1]);
        assert_eq!(later.open(user, &sealed).unwrap(), secret);
        assert!(later.is_outdated(&sealed) && !later.is_outdated(&later.seal(user, secret).unwrap()));
        for wrong in [vault(Some(2), &[]), vault(None, &[])] {
            assert!(wrong.open(user, &sealed).is_err());
        }
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(vault(Some(1), &[]).open(user, &changed).is_err());
        for length in 0..sealed.len() {
            assert!(vault(Some(1), &[]).open(user, &sealed[..length]).is_err());
        }
    }

    #[test]
    fn without_a_key_it_lies_in_clear_until_there_is_one() {
        let (user, secret) = (UserId(4), b"secret".as_slice());
        let stored = vault(None, &[]).seal(user, secret).unwrap();
        assert!(!vault(None, &[]).is_outdated(&stored) && vault(Some(1), &[]).is_outdated(&stored));
        assert_eq!(vault(Some(1), &[]).open(user, &stored).unwrap(), secret);
    }
}
