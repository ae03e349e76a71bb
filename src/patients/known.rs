//! Who somebody is that comes to the clinic: the same person must not get a second chart.

use super::distinctions::Apart;
use super::health_number::health_number_key;
use super::record::{Demographics, Patient, name_key, patient_if_there};
use crate::access::{SignedInUser, rights, survivor};
use crate::audit::Actor;
use crate::db::schema::patients;
use crate::db::{Conn, PatientId, Ts, Tx, lock_row};
use crate::settings;
use crate::values::EmailAddress;
use diesel::prelude::*;

/// Patients who are looked at for one that comes, at most.
const MOST: i64 = 20;

/// Who somebody is.
#[derive(Debug, Clone)]
pub enum Recognised {
    /// nobody whom the clinic has
    New,
    /// this patient
    Known(Box<Patient>),
    /// perhaps one of these: a user must say
    Unsure(Vec<Patient>),
}

/// Says who somebody is by what is told of them. The same health number with the same birth date is the same patient, and
/// so are the same name and birth date, unless both have a number and the numbers differ. A number that is another's by
/// its birth date, or more than one who fits, is a question.
pub fn recognise(conn: &mut Conn, d: &Demographics) -> QueryResult<Recognised> {
    let number = d.health_number.as_deref().map(health_number_key).filter(|key| !key.is_empty());
    let found = alike(conn, d, number.as_deref())?;
    let own_number = |patient: &Patient| patient.health_number.as_deref().map(health_number_key);
    let is_same = |patient: &&Patient| {
        let other = own_number(patient).filter(|key| !key.is_empty());
        let agree = match (&number, &other) {
            (Some(number), Some(other)) => number == other,
            _ => true,
        };
        agree && patient.birth_date == d.birth_date
    };
    let mut same = found.iter().filter(is_same);
    Ok(match (same.next(), same.next()) {
        (Some(one), None) if found.len() == 1 => Recognised::Known(Box::new(one.clone())),
        _ if found.is_empty() => Recognised::New,
        _ => Recognised::Unsure(found),
    })
}

/// Patients with this number, or with this name and birth date, each once. For one whose chart was merged, the patient
/// who has it now.
fn alike(conn: &mut Conn, d: &Demographics, number: Option<&str>) -> QueryResult<Vec<Patient>> {
    let mut rows: Vec<Patient> = patients::table
        .filter(patients::name_key.eq(name_key(d)))
        .filter(patients::birth_date.eq(d.birth_date))
        .order(patients::id)
        .limit(MOST)
        .select(Patient::as_select())
        .load(conn)?;
    if let Some(number) = number {
        let same = patients::table.filter(patients::health_number_key.eq(number));
        rows.extend(same.order(patients::id).limit(MOST).select(Patient::as_select()).load(conn)?);
    }
    let mut found: Vec<Patient> = Vec::new();
    for row in rows {
        let id = survivor(conn, row.id)?;
        if found.iter().all(|patient| patient.id != id) {
            found.extend(if id == row.id { Some(row) } else { patient_if_there(conn, id)? });
        }
    }
    Ok(found)
}

/// Other charts in use that look like this patient's: the same health number, or the same name and birth date. First those
/// that may be this patient's, then those of which a user says that they are another person's.
pub fn doubles_of(conn: &mut Conn, patient: &Patient) -> QueryResult<(Vec<Patient>, Vec<Patient>)> {
    let number = patient.health_number.as_deref().map(health_number_key).filter(|key| !key.is_empty());
    let mut found = alike(conn, &patient.demographics, number.as_deref())?;
    found.retain(|other| other.id != patient.id && other.archived_at.is_none());
    let ids: Vec<PatientId> = found.iter().map(|other| other.id).chain([patient.id]).collect();
    let apart = Apart::among(conn, &ids)?;
    Ok(found.into_iter().partition(|other| !apart.are(patient.id, other.id)))
}

/// Whether one who says who they are at the portal may be either of these: the same health number and a common address.
/// Then no passcode is sent.
pub fn is_mistaken_for(one: &Patient, other: &Patient) -> bool {
    let number = |patient: &Patient| patient.health_number.as_deref().map(health_number_key);
    let email = |patient: &Patient| patient.email.as_ref().map(EmailAddress::key);
    let common =
        (email(one).is_some() && email(one) == email(other)) || (one.phone.is_some() && one.phone == other.phone);
    common && number(one).is_some() && number(one) == number(other) && one.portal_access && other.portal_access
}

/// A patient as typed into a form.
#[derive(Debug, Clone)]
pub struct TypedPatient {
    /// the record
    pub demographics: Demographics,
    /// the form's idempotency key; empty where it has none
    pub key: String,
    /// patients who were shown and of whom the user says that this is another person
    pub others: Vec<PatientId>,
}

/// What became of a typed patient.
#[derive(Debug, Clone)]
pub enum Added {
    /// added, now or by the same form before
    Added(PatientId),
    /// these may be the same person: the user has not said that they are not
    Asked(Vec<Patient>),
}

/// Adds a patient whom a user typed, unless the clinic may have them already. The same words from the same form again
/// give the first chart and add nobody.
pub fn add_typed(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::EditPatients>,
    typed: &TypedPatient,
) -> QueryResult<Added> {
    // additions take turns: of two at the same moment, the second finds the first
    lock_row(tx, "clinic", 1)?;
    let key = form_key(user, typed);
    if let Some(key) = &key {
        let before = patients::table.filter(patients::form_key.eq(key)).select(patients::id).first(tx.conn());
        if let Some(before) = before.optional()? {
            return Ok(Added::Added(before));
        }
    }
    let found = match recognise(tx, &typed.demographics)? {
        Recognised::New => Vec::new(),
        Recognised::Known(one) => vec![*one],
        Recognised::Unsure(found) => found,
    };
    if found.iter().any(|patient| !typed.others.contains(&patient.id)) {
        return Ok(Added::Asked(found));
    }
    // "Portal Accessibility for New Patients" decides, here and at import, and nowhere else
    let portal_access = settings::load(tx)?.portal_for_new_patients;
    let demographics = typed.demographics.clone();
    let new = super::NewPatient { source_key: None, demographics, portal_access, archived: false };
    let id = super::add(tx, now, Actor::User(user.id()), &new)?;
    diesel::update(patients::table.find(id)).set(patients::form_key.eq(key)).execute(tx.conn())?;
    Ok(Added::Added(id))
}

/// Who typed, the form's key, and what was typed: a page that was gone back to carries its old key, and other words on it
/// are another patient.
fn form_key(user: &SignedInUser<rights::EditPatients>, typed: &TypedPatient) -> Option<String> {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{:?}", typed.demographics).as_bytes());
    let digest = data_encoding::HEXLOWER.encode(&digest);
    (16..=64).contains(&typed.key.len()).then(|| format!("u{}:{}:{digest}", user.id(), typed.key))
}
