//! Charts that may be one person's: the same health number, or the same name and birth date.

use super::distinctions::Apart;
use super::record::Patient;
use crate::db::schema::patients;
use crate::db::{Conn, MultiBackend, PatientId};
use crate::values::BirthDate;
use diesel::dsl::count_star;
use diesel::prelude::*;
use time::Date;
use time::macros::date;

/// The most groups of each sort that are shown; so many are also read at once.
const GROUPS: i64 = 100;
/// How often groups are read at most: groups of people told apart are only left out after reading.
const ROUNDS: usize = 20;
/// A day before any date of birth.
const FIRST: Date = date!(0001 - 01 - 01);
/// The most patients of one group that are shown.
const OF_ONE: i64 = 10;

/// Charts that may be one person's.
#[derive(Debug, Clone)]
pub struct Doubles {
    /// two or more; each may be the same person as another of them
    pub patients: Vec<Patient>,
    /// whether they share a health number; else they share name and birth date
    pub by_number: bool,
    apart: Apart,
}

impl Doubles {
    /// Leaves out patients who were told apart from all others. `None` where nobody is left who may be the same person.
    fn among(conn: &mut Conn, mut patients: Vec<Patient>, by_number: bool) -> QueryResult<Option<Doubles>> {
        let ids: Vec<PatientId> = patients.iter().map(|patient| patient.id).collect();
        let apart = Apart::among(conn, &ids)?;
        patients.retain(|one| ids.iter().any(|other| *other != one.id && !apart.are(one.id, *other)));
        Ok((!patients.is_empty()).then_some(Doubles { patients, by_number, apart }))
    }

    /// The chart with which this one is compared: the first before it that may be the same person's.
    pub fn partner(&self, patient: &Patient) -> Option<&Patient> {
        let mut before = self.patients.iter().take_while(|other| other.id != patient.id);
        before.find(|other| !self.apart.are(other.id, patient.id))
    }
}

/// Charts in use that may be one person's, those with the same health number first. The reading is limited and uses
/// indexes.
pub fn doubles(conn: &mut Conn) -> QueryResult<Vec<Doubles>> {
    let mut found = by_number(conn)?;
    found.extend(by_name(conn, &found)?);
    Ok(found)
}

fn by_number(conn: &mut Conn) -> QueryResult<Vec<Doubles>> {
    let live = patients::table.filter(patients::archived_at.is_null());
    let (mut found, mut after) = (Vec::new(), String::new());
    for _ in 0..ROUNDS {
        let numbers: Vec<Option<String>> = live
            .filter(patients::health_number_key.gt(&after))
            .group_by(patients::health_number_key)
            .having(count_star().gt(1))
            .order(patients::health_number_key)
            .limit(GROUPS)
            .select(patients::health_number_key)
            .load(conn)?;
        let is_last = numbers.len() < most();
        for number in numbers.into_iter().flatten() {
            let same = live.filter(patients::health_number_key.eq(&number)).order(patients::id).limit(OF_ONE);
            let group = same.select(Patient::as_select()).into_boxed::<MultiBackend>().load(conn)?;
            found.extend(Doubles::among(conn, group, true)?);
            after = number;
        }
        if is_last || found.len() >= most() {
            break;
        }
    }
    Ok(found)
}

/// Groups by name and birth date, without those whose charts are all in one group of `before`.
fn by_name(conn: &mut Conn, before: &[Doubles]) -> QueryResult<Vec<Doubles>> {
    let live = patients::table.filter(patients::archived_at.is_null());
    let mut found = Vec::new();
    let mut after = (BirthDate(FIRST), String::new());
    for _ in 0..ROUNDS {
        let same_day = patients::birth_date.eq(after.0).and(patients::name_key.gt(&after.1));
        let names: Vec<(BirthDate, String)> = live
            .filter(patients::birth_date.gt(after.0).or(same_day))
            .group_by((patients::birth_date, patients::name_key))
            .having(count_star().gt(1))
            .order((patients::birth_date, patients::name_key))
            .limit(GROUPS)
            .select((patients::birth_date, patients::name_key))
            .load(conn)?;
        let is_last = names.len() < most();
        for (born, name) in names {
            let same = live.filter(patients::birth_date.eq(born)).filter(patients::name_key.eq(&name));
            let same = same.order(patients::id).limit(OF_ONE).select(Patient::as_select());
            let group: Vec<Patient> = same.into_boxed::<MultiBackend>().load(conn)?;
            after = (born, name);
            let Some(group) = Doubles::among(conn, group, false)? else { continue };
            let is_in = |of: &Doubles| group.patients.iter().all(|one| of.patients.iter().any(|it| it.id == one.id));
            if !before.iter().any(is_in) {
                found.push(group);
            }
        }
        if is_last || found.len() >= most() {
            break;
        }
    }
    Ok(found)
}

/// [`GROUPS`] as a length.
fn most() -> usize {
    usize::try_from(GROUPS).unwrap_or(usize::MAX)
}
