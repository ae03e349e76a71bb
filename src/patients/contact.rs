//! What is known of a patient's addresses besides the addresses: whose else they are, whether they were ever proved.

use crate::db::schema::{patient_terms, patients};
use crate::db::{Conn, PatientId, Tx};
use crate::text;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::prelude::*;

/// Whether another patient has this email on record.
pub fn email_is_shared(conn: &mut Conn, than: PatientId, email: &EmailAddress) -> QueryResult<bool> {
    others_found_by(conn, than, text::fold(&email.key()))
}

/// Whether another patient has this cellphone number on record.
pub fn phone_is_shared(conn: &mut Conn, than: PatientId, phone: &PhoneNumber) -> QueryResult<bool> {
    others_found_by(conn, than, phone.as_str().trim_start_matches('+').to_owned())
}

/// The words by which patients are searched hold each address whole.
fn others_found_by(conn: &mut Conn, than: PatientId, term: String) -> QueryResult<bool> {
    let others = patient_terms::table.filter(patient_terms::term.eq(term)).filter(patient_terms::patient_id.ne(than));
    let one: Option<PatientId> = others.select(patient_terms::patient_id).limit(1).first(conn).optional()?;
    Ok(one.is_some())
}

/// The patient came in by a link that went to this address: it is theirs.
pub fn confirm_email(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    let row = diesel::update(patients::table.find(patient));
    row.set(patients::confirmed_email.eq(patients::email)).execute(tx.conn()).map(drop)
}

/// The same for the cellphone number.
pub fn confirm_phone(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    let row = diesel::update(patients::table.find(patient));
    row.set(patients::confirmed_phone.eq(patients::phone)).execute(tx.conn()).map(drop)
}
