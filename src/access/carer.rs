//! A caregiver in a session at the portal.

use crate::db::schema::caregivers;
use crate::db::{CaregiverId, Conn, PatientId, Ts};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

/// A caregiver who has proved who they are, and what held for them when the session was read. Only the store of sessions and
/// signing in make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carer {
    id: CaregiverId,
    #[serde(with = "micros")]
    since: Ts,
    version: i64,
}

impl Carer {
    /// The caregiver of this row, as it was read: from when they read for the patient, and its version.
    pub fn new(id: CaregiverId, since: Ts, version: i64) -> Carer {
        Carer { id, since, version }
    }

    /// The identity, for queries and audit rows.
    pub fn id(&self) -> CaregiverId {
        self.id
    }
    /// They see conversations that began at or after this moment.
    pub fn since(&self) -> Ts {
        self.since
    }

    /// Whether nothing has changed since the session was read: neither was it ended, nor do other dates or addresses hold.
    pub(super) fn still_reads_for(self, conn: &mut Conn, patient: PatientId) -> QueryResult<bool> {
        let same = caregivers::table
            .find(self.id)
            .filter(caregivers::patient_id.eq(patient))
            .filter(caregivers::version.eq(self.version));
        Ok(same.select(caregivers::id).first::<CaregiverId>(conn).optional()?.is_some())
    }
}

mod micros {
    use crate::db::Ts;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Ts, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.micros())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Ts, D::Error> {
        Ts::from_micros(i64::deserialize(from)?).ok_or_else(|| serde::de::Error::custom("a time out of range"))
    }
}
