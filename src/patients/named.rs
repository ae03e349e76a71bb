//! Finds another patient in a file's words: by health number, or by name and date of birth.

use super::record::Patient;
use crate::access::{ChartAccess, Right, SignedInUser, rights};
use crate::db::schema::{patient_identifiers, patients};
use crate::db::{Conn, MultiBackend, PatientId};
use crate::text;
use crate::text_enum;
use crate::values::BirthDate;
use diesel::prelude::*;
use std::collections::BTreeSet;
use time::Date;

/// What a file contains that may identify a patient.
#[derive(Debug, Clone, Default)]
pub struct Clues {
    /// possible health numbers: letters and digits, upper case
    pub numbers: Vec<String>,
    /// possible dates of birth
    pub dates: Vec<Date>,
    /// every word, folded
    pub words: BTreeSet<String>,
}

text_enum! {
    /// What identified the patient.
    pub enum NamedBy {
        /// a health number, or another identification
        Number = "number",
        /// name and date of birth
        Birth = "birth",
    }
}

/// How many numbers or dates are looked up at once.
const AT_ONCE: usize = 500;
/// The most patients born on the dates of a file that are compared.
const MOST: i64 = 2_000;

/// A patient other than this chart's whom the clues identify, if there is one.
pub fn named_other<R: Right>(
    conn: &mut Conn,
    access: &ChartAccess<R>,
    clues: &Clues,
) -> QueryResult<Option<(Patient, NamedBy)>> {
    let itself: Patient = super::patient(conn, access)?;
    let own_numbers = own_numbers(conn, access.patient())?;
    named(conn, clues, Some((&itself, &own_numbers)))
}

/// Any patient whom the clues identify: a file for many may name none.
pub fn named_any(
    conn: &mut Conn,
    _: &SignedInUser<rights::SendMany>,
    clues: &Clues,
) -> QueryResult<Option<(Patient, NamedBy)>> {
    named(conn, clues, None)
}

/// The first patient whom the clues identify, other than `own`, who is given with the numbers that prove nothing.
fn named(
    conn: &mut Conn,
    clues: &Clues,
    own: Option<(&Patient, &[String])>,
) -> QueryResult<Option<(Patient, NamedBy)>> {
    let (itself, own_numbers) = own.map_or((None, &[][..]), |(itself, numbers)| (Some(itself), numbers));
    // no row has the number 0
    let own = itself.map_or(PatientId(0), |itself| itself.id);
    for numbers in clues.numbers.chunks(AT_ONCE) {
        let numbers: Vec<String> = numbers.iter().filter(|n| !own_numbers.contains(n)).cloned().collect();
        let same = patients::table
            .filter(patients::health_number_key.eq_any(numbers.clone()))
            .filter(patients::id.ne(own))
            .filter(patients::merged_into.is_null())
            .order(patients::id)
            .select(Patient::as_select())
            .into_boxed::<MultiBackend>();
        let beside = patient_identifiers::table
            .inner_join(patients::table)
            .filter(patient_identifiers::number_key.eq_any(numbers))
            .filter(patients::id.ne(own))
            .filter(patients::merged_into.is_null())
            .order(patients::id)
            .select(Patient::as_select())
            .into_boxed::<MultiBackend>();
        let found = match same.first(conn).optional()? {
            None => beside.first(conn).optional()?,
            found => found,
        };
        if let Some(other) = found {
            return Ok(Some((other, NamedBy::Number)));
        }
    }
    for dates in clues.dates.chunks(AT_ONCE) {
        let dates: Vec<BirthDate> = dates.iter().copied().map(BirthDate).collect();
        let born: Vec<Patient> = patients::table
            .filter(patients::birth_date.eq_any(dates))
            .filter(patients::id.ne(own))
            .filter(patients::merged_into.is_null())
            .order(patients::id)
            .limit(MOST)
            .select(Patient::as_select())
            .into_boxed::<MultiBackend>()
            .load(conn)?;
        let other = born
            .into_iter()
            .find(|other| is_named(other, &clues.words) && !itself.is_some_and(|itself| is_alike(itself, other)));
        if let Some(other) = other {
            return Ok(Some((other, NamedBy::Birth)));
        }
    }
    Ok(None)
}

/// The numbers of the chart's own patient: a number that another patient shares with them proves nothing.
fn own_numbers(conn: &mut Conn, own: PatientId) -> QueryResult<Vec<String>> {
    let of_chart: Option<String> = patients::table.find(own).select(patients::health_number_key).first(conn)?;
    let beside = patient_identifiers::table.filter(patient_identifiers::patient_id.eq(own));
    let mut numbers: Vec<String> = beside.select(patient_identifiers::number_key).load(conn)?;
    numbers.extend(of_chart);
    Ok(numbers)
}

/// Whether another patient has this one's names and birth date: a file cannot tell the two apart.
fn is_alike(own: &Patient, other: &Patient) -> bool {
    let names = [&own.given_name, &own.family_name].into_iter().chain(&own.preferred_name);
    own.birth_date == other.birth_date && is_named(other, &names.flat_map(|name| text::words(name)).collect())
}

/// Words before a family name, folded: such a word is not half of a double name.
const PARTICLES: [&str; 20] = [
    "de", "la", "le", "les", "du", "des", "del", "della", "da", "dos", "das", "di", "van", "von", "der", "den", "bin",
    "ibn", "saint", "sainte",
];

/// Whether the words contain the family name, or half of a double one, and the given name by which the patient is
/// called; or both as one word, as Chinese, Korean and Japanese names are written. A name in several words is also
/// found written as one.
fn is_named(patient: &Patient, words: &BTreeSet<String>) -> bool {
    let has = |name: &str| {
        let parts = text::words(name);
        !parts.is_empty() && (parts.iter().all(|word| words.contains(word)) || words.contains(&parts.concat()))
    };
    let halves: Vec<&str> =
        patient.family_name.split(['-', ' ', '\u{2010}', '\u{2011}']).filter(|half| is_half(half)).collect();
    let family = has(&patient.family_name) || halves.len() > 1 && halves.into_iter().any(has);
    let whole = text::words(&patient.family_name).concat();
    [Some(&patient.given_name), patient.preferred_name.as_ref()].into_iter().flatten().any(|name| {
        let given = text::words(name);
        let called = given.first().is_some_and(|first| words.contains(first)) || words.contains(&given.concat());
        let given = given.concat();
        let as_one = !given.is_empty()
            && !whole.is_empty()
            && [format!("{given}{whole}"), format!("{whole}{given}")].iter().any(|word| words.contains(word));
        as_one || family && called
    })
}

fn is_half(part: &str) -> bool {
    let folded = text::words(part).concat();
    folded.chars().count() > 2 && !PARTICLES.contains(&folded.as_str())
}
