//! Sessions: kept on the server, revocable, tokens stored as hashes. A store of our own for actix-session.
//!
//! What a session says about its holder is read again from the user's or patient's row at each request, so a changed
//! role, a deactivation or a withdrawn portal access applies from the next request on.

mod open;
mod store;
mod watched;

pub use open::{OpenSession, end_of_caregiver, end_of_patient, end_of_user, end_of_visit, end_some, of_user, sweep};
pub use store::{Known, Store};
pub use watched::Watched;

use super::{Carer, Role};
use crate::db::{PatientId, UserId};
use crate::text_enum;
use actix_web::cookie::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The key of the session's state for its [`Holder`].
pub const HOLDER: &str = "holder";

/// The key for whose session it was, where it has ended; see [`Lapsed`].
pub const LAPSED: &str = "lapsed";

/// The key for the browser and system of the session.
pub const DEVICE: &str = "device";
/// The key for [`OpenSession::mark`].
pub const MARK: &str = "mark";

/// The key for when the user last proved who they are, in microseconds: when the session began, or later.
pub const CONFIRMED: &str = "confirmed";

/// The key for whether the second step was taken at the provider.
const STEPPED_ELSEWHERE: &str = "stepped_elsewhere";

/// How long such a proof counts; see [`CONFIRMED`].
pub const CONFIRMED_FOR: Duration = Duration::minutes(10);

/// For this long after its end, what is typed in a patient's session is kept for them.
const LAPSES_AFTER: Duration = Duration::DAY;

/// A patient's session that has ended not long ago. Only the store makes it, from a row and the browser's cookie.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Lapsed {
    pub(super) patient: PatientId,
    pub(super) carer: Option<Carer>,
}

impl Lapsed {
    /// The patient whose session it was.
    pub fn patient(&self) -> PatientId {
        self.patient
    }
    /// The caregiver whose session it was; `None`: the patient's own.
    pub fn carer(&self) -> Option<Carer> {
        self.carer
    }
}

text_enum! {
    /// Which door a session belongs to; a cookie of one never opens the other.
    pub enum Door {
        /// users
        Clinic = "clinic",
        /// patients
        Portal = "portal",
    }
}

/// Who a session belongs to, and how long it lasts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Holder {
    /// A user of the clinic.
    User {
        /// which
        id: UserId,
        /// name as colleagues see it
        name: String,
        /// role
        #[serde(with = "role_word")]
        role: Role,
        /// they have no second factor, and their role needs one
        must_set_up: bool,
        /// they proved a few minutes ago who they are; see [`CONFIRMED`]
        confirmed: bool,
        /// the second step was taken at the provider: this session needs no second factor of the clinic's own
        stepped_elsewhere: bool,
        /// language of pages
        language: String,
        /// keys of one letter do something
        keys: bool,
        /// limits
        lasts: Lasts,
    },
    /// A patient who has proved who they are, or a caregiver who reads for them.
    Patient {
        /// which patient
        id: PatientId,
        /// the caregiver; `None`: the patient
        carer: Option<Carer>,
        /// language of pages
        language: String,
        /// limits
        lasts: Lasts,
    },
}

/// How long a session lasts, in seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub struct Lasts {
    /// without a request
    pub idle: i64,
    /// in all
    pub all: i64,
    /// what is left from this request until the session ends, if no further request comes
    pub left: i64,
    /// what is left from this request until the session ends in any case
    pub left_in_all: i64,
}

impl Lasts {
    /// The limits of a session that begins, in seconds: without a request, and in all.
    pub const fn new(idle: i64, all: i64) -> Lasts {
        Lasts { idle, all, left: if idle < all { idle } else { all }, left_in_all: all }
    }
}

impl Holder {
    /// The limits.
    pub fn lasts(&self) -> Lasts {
        match self {
            Holder::User { lasts, .. } | Holder::Patient { lasts, .. } => *lasts,
        }
    }
    /// The holder with `stepped_elsewhere` set to `has`; a patient stays as they are.
    pub fn having_stepped_elsewhere(mut self, has: bool) -> Holder {
        if let Holder::User { stepped_elsewhere, .. } = &mut self {
            *stepped_elsewhere = has;
        }
        self
    }
    /// Whether keys of one letter do something; never for a patient.
    pub fn has_keys(&self) -> bool {
        matches!(self, Holder::User { keys: true, .. })
    }
    /// The language of pages.
    pub fn language(&self) -> &str {
        match self {
            Holder::User { language, .. } | Holder::Patient { language, .. } => language,
        }
    }
}

mod role_word {
    use super::Role;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(role: &Role, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(role.as_str())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

type State = HashMap<String, String>;
