//! The addresses that gateways report to. Kannel's reports are unsigned, so the address itself is the secret: each has
//! a code that only this clinic can make.

use super::GatewayKind;
use crate::db::NotificationId;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Makes and checks the codes. No code is stored: it is a keyed hash of its purpose.
#[derive(Clone)]
pub struct ReportKey([u8; 32]);

impl ReportKey {
    /// Derives the key from the clinic's own random key, so that it differs from the keys for other uses.
    pub fn derive(clinic_key: &[u8]) -> ReportKey {
        ReportKey(keyed(clinic_key, b"postern: reports of gateways"))
    }

    fn code(&self, purpose: &str) -> String {
        BASE64URL_NOPAD.encode(&keyed(&self.0, purpose.as_bytes())[..24])
    }

    fn is(&self, purpose: &str, code: &str) -> bool {
        self.code(purpose).as_bytes().ct_eq(code.as_bytes()).into()
    }

    /// The path to which a gateway reports on one notification. `uid` is the notification's own: SQLite gives a number
    /// again whose row is gone, and a late report must not be taken for one on another patient's notification.
    pub fn receipts(&self, kind: GatewayKind, id: NotificationId, uid: &str) -> String {
        format!("/hooks/{}/receipts/{id}/{}", kind.as_str(), self.code(&format!("receipt {id} {uid}")))
    }

    /// Whether this is the code of [`ReportKey::receipts`], or one that a version before this gave out, without the uid.
    pub fn is_receipt(&self, id: NotificationId, uid: &str, code: &str) -> bool {
        self.is(&format!("receipt {id} {uid}"), code) || self.is(&format!("receipt {id}"), code)
    }

    /// The path for reports from outside that are about no single notification: incoming texts, returned mail.
    pub fn path(&self, what: &str) -> String {
        format!("/hooks/{what}/{}", self.code(what))
    }

    /// Whether this is the code of [`ReportKey::path`].
    pub fn is_path(&self, what: &str, code: &str) -> bool {
        self.is(what, code)
    }
}

fn keyed(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    // HMAC takes a key of any length
    mac.map(|mac| mac.chain_update(message).finalize().into_bytes().into()).unwrap_or_default()
}
