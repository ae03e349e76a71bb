//! Names, health numbers and the words that find patients, made anew after the rule that makes them has changed.

use super::health_number::health_number_key;
use super::record::{Patient, name_key};
use super::search;
use crate::db::schema::patients;
use crate::db::{PatientId, Tx};
use diesel::prelude::*;

/// Patients in one transaction.
const AT_ONCE: i64 = 200;

/// Makes the keys anew of the patients after `after`, in the order of their ids. `None`: that was the last.
pub fn renew_keys(tx: &mut Tx, after: i64) -> QueryResult<Option<i64>> {
    let next = patients::table.filter(patients::id.gt(PatientId(after))).order(patients::id).limit(AT_ONCE);
    let batch: Vec<Patient> = next.select(Patient::as_select()).load(tx.conn())?;
    for patient in &batch {
        let d = &patient.demographics;
        let keys = (
            patients::name_key.eq(name_key(d)),
            patients::health_number_key.eq(d.health_number.as_deref().map(health_number_key)),
        );
        diesel::update(patients::table.find(patient.id)).set(keys).execute(tx.conn())?;
        // one that was merged is still known by its keys, but not found
        if patient.merged_into.is_none() {
            search::index(tx, patient.id, d)?;
        }
    }
    Ok(batch.last().map(|patient| patient.id.0))
}
