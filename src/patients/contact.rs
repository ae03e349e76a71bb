//! What is known about a patient's addresses: whether others have them too, and whether the patient proved them.

use crate::db::schema::{patient_terms, patients};
use crate::db::{Conn, PatientId, Tx};
use crate::text;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::prelude::*;

/// Whether another patient has this email on record.
pub fn email_is_shared(conn: &mut Conn, than: PatientId, email: &EmailAddress) -> QueryResult<bool> {
    // no other word of a record has an @
    Ok(!others_found_by(conn, than, text::fold(&email.key()))?.is_empty())
}

/// Whether another patient has this cellphone number on record.
pub fn phone_is_shared(conn: &mut Conn, than: PatientId, phone: &PhoneNumber) -> QueryResult<bool> {
    let others = others_found_by(conn, than, phone.as_str().trim_start_matches('+').to_owned())?;
    // the digits may be another number of that patient
    Ok(others.iter().flatten().any(|other| other == phone))
}

/// The cellphone numbers of other patients who are found by a word. The words of the patient search contain each
/// address whole, in an index; a chart that was merged into another one has no words.
fn others_found_by(conn: &mut Conn, than: PatientId, term: String) -> QueryResult<Vec<Option<PhoneNumber>>> {
    let others = patient_terms::table.inner_join(patients::table).filter(patient_terms::term.eq(term));
    others.filter(patient_terms::patient_id.ne(than)).select(patients::phone).limit(MOST).load(conn)
}

/// The most patients of one word that are read: more than a family or a home has.
const MOST: i64 = 50;

/// Notes that the patient signed in by a link that was sent to this email, so it is theirs.
pub fn confirm_email(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    let row = diesel::update(patients::table.find(patient));
    row.set(patients::confirmed_email.eq(patients::email)).execute(tx.conn()).map(drop)
}

/// The same for the cellphone number.
pub fn confirm_phone(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    let row = diesel::update(patients::table.find(patient));
    row.set(patients::confirmed_phone.eq(patients::phone)).execute(tx.conn()).map(drop)
}
