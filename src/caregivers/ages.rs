//! When a parent's access comes to its end: the clinic may have it end at an age of the patient, and asks users to look at it before.

use super::change::hold;
use super::record::{Caregiver, Relation, by_id};
use crate::access::{SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{caregivers, patients as records};
use crate::db::{CaregiverId, Conn, PatientId, Ts, Tx};
use crate::portal_links;
use crate::settings::{self, CaregiverAges};
use crate::text::Zone;
use crate::values::BirthDate;
use diesel::prelude::*;
use time::{Date, Duration, Month};

/// An end that is at most so many days away is warned of.
const SOON: i64 = 60;

/// The latest date of birth of whoever has reached this age on a day, as it is stored; empty, before every date, for no age.
fn born_by(age: i64, day: Date) -> String {
    match age {
        0 => String::new(),
        // a day that this year has not, the 29th of February, lies between its neighbours as text too
        _ => format!("{:04}-{:02}-{:02}", i64::from(day.year()) - age, u8::from(day.month()), day.day()),
    }
}

/// The day on which somebody reaches an age; who was born on the 29th of February does so on the 1st of March.
fn birthday(born: BirthDate, age: i64) -> Option<Date> {
    let year = born.0.year().checked_add(i32::try_from(age).ok()?)?;
    let day = Date::from_calendar_date(year, born.0.month(), born.0.day());
    day.or_else(|_| Date::from_calendar_date(year, Month::March, 1)).ok()
}

/// What is to be said of a caregiver's access beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// the last day, where it is near, and in how many days it is
    pub ends: Option<(Date, i64)>,
    /// the patient has reached the age at which a parent's access is looked at, and no end is set
    pub to_look_at: bool,
}

impl Outlook {
    /// Of a caregiver whose patient was born on this day.
    pub fn of(caregiver: &Caregiver, born: BirthDate, ages: CaregiverAges, (now, zone): (Ts, Zone)) -> Outlook {
        let (today, is_parent) = (zone.local(now).date(), caregiver.details.relation == Relation::Parent);
        let by_age =
            birthday(born, ages.end_age).filter(|_| is_parent && ages.end_age > 0).and_then(Date::previous_day);
        let by_date = caregiver.ends_at().map(|end| zone.local(end.plus(-Duration::MICROSECOND)).date());
        let last = by_age.into_iter().chain(by_date).min();
        let ends = last.map(|last| (last, (last - today).whole_days())).filter(|(_, days)| (0..=SOON).contains(days));
        let looked = is_parent && ages.look_age > 0 && caregiver.ends_at().is_none();
        let to_look_at = looked && birthday(born, ages.look_age).is_some_and(|day| day <= today);
        Outlook { ends, to_look_at }
    }
}

/// A caregiver whose access ends soon, or is to be looked at, with the patient.
#[derive(Debug, Clone)]
pub struct Watched {
    /// the caregiver
    pub caregiver: Caregiver,
    /// the patient
    pub patient: PatientId,
    /// the patient's name
    pub name: String,
    /// the patient's date of birth
    pub born: BirthDate,
}

/// The caregivers whose access ends soon, or is to be looked at, in the order in which they were entered: those after this one, at
/// most `limit`.
pub fn ending(
    conn: &mut Conn,
    now: Ts,
    _by: &SignedInUser<rights::EditPatients>,
    after: CaregiverId,
    limit: i64,
) -> QueryResult<Vec<Watched>> {
    let (ages, zone) = (settings::caregiver_ages(conn)?, settings::load(conn)?.zone());
    let (today, soon) = (zone.local(now).date(), zone.local(now.plus(Duration::days(SOON + 1))).date());
    let parent = || caregivers::relation.eq(Relation::Parent);
    let ends = caregivers::ends_at.le(zone.start_of(soon));
    let of_age = parent().and(records::birth_date.le(born_by(ages.end_age, soon)));
    let look =
        parent().and(caregivers::ends_at.eq(Ts::LAST)).and(records::birth_date.le(born_by(ages.look_age, today)));
    type Row = (Caregiver, (PatientId, String, String, BirthDate));
    let rows: Vec<Row> = caregivers::table
        .inner_join(records::table.on(records::id.eq(caregivers::patient_id)))
        .filter(records::deleted_at.is_null())
        .filter(caregivers::ends_at.gt(now))
        .filter(caregivers::id.gt(after))
        .filter(ends.or(of_age).or(look))
        .order(caregivers::id)
        .limit(limit)
        .select((Caregiver::as_select(), (records::id, records::given_name, records::family_name, records::birth_date)))
        .load(conn)?;
    let watched = rows.into_iter().map(|(caregiver, (patient, given, family, born))| {
        let name = format!("{given} {family}").trim().to_owned();
        Watched { caregiver, patient, name, born }
    });
    Ok(watched.collect())
}

/// Ends the access of one parent whose patient has reached the age for it. `false`: there is none.
pub fn end_by_age(tx: &mut Tx, now: Ts) -> QueryResult<bool> {
    let (ages, zone) = (settings::caregiver_ages(tx)?, settings::load(tx)?.zone());
    if ages.end_age == 0 {
        return Ok(false);
    }
    let of_age = records::birth_date.le(born_by(ages.end_age, zone.local(now).date()));
    let due: Option<CaregiverId> = caregivers::table
        .inner_join(records::table.on(records::id.eq(caregivers::patient_id)))
        .filter(caregivers::relation.eq(Relation::Parent))
        .filter(caregivers::ends_at.gt(now))
        .filter(of_age)
        .order(caregivers::id)
        .select(caregivers::id)
        .first(tx.conn())
        .optional()?;
    let Some(id) = due else { return Ok(false) };
    hold(tx, id)?;
    // whoever was first may have ended it, or given it another meaning
    let Some(one) = by_id(tx, id)?.filter(|one| one.details.relation == Relation::Parent) else { return Ok(true) };
    if one.details.ends_at <= now {
        return Ok(true);
    }
    diesel::update(caregivers::table.find(id))
        .set((caregivers::ends_at.eq(now), caregivers::version.eq(one.version + 1)))
        .execute(tx.conn())?;
    portal_links::end_of_caregiver(tx, now, id)?;
    let entry = Entry::of_patient(Actor::System, Event::CaregiverEnded, one.patient_id, Subject::Caregiver(id));
    audit::append(tx, now, entry.with("age"))?;
    Ok(true)
}

/// Whether a patient who was born on this day has reached the age at which a parent's access ends.
pub(super) fn is_of_age(conn: &mut Conn, now: Ts, born: BirthDate) -> QueryResult<bool> {
    let (ages, zone) = (settings::caregiver_ages(conn)?, settings::load(conn)?.zone());
    Ok(ages.end_age > 0 && birthday(born, ages.end_age).is_some_and(|day| day <= zone.local(now).date()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn born(text: &str) -> BirthDate {
        BirthDate::parse(text).unwrap()
    }

    #[test]
    fn an_age_is_reached_on_the_birthday() {
        let day = |text| born(text).0;
        for (on, age, latest) in
            [("2026-03-04", 14, "2012-03-04"), ("2024-02-29", 18, "2006-02-29"), ("2026-03-04", 0, "")]
        {
            assert_eq!(born_by(age, day(on)), latest);
        }
        assert_eq!(birthday(born("2012-03-04"), 14), Some(day("2026-03-04")));
        assert_eq!(birthday(born("2008-02-29"), 18), Some(day("2026-03-01")));
    }
}
