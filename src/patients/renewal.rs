//! Computes the keys of names and health numbers and the search words of patients again, after their rule has changed.

use super::health_number::health_number_key;
use super::record::{Patient, name_key};
use super::search;
use crate::db::schema::patients;
use crate::db::{PatientId, Tx};
use diesel::prelude::*;

/// How many patients one transaction handles.
const AT_ONCE: i64 = 200;

/// Computes the keys of the patients after `after` again, in the order of their ids. Gives the last id; `None`: all are
/// done.
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
        // a merged patient is still recognised by their keys, but a search does not find them
        if patient.merged_into.is_none() {
            search::index(tx, patient.id, d)?;
        }
    }
    Ok(batch.last().map(|patient| patient.id.0))
}
