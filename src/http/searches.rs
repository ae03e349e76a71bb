//! A search text names people, so it must not stand in an address: browsers keep addresses and proxies log them. A
//! search form is posted to `/searches`, which redirects to the searched page with the text sealed in its address
//! ([`FIELD`]). Only the user who searched can open it, and only for some hours; Back, a reload and the links of the
//! page work as they would with the text in clear.

use super::page::{holder, now};
use super::whose::{self, Person};
use crate::db::{Ts, UserId};
use crate::error::AppError;
use actix_web::cookie::Key;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use aead_stream::aead::array::Array;
use chacha20poly1305::aead::Aead;
use chacha20poly1305::aead::Payload as Sealed;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use serde::de::DeserializeOwned;
use sha2::Sha256;
use std::future::{Ready, ready};
use time::Duration;

/// The field of the form that holds the text.
pub const TEXT: &str = "q";
/// The parameter of an address that holds the sealed text.
pub const FIELD: &str = "sought";

/// How long a sealed text can be opened: longer than any session lasts.
const LASTS: Duration = Duration::hours(13);
/// Texts are padded to a multiple of this many bytes, so that the address hardly tells their length.
const STEP: usize = 32;
/// The longest text that is sealed, in bytes: a longer one finds nobody, and addresses have limits.
const LONGEST: usize = 512;
/// Bytes of XChaCha20's nonce.
const NONCE: usize = 24;

/// Seals and opens search texts. All instances of a clinic use the same keys.
#[derive(Clone)]
pub struct Searches {
    cipher: XChaCha20Poly1305,
    nonces: Hmac<Sha256>,
}

impl Searches {
    /// Derives the keys from the key that signs cookies.
    pub fn derive(key: &Key) -> Searches {
        let cipher: [u8; 32] = whose::derived(key, b"searches: cipher").finalize().into_bytes().into();
        let cipher = XChaCha20Poly1305::new(&Array::from(cipher));
        Searches { cipher, nonces: whose::derived(key, b"searches: nonces") }
    }

    /// Seals a text for a user; an empty text stays empty.
    pub fn seal(&self, user: UserId, now: Ts, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let mut end = text.len().min(LONGEST);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // the end is rounded to whole hours: within an hour the same text gives the same address
        let until = now.plus(LASTS).get().unix_timestamp() / 3600;
        let mut plain = until.to_be_bytes().to_vec();
        plain.extend(text.bytes().take(end));
        plain.resize(plain.len().next_multiple_of(STEP), 0);
        // the nonce is derived from all that is sealed, so it repeats only for the same text, user and hour
        let mut nonce = self.nonces.clone();
        nonce.update(&user.0.to_be_bytes());
        nonce.update(&plain);
        let nonce: [u8; 32] = nonce.finalize().into_bytes().into();
        let mut bytes: Vec<u8> = nonce.into_iter().take(NONCE).collect();
        let mut fixed = [0; NONCE];
        fixed.copy_from_slice(&bytes);
        let sealed = Sealed { msg: &plain, aad: &user.0.to_be_bytes() };
        bytes.extend(self.cipher.encrypt(&Array::from(fixed), sealed).unwrap_or_default());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The text that was sealed for this user; `None` where it was not sealed for them, or too long ago.
    pub fn open(&self, user: UserId, now: Ts, sealed: &str) -> Option<String> {
        let bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let sealed = Sealed { msg: sealed, aad: &user.0.to_be_bytes() };
        let plain = self.cipher.decrypt(&Array::from(*nonce), sealed).ok()?;
        let (until, text) = plain.split_first_chunk::<8>()?;
        if now.get().unix_timestamp() / 3600 > i64::from_be_bytes(*until) {
            return None;
        }
        let text = String::from_utf8(text.to_vec()).ok()?;
        Some(text.trim_end_matches('\0').to_owned())
    }
}

/// The parameters of a page that can be searched, with the text opened: [`TEXT`] holds it, and [`FIELD`] its sealed
/// form for the page's own links. A text in clear is taken too, as somebody may have typed it into the address; no page
/// of ours makes such an address.
pub struct Sought<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Sought<T> {
    type Error = AppError;
    type Future = Ready<Result<Sought<T>, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = url::form_urlencoded::parse(req.query_string().as_bytes()).into_owned().collect();
        let fields = with_text(req, query);
        let fields = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let read = web::Query::<T>::from_query(&fields).map_err(|_| AppError::BadRequest);
        ready(read.map(|query| Sought(query.into_inner())))
    }
}

/// The fields of an address with the text in both forms, whichever form it came in.
pub fn with_text(req: &HttpRequest, mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
    let value = |name: &str| fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    let (typed, sealed) = (value(TEXT).unwrap_or_default(), value(FIELD).unwrap_or_default());
    let searches = req.app_data::<web::Data<Searches>>();
    let (Some(searches), Person::User(user)) = (searches, Person::from_holder(holder(req).as_ref())) else {
        return fields;
    };
    let (text, sealed) = match typed.is_empty() {
        true => (searches.open(user, now(req), &sealed).unwrap_or_default(), sealed),
        false => {
            let sealed = searches.seal(user, now(req), &typed);
            (typed, sealed)
        }
    };
    fields.retain(|(name, _)| name != TEXT && name != FIELD);
    fields.extend([(TEXT.to_owned(), text), (FIELD.to_owned(), sealed)]);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_for_its_user_and_for_a_while_only() {
        let searches = Searches::derive(&Key::from(&[7; 64]));
        let (user, now) = (UserId(5), Ts::from_micros(1_764_400_000_000_000).unwrap());
        for text in ["Ann O'Brien", "é", "1234 567 897", &"long ".repeat(90)] {
            let sealed = searches.seal(user, now, text);
            assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "{sealed}");
            assert_eq!(searches.open(user, now, &sealed).as_deref(), Some(text));
            assert_eq!(searches.seal(user, now, text), sealed, "a reload has the same address");
            assert_eq!(searches.open(UserId(6), now, &sealed), None);
            assert_eq!(searches.open(user, now.plus(Duration::hours(15)), &sealed), None);
            assert_eq!(searches.open(user, now, sealed.get(1..).unwrap()), None);
            assert_eq!(Searches::derive(&Key::from(&[8; 64])).open(user, now, &sealed), None);
        }
        assert_eq!(searches.seal(user, now, "Ann").len(), searches.seal(user, now, "Bartholomew").len());
        assert_eq!(searches.seal(user, now, ""), "");
        let cut = searches.seal(user, now, &"é".repeat(400));
        assert_eq!(searches.open(user, now, &cut).unwrap(), "é".repeat(256));
    }
}
