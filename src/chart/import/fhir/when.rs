//! FHIR dates and instants (R4 §2.24.0.1: `date`, `dateTime`, `instant`).

use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use super::types::Period;
use crate::chart::item::Datum;

/// A point in time and the day that the record wrote for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// In UTC, whole microseconds.
    pub at: OffsetDateTime,
    /// The day in the record's own time zone.
    pub day: Date,
    /// "year" or "month" where no more of the date is known.
    pub only: Option<&'static str>,
}

impl Moment {
    /// The day as the record wrote it, as far as it is known: `2019-05-01`, `2019-05`, `2019`.
    pub fn day_as_known(&self) -> String {
        match self.only {
            Some("year") => format!("{:04}", self.day.year()),
            Some(_) => format!("{:04}-{:02}", self.day.year(), u8::from(self.day.month())),
            None => self.day.to_string(),
        }
    }
}

/// Reads a `date`, `dateTime` or `instant` of any precision; `None` where the text is none of these.
///
/// A value without time of day stands for noon UTC of its first day, so that it is the same day in every zone from
/// UTC−12 to UTC+11. A time without offset, which FHIR forbids, is taken as UTC; seconds may be missing; the leap
/// second counts as the second before it.
pub(super) fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    let Some((date, clock)) = text.split_once('T') else {
        let (day, only) = partial_date(text)?;
        return Some(Moment {
            at: PrimitiveDateTime::new(day, Time::from_hms(12, 0, 0).ok()?).assume_utc(),
            day,
            only,
        });
    };
    let day = full_date(date)?;
    let split = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
    let (clock, offset) = clock.split_at_checked(split)?;
    let at = PrimitiveDateTime::new(day, time_of_day(clock)?).assume_offset(offset_of(offset)?);
    Some(Moment { at: at.checked_to_offset(UtcOffset::UTC)?, day, only: None })
}

/// The moment of the first candidate that can be read.
pub(super) fn first_moment<'a>(candidates: impl IntoIterator<Item = Option<&'a String>>) -> Option<Moment> {
    candidates.into_iter().flatten().find_map(|text| moment(text))
}

/// Reads a complete `date` (`YYYY-MM-DD`); `None` for a partial one or one with a time after it.
pub(super) fn full_date(text: &str) -> Option<Date> {
    partial_date(text).and_then(|(date, only)| only.is_none().then_some(date))
}

/// The first day of a `date`, and "year" or "month" where the date is not complete.
fn partial_date(text: &str) -> Option<(Date, Option<&'static str>)> {
    let mut parts = text.trim().split('-');
    let year: i32 = digits(parts.next()?, 4)?.try_into().ok()?;
    let month = parts.next();
    let day = parts.next();
    if year == 0 || parts.next().is_some() {
        return None;
    }
    let part = |part: Option<&str>| part.map_or(Some(1), |text| digits(text, 2).and_then(|n| u8::try_from(n).ok()));
    let date = Date::from_calendar_date(year, Month::try_from(part(month)?).ok()?, part(day)?).ok()?;
    let only = match (month, day) {
        (None, _) => Some("year"),
        (_, None) => Some("month"),
        _ => None,
    };
    Some((date, only))
}

fn time_of_day(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |text| digits(text, 2))?;
    if parts.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let second = if second == 60 { 59 } else { second };
    let small = |number: u32| u8::try_from(number).ok();
    Time::from_hms_micro(small(hour)?, small(minute)?, small(second)?, micros.parse().ok()?).ok()
}

fn offset_of(text: &str) -> Option<UtcOffset> {
    let (sign, rest) = match text {
        "" | "Z" => return Some(UtcOffset::UTC),
        _ => (if text.starts_with('-') { -1 } else { 1 }, text.strip_prefix(['+', '-'])?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    UtcOffset::from_whole_seconds(sign * seconds).ok()
}

/// Exactly `length` ASCII digits as a number.
fn digits(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A date for a body, as the record writes it, if it is valid.
pub(super) fn datum(text: Option<&String>) -> Option<Datum> {
    text.and_then(|text| checked(text)).map(Datum::When)
}

/// A period for a body; `None` where neither end is a date.
pub(super) fn period(period: Option<&Period>) -> Option<Datum> {
    let period = period?;
    let end = |text: &Option<String>| text.as_deref().and_then(checked);
    match (end(&period.start), end(&period.end)) {
        (None, None) => None,
        (from, to) => Some(Datum::Period(from, to)),
    }
}

fn checked(text: &str) -> Option<String> {
    let at = moment(text)?.at;
    // instants are rewritten, so that the page has only one form to read; dates keep their precision
    if text.contains('T') {
        at.format(&time::format_description::well_known::Rfc3339).ok()
    } else {
        Some(text.trim().to_owned())
    }
}

/// Whether a period is over before this day; an end that can't be read counts as over.
pub(super) fn is_over(period: Option<&Period>, today: Date) -> bool {
    let Some(end) = period.and_then(|period| period.end.as_deref()) else { return false };
    // a partial end means the whole month or year (R4 §2.24.0.2: the end is inclusive)
    let Some(start) = moment(end).map(|moment| moment.day) else { return true };
    let slack = match end.trim().len() {
        4 => 365,
        7 => 30,
        _ => 0,
    };
    start.checked_add(Duration::days(slack)).is_some_and(|end| end < today)
}
