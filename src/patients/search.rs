//! Finding patients by name, birth date, health number, email or phone: each word by its beginning, from an index.

use super::record::{Demographics, Patient, health_number_key};
use crate::db::schema::{patient_terms, patients};
use crate::db::{self, Conn, MultiBackend, PatientId, Tx};
use crate::text;
use diesel::prelude::*;
use std::collections::BTreeSet;

/// The words that find a patient.
fn terms(d: &Demographics) -> BTreeSet<String> {
    let mut terms: BTreeSet<String> = BTreeSet::new();
    for name in [Some(&d.given_name), Some(&d.family_name), d.preferred_name.as_ref()].into_iter().flatten() {
        terms.extend(text::words(name));
    }
    terms.insert(d.birth_date.iso());
    terms.extend(d.health_number.as_deref().map(|number| text::fold(&health_number_key(number))));
    terms.extend(d.email.as_ref().map(|email| text::fold(&email.key())));
    if let Some(phone) = &d.phone {
        let digits = phone.as_str().trim_start_matches('+');
        terms.insert(digits.to_owned());
        // and as people say it, without the country
        terms.extend(digits.strip_prefix('1').map(str::to_owned));
    }
    terms
}

/// Takes a patient's words away: nothing finds them any more.
pub(super) fn remove(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    let own = patient_terms::table.filter(patient_terms::patient_id.eq(patient));
    diesel::delete(own).execute(tx.conn()).map(drop)
}

/// Rewrites the words of one patient.
pub(super) fn index(tx: &mut Tx, patient: PatientId, d: &Demographics) -> QueryResult<()> {
    remove(tx, patient)?;
    for term in terms(d) {
        let row = (patient_terms::patient_id.eq(patient), patient_terms::term.eq(term));
        diesel::insert_into(patient_terms::table).values(row).execute(tx.conn())?;
    }
    Ok(())
}

/// Where a page of patients ends: the next begins after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// folded name of the last one shown
    pub name_key: String,
    /// its identity
    pub id: PatientId,
}

/// What was typed, as words to look for. A date or a phone number stays together.
fn sought(typed: &str) -> Vec<String> {
    let typed = typed.trim();
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let is_number = digits.len() >= 6 && typed.chars().all(|c| c.is_ascii_digit() || " -.()+".contains(c));
    if crate::values::BirthDate::parse(typed).is_some() {
        return vec![typed.to_owned()];
    }
    if is_number {
        return vec![digits];
    }
    if typed.contains('@') {
        return vec![text::fold(typed)];
    }
    text::words(typed).into_iter().take(8).collect()
}

/// Patients by name, each of whose words begins with one of those typed; all of them where nothing is typed. At most
/// `limit`, after `after`; the second value tells where the next page begins.
pub fn search(
    conn: &mut Conn,
    typed: &str,
    archived: bool,
    after: Option<Cursor>,
    limit: i64,
) -> QueryResult<(Vec<Patient>, Option<Cursor>)> {
    let mut query = patients::table
        .select((Patient::as_select(), patients::name_key))
        .order((patients::name_key, patients::id))
        .limit(limit + 1)
        .into_boxed::<MultiBackend>();
    if !archived {
        query = query.filter(patients::archived_at.is_null());
    }
    for word in sought(typed) {
        // a range, not LIKE: it uses the index on both databases, and no character is a wildcard
        let last = format!("{word}\u{10ffff}");
        let holders = patient_terms::table
            .filter(patient_terms::term.ge(word))
            .filter(patient_terms::term.lt(last))
            .select(patient_terms::patient_id);
        query = query.filter(patients::id.eq_any(holders));
    }
    if let Some(after) = after {
        let same = patients::name_key.eq(after.name_key.clone()).and(patients::id.gt(after.id));
        query = query.filter(patients::name_key.gt(after.name_key).or(same));
    }
    let mut rows: Vec<(Patient, String)> = query.load(conn)?;
    let next = db::cut(&mut rows, limit, |(p, key)| Cursor { name_key: key.clone(), id: p.id });
    Ok((rows.into_iter().map(|(patient, _)| patient).collect(), next))
}

/// Rewrites the words of one patient from their row.
pub fn reindex(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    let record = super::record::patient_by_id(tx, patient)?;
    index(tx, patient, &record.demographics)
}
