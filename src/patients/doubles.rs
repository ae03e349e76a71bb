//! Charts that may be one person's: the same health number, or the same name and birth date.

use super::record::Patient;
use crate::db::schema::patients;
use crate::db::{Conn, MultiBackend};
use crate::values::BirthDate;
use diesel::dsl::count_star;
use diesel::prelude::*;

/// Groups that are looked for of each sort, at most.
const GROUPS: i64 = 100;
/// Patients of one group that are shown, at most.
const OF_ONE: i64 = 10;

/// Charts that may be one person's.
#[derive(Debug, Clone)]
pub struct Doubles {
    /// two or more
    pub patients: Vec<Patient>,
    /// they have one health number; else one name and birth date
    pub by_number: bool,
}

/// Charts in use that may be one person's, those with one health number first. Bounded, along indexes.
pub fn doubles(conn: &mut Conn) -> QueryResult<Vec<Doubles>> {
    let live = patients::table.filter(patients::archived_at.is_null());
    let numbers: Vec<Option<String>> = live
        .filter(patients::health_number_key.gt(""))
        .group_by(patients::health_number_key)
        .having(count_star().gt(1))
        .order(patients::health_number_key)
        .limit(GROUPS)
        .select(patients::health_number_key)
        .load(conn)?;
    let names: Vec<(BirthDate, String)> = live
        .group_by((patients::birth_date, patients::name_key))
        .having(count_star().gt(1))
        .order((patients::birth_date, patients::name_key))
        .limit(GROUPS)
        .select((patients::birth_date, patients::name_key))
        .load(conn)?;
    let mut found: Vec<Doubles> = Vec::new();
    for number in numbers.into_iter().flatten() {
        let same = live.filter(patients::health_number_key.eq(number)).order(patients::id).limit(OF_ONE);
        let patients = same.select(Patient::as_select()).into_boxed::<MultiBackend>().load(conn)?;
        found.push(Doubles { patients, by_number: true });
    }
    for (born, name) in names {
        let same = live.filter(patients::birth_date.eq(born)).filter(patients::name_key.eq(name));
        let same = same.order(patients::id).limit(OF_ONE).select(Patient::as_select()).into_boxed::<MultiBackend>();
        let patients: Vec<Patient> = same.load(conn)?;
        let known = |group: &Doubles| patients.iter().all(|p| group.patients.iter().any(|other| other.id == p.id));
        if !found.iter().any(known) {
            found.push(Doubles { patients, by_number: false });
        }
    }
    Ok(found)
}
