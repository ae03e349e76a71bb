//! The key by which Postern signs in at EMRs: ECDSA on P-384 with SHA-384 (ES384, which SMART Backend Services asks
//! servers to accept), its public half as a JWK (RFC 7517), and the assertion that it signs (RFC 7523).

use super::why::{self, EmrError};
use crate::clock::Token;
use crate::db::Ts;
use data_encoding::BASE64URL_NOPAD as B64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An assertion is valid for this many seconds: five minutes are the most that SMART allows.
const LASTS: i64 = 240;

/// A key pair, ready to sign.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    x: String,
    y: String,
    id: String,
}

impl SigningKey {
    /// Makes a key pair: gives it as PKCS #8 (RFC 5958). ring takes its random numbers from the system by itself.
    /// `None` where the system has none.
    pub fn generate() -> Option<Vec<u8>> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).ok()?;
        Some(made.as_ref().to_vec())
    }

    /// Reads what [`SigningKey::generate`] made.
    pub fn read(document: &[u8]) -> Option<SigningKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, document, &SystemRandom::new()).ok()?;
        // an uncompressed point: 4, x, y
        let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(48)?;
        let (x, y) = (B64.encode(x), B64.encode(y));
        // RFC 7638: the members that the standard names, sorted, without spaces
        let members = format!(r#"{{"crv":"P-384","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let id = B64.encode(&Sha256::digest(members.as_bytes()));
        Some(SigningKey { pair, x, y, id })
    }

    /// Its id: the thumbprint of the public half (RFC 7638).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half, as servers read it.
    pub fn public(&self) -> Value {
        json!({
            "kty": "EC", "crv": "P-384", "x": self.x, "y": self.y,
            "kid": self.id, "use": "sig", "alg": "ES384", "key_ops": ["verify"],
        })
    }

    /// The signed statement by which a client asks for a token (RFC 7523, section 2.2); `once` makes it unlike any other.
    pub(super) fn assertion(&self, client: &str, audience: &str, now: Ts, once: &Token) -> Result<String, EmrError> {
        let at = now.get().unix_timestamp();
        let head = json!({"alg": "ES384", "kid": self.id, "typ": "JWT"});
        let claims = json!({
            "iss": client, "sub": client, "aud": audience, "jti": once.reveal(), "iat": at, "exp": at + LASTS,
        });
        let part = |value: &Value| B64.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_| EmrError::NotAllowed(why::BAD_KEY))?;
        Ok(format!("{signed}.{}", B64.encode(signature.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Random;
    use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

    #[test]
    fn an_assertion_is_verified_by_the_published_half() {
        let key = SigningKey::read(&SigningKey::generate().unwrap()).unwrap();
        let now = Ts::from(time::macros::datetime!(2026-03-04 14:02:00 UTC));
        let made = key.assertion("postern", "https://emr/token", now, &Random::seeded(1).token()).unwrap();
        let (signed, signature) = made.rsplit_once('.').unwrap();
        let published = key.public();
        let half = |name: &str| B64.decode(published[name].as_str().unwrap().as_bytes()).unwrap();
        let point = [vec![4], half("x"), half("y")].concat();
        let verifier = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
        verifier.verify(signed.as_bytes(), &B64.decode(signature.as_bytes()).unwrap()).unwrap();
        assert!(verifier.verify(b"another text", &B64.decode(signature.as_bytes()).unwrap()).is_err());
        let claims = B64.decode(signed.rsplit('.').next().unwrap().as_bytes()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let at = now.get().unix_timestamp();
        assert_eq!(claims["aud"], "https://emr/token");
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("postern"), &json!("postern")));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(at), &json!(at + 240)));
    }

    #[test]
    fn what_is_published_tells_nothing_of_the_private_half() {
        let document = SigningKey::generate().unwrap();
        let (one, again) = (SigningKey::read(&document).unwrap(), SigningKey::read(&document).unwrap());
        assert_eq!(one.id(), again.id());
        assert_eq!(one.id().len(), 43);
        assert!(one.public().get("d").is_none());
        let other = SigningKey::read(&SigningKey::generate().unwrap()).unwrap();
        assert_ne!(one.id(), other.id());
        assert!(SigningKey::read(b"no key").is_none());
    }
}
