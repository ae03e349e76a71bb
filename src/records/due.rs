//! Finds the records that the clinic's retention periods no longer require to be kept.

use super::hold::held;
use crate::db::schema::patients;
use crate::db::{Conn, MultiBackend, PatientId, Ts};
use crate::patients::ArchiveReason;
use crate::settings::Retention;
use crate::values::BirthDate;
use diesel::prelude::*;
use time::Date;

/// The most due records that are listed and deleted at once.
pub const MOST_DUE: usize = 50;

/// A record that is due for deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRecord {
    /// the record's number
    pub patient: PatientId,
    /// given and family name
    pub name: String,
    /// date of birth
    pub birth_date: BirthDate,
    /// since when it is archived
    pub archived_at: Ts,
    /// why it is archived
    pub reason: ArchiveReason,
}

/// The archive reasons with a period, and its length in years; 0 means permanently. A reason from a source counts like
/// a user's.
fn periods(kept: Retention) -> [(&'static [ArchiveReason], i64); 3] {
    use ArchiveReason::{Deceased, Inactive, Left, Mistake, Replaced};
    [(&[Deceased], kept.deceased), (&[Left, Inactive], kept.left), (&[Mistake, Replaced], kept.mistake)]
}

/// The same day this many years earlier; 28 February where that year has no 29 February.
fn years_before(day: Date, years: i64) -> Date {
    let year = day.year() - i32::try_from(years).unwrap_or(i32::MAX).min(day.year());
    day.replace_year(year).or_else(|_| Date::from_calendar_date(year, day.month(), 28)).unwrap_or(Date::MIN)
}

/// The moment before which a record must have been archived to be due.
fn archived_until(now: Ts, years: i64) -> Ts {
    Ts::from(now.get().replace_date(years_before(now.get().date(), years)))
}

fn born_until(now: Ts, kept: Retention) -> BirthDate {
    BirthDate(years_before(now.get().date(), kept.until_age))
}

/// The records that are due, first archived first, at most `limit`. A record with a hold is not due; nor is one of a
/// person below the age until which records are kept.
pub fn due(conn: &mut Conn, now: Ts, kept: Retention, limit: i64) -> QueryResult<Vec<DueRecord>> {
    let mut found: Vec<DueRecord> = Vec::new();
    for (reasons, years) in periods(kept).into_iter().filter(|(_, years)| *years > 0) {
        let (mut after, mut of_reason) = (None, 0);
        while of_reason < limit {
            let rows = archived(conn, now, kept, (reasons, years), after, limit)?;
            let Some(last) = rows.last() else { break };
            after = Some((last.archived_at, last.patient));
            for record in rows {
                // a hold on a record that was merged into this one counts too
                if held(conn, record.patient)?.is_none() {
                    of_reason += 1;
                    found.push(record);
                }
            }
        }
    }
    found.sort_by_key(|record| (record.archived_at, record.patient));
    found.truncate(limit.unsigned_abs() as usize);
    Ok(found)
}

/// A page of the records that were archived for these reasons long enough ago: those after `after`.
fn archived(
    conn: &mut Conn,
    now: Ts,
    kept: Retention,
    (reasons, years): (&[ArchiveReason], i64),
    after: Option<(Ts, PatientId)>,
    limit: i64,
) -> QueryResult<Vec<DueRecord>> {
    type Row = (PatientId, String, String, BirthDate, Option<Ts>, Option<ArchiveReason>);
    let mut query = patients::table
        .filter(patients::deleted_at.is_null())
        .filter(patients::merged_into.is_null())
        .filter(patients::archive_reason.eq_any(reasons.to_vec()))
        .filter(patients::archived_at.le(archived_until(now, years)))
        .filter(patients::birth_date.le(born_until(now, kept)))
        .order((patients::archived_at, patients::id))
        .limit(limit)
        .select((
            patients::id,
            patients::given_name,
            patients::family_name,
            patients::birth_date,
            patients::archived_at,
            patients::archive_reason,
        ))
        .into_boxed::<MultiBackend>();
    if let Some((at, id)) = after {
        let same = patients::archived_at.eq(at).and(patients::id.gt(id));
        query = query.filter(patients::archived_at.gt(at).or(same));
    }
    let rows: Vec<Row> = query.load(conn)?;
    let record = |(patient, given, family, birth_date, archived_at, reason): Row| {
        let name = format!("{given} {family}").trim().to_owned();
        Some(DueRecord { patient, name, birth_date, archived_at: archived_at?, reason: reason? })
    };
    Ok(rows.into_iter().filter_map(record).collect())
}

/// Whether this record is due.
pub fn is_due(conn: &mut Conn, now: Ts, kept: Retention, patient: PatientId) -> QueryResult<bool> {
    type Row = (Option<Ts>, Option<ArchiveReason>, BirthDate);
    let row = patients::table.find(patient).filter(patients::deleted_at.is_null());
    let row: Option<Row> =
        row.select((patients::archived_at, patients::archive_reason, patients::birth_date)).first(conn).optional()?;
    let Some((Some(archived_at), Some(reason), born)) = row else { return Ok(false) };
    let is_over = periods(kept)
        .into_iter()
        .any(|(reasons, years)| years > 0 && reasons.contains(&reason) && archived_at <= archived_until(now, years));
    Ok(is_over && born <= born_until(now, kept) && held(conn, patient)?.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn years_are_those_of_the_calendar() {
        assert_eq!(years_before(date!(2026 - 11 - 29), 10), date!(2016 - 11 - 29));
        assert_eq!(years_before(date!(2028 - 02 - 29), 1), date!(2027 - 02 - 28));
        assert_eq!(years_before(date!(2028 - 02 - 29), 0), date!(2028 - 02 - 29));
        assert!(years_before(date!(2028 - 02 - 29), i64::MAX) < date!(0002 - 01 - 01));
    }
}
