//! Finding patients by what a receptionist types: names in any order and spelling, birth date, health number, email, the
//! whole phone number or its last digits. Each word by its beginning, from an index.

use super::health_number::health_number_key;
use super::query;
use super::record::{Demographics, Patient};
use crate::db::schema::{patient_terms, patients};
use crate::db::{self, Conn, FoundPatient, MultiBackend, PatientId, Tx, patients_by_terms};
use crate::text;
use diesel::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// The most patients that one search finds, unless more are asked for at once.
const MOST: usize = 200;

/// The words that find a patient.
pub(super) fn terms(d: &Demographics) -> BTreeSet<String> {
    let mut terms: BTreeSet<String> = BTreeSet::new();
    for name in [Some(&d.given_name), Some(&d.family_name), d.preferred_name.as_ref()].into_iter().flatten() {
        let words = text::words(name);
        // "O'Brien" is typed obrien, "Van der Berg" vanderberg or derberg
        terms.extend((0..words.len()).map(|from| words[from..].concat()));
        terms.extend(words);
    }
    let (family, given) = (text::squeezed(&d.family_name), text::squeezed(&d.given_name));
    // written as one where names are not kept apart: 王小明, 김민수
    terms.extend([format!("{family}{given}"), format!("{given}{family}")].into_iter().filter(|name| !name.is_empty()));
    terms.insert(d.birth_date.iso());
    terms.extend(d.health_number.as_deref().map(|number| text::fold(&health_number_key(number))));
    terms.extend(d.email.as_ref().map(|email| text::fold(&email.key())));
    if let Some(phone) = &d.phone {
        let digits = phone.as_str().trim_start_matches('+');
        terms.insert(digits.to_owned());
        // and as people say it, without the country
        terms.extend(digits.strip_prefix('1').map(str::to_owned));
        terms.insert(query::from_the_end(digits));
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
pub enum Cursor {
    /// in the list of all
    Listed {
        /// folded name of the last one shown
        name_key: String,
        /// its identity
        id: PatientId,
    },
    /// in what a search found: how many were shown
    Found(usize),
}

/// A page of patients.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// the patients
    pub patients: Vec<Patient>,
    /// where the next page begins
    pub next: Option<Cursor>,
    /// this is the last page, and there may be more than a search looks for
    pub is_cut: bool,
}

/// Patients whom what is typed finds, the best first: words that are whole before beginnings of words, then by name. All
/// of them by name where nothing is typed. At most `limit`, after `after`.
pub fn search(conn: &mut Conn, typed: &str, archived: bool, after: Option<Cursor>, limit: i64) -> QueryResult<Found> {
    if typed.trim().is_empty() {
        return list(conn, archived, after, limit);
    }
    let limit = usize::try_from(limit).unwrap_or_default();
    let (ranked, is_cut) = ranked(conn, typed, archived, limit.max(MOST))?;
    let shown = match after {
        Some(Cursor::Found(shown)) => shown,
        _ => 0,
    };
    let ids: Vec<PatientId> = ranked.iter().skip(shown).take(limit).copied().collect();
    let end = shown.saturating_add(ids.len());
    let next = (end < ranked.len() && !ids.is_empty()).then_some(Cursor::Found(end));
    // the page alone is read in full
    let holders = patients::table.filter(patients::id.eq_any(ids.clone())).select(Patient::as_select());
    let mut patients: Vec<Patient> = holders.load(conn)?;
    patients.sort_by_key(|patient| ids.iter().position(|id| *id == patient.id));
    Ok(Found { is_cut: is_cut && next.is_none(), patients, next })
}

/// Patients whom words find, also archived ones, the best first.
pub fn found_by(conn: &mut Conn, typed: &str) -> QueryResult<Vec<PatientId>> {
    Ok(ranked(conn, typed, true, MOST)?.0)
}

/// The patients whom what is typed finds, at most `most`, and whether there may be more: those of whom more words are whole
/// first, in the reading that suits best, then by name.
fn ranked(conn: &mut Conn, typed: &str, archived: bool, most: usize) -> QueryResult<(Vec<PatientId>, bool)> {
    let mut best: HashMap<PatientId, FoundPatient> = HashMap::new();
    let mut is_cut = false;
    let mut readings = query::readings(typed);
    // fewer groups are found faster, and a name as one word finds who is meant where there are many
    readings.sort_by_key(Vec::len);
    for reading in &readings {
        let (found, more) = patients_by_terms(conn, reading, archived, most)?;
        is_cut |= more;
        for one in found {
            let known = best.entry(one.id).or_insert_with(|| one.clone());
            known.begun = known.begun.min(one.begun);
        }
        if best.len() >= most {
            is_cut = true;
            break;
        }
    }
    let mut ranked: Vec<FoundPatient> = best.into_values().collect();
    ranked.sort_unstable();
    ranked.truncate(most);
    Ok((ranked.into_iter().map(|one| one.id).collect(), is_cut))
}

fn list(conn: &mut Conn, archived: bool, after: Option<Cursor>, limit: i64) -> QueryResult<Found> {
    let mut query = patients::table
        .select((Patient::as_select(), patients::name_key))
        .filter(patients::deleted_at.is_null())
        .order((patients::name_key, patients::id))
        .limit(limit + 1)
        .into_boxed::<MultiBackend>();
    if !archived {
        query = query.filter(patients::archived_at.is_null());
    }
    if let Some(Cursor::Listed { name_key, id }) = after {
        let same = patients::name_key.eq(name_key.clone()).and(patients::id.gt(id));
        query = query.filter(patients::name_key.gt(name_key).or(same));
    }
    let mut rows: Vec<(Patient, String)> = query.load(conn)?;
    let next = db::cut(&mut rows, limit, |(p, key)| Cursor::Listed { name_key: key.clone(), id: p.id });
    Ok(Found { patients: rows.into_iter().map(|(patient, _)| patient).collect(), next, is_cut: false })
}

/// Rewrites the words of one patient from their row.
pub fn reindex(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    let record = super::record::patient_by_id(tx, patient)?;
    index(tx, patient, &record.demographics)
}
