//! The patients whom the lines of a list name: by health number, by the clinic's own number, or by the address of their chart.

use super::health_number::{health_number_key, number_key};
use super::identifiers::IdKind;
use super::record::Patient;
use crate::access;
use crate::db::schema::{patient_identifiers, patients};
use crate::db::{Conn, PatientId, Ts};
use diesel::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// What one statement asks for at most: databases limit how many values it may have.
const AT_ONCE: usize = 400;

/// Whether a record is archived, and whose it is.
type Found = (bool, PatientId);

/// What stands before a patient's number in the address of their chart.
const CHART: &str = "/patients/";

/// The patients whom each line names, archived ones too. None: nobody is known by it; several: it says nothing clear. A chart that
/// was merged into another stands for that. Where a record in use and archived ones have the same number, the one in use is meant.
pub fn named_by_lines(conn: &mut Conn, lines: &[String]) -> QueryResult<Vec<Vec<PatientId>>> {
    let mut named = Vec::with_capacity(lines.len());
    for lines in lines.chunks(AT_ONCE) {
        let by_health = by_health_number(conn, lines)?;
        let by_record = by_record_number(conn, lines)?;
        let by_address = by_address(conn, lines)?;
        for line in lines {
            let mut all: BTreeSet<Found> = BTreeSet::new();
            match address(line) {
                Some(chart) => all.extend(by_address.get(&chart).map(|id| (false, *id))),
                None => {
                    all.extend(by_health.get(&health_number_key(line)).into_iter().flatten());
                    all.extend(by_record.get(&number_key(line)).into_iter().flatten());
                }
            }
            let in_use = all.iter().filter(|(is_archived, _)| !is_archived).count();
            all.retain(|(is_archived, _)| in_use != 1 || !is_archived);
            named.push(all.into_iter().map(|(_, id)| id).collect());
        }
    }
    Ok(named)
}

/// The number in the address of a chart, also where it is pasted as a whole.
fn address(line: &str) -> Option<PatientId> {
    let (_, rest) = line.split_once(CHART)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(PatientId)
}

fn by_health_number(conn: &mut Conn, lines: &[String]) -> QueryResult<HashMap<String, Vec<Found>>> {
    let keys: Vec<String> = lines.iter().map(|line| health_number_key(line)).filter(|key| !key.is_empty()).collect();
    let found: Vec<(Option<String>, Option<Ts>, PatientId)> = patients::table
        .filter(patients::health_number_key.eq_any(keys))
        .filter(patients::merged_into.is_null())
        .filter(patients::deleted_at.is_null())
        .select((patients::health_number_key, patients::archived_at, patients::id))
        .load(conn)?;
    Ok(grouped(found.into_iter().filter_map(|(key, archived, id)| Some((key?, (archived.is_some(), id))))))
}

fn by_record_number(conn: &mut Conn, lines: &[String]) -> QueryResult<HashMap<String, Vec<Found>>> {
    let keys: Vec<String> = lines.iter().map(|line| number_key(line)).filter(|key| !key.is_empty()).collect();
    let found: Vec<(String, Option<Ts>, PatientId)> = patient_identifiers::table
        .inner_join(patients::table)
        .filter(patient_identifiers::number_key.eq_any(keys))
        .filter(patient_identifiers::kind.eq(IdKind::RecordNumber))
        .filter(patients::merged_into.is_null())
        .filter(patients::deleted_at.is_null())
        .select((patient_identifiers::number_key, patients::archived_at, patients::id))
        .load(conn)?;
    Ok(grouped(found.into_iter().map(|(key, archived, id)| (key, (archived.is_some(), id)))))
}

fn by_address(conn: &mut Conn, lines: &[String]) -> QueryResult<HashMap<PatientId, PatientId>> {
    let asked: Vec<PatientId> = lines.iter().filter_map(|line| address(line)).collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(PatientId, Option<PatientId>)> = patients::table
        .filter(patients::id.eq_any(asked))
        .filter(patients::deleted_at.is_null())
        .select((patients::id, patients::merged_into))
        .load(conn)?;
    let mut known = HashMap::new();
    for (id, merged) in found {
        let now = if merged.is_some() { access::survivor(conn, id)? } else { id };
        known.insert(id, now);
    }
    Ok(known)
}

fn grouped(found: impl Iterator<Item = (String, Found)>) -> HashMap<String, Vec<Found>> {
    let mut known: HashMap<String, Vec<Found>> = HashMap::new();
    for (key, one) in found {
        known.entry(key).or_default().push(one);
    }
    known
}

/// The records of these patients, in no order; of those who are still there.
pub fn patients_by_ids(conn: &mut Conn, ids: &[PatientId]) -> QueryResult<Vec<Patient>> {
    let mut all = Vec::with_capacity(ids.len());
    for ids in ids.chunks(AT_ONCE) {
        let there = patients::table.filter(patients::id.eq_any(ids.to_vec())).filter(patients::deleted_at.is_null());
        all.extend(there.select(Patient::as_select()).load(conn)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_chart_is_read_from_what_is_pasted() {
        assert_eq!(address("https://clinic.example/patients/12?tab=x"), Some(PatientId(12)));
        assert_eq!(address("/patients/7"), Some(PatientId(7)));
        assert_eq!(address("/patients/new"), None);
        assert_eq!(address("943 476 5919"), None);
    }
}
