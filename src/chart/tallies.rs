//! How many items a chart has, by kind. A row for each month holds the number, so that a large chart is counted as fast
//! as a small one. Only the days of the months at the ends of a range are counted one by one.

use super::item::{ItemKind, ItemState};
use super::items::{Counts, ItemFilter};
use crate::db::schema::{chart_items, chart_tallies};
use crate::db::{Conn, PatientId, Ts, Tx, add_to_tally};
use diesel::dsl::count_star;
use diesel::prelude::*;
use std::collections::BTreeMap;
use time::{Date, Month, OffsetDateTime};

/// The number of a month in UTC: 202603 for March 2026.
fn month(at: Ts) -> i64 {
    let date = at.get().date();
    i64::from(date.year()) * 100 + i64::from(u8::from(date.month()))
}

fn start_of_month(at: Ts) -> Ts {
    let date = at.get().date();
    let first = Date::from_calendar_date(date.year(), date.month(), 1).unwrap_or(Date::MIN);
    OffsetDateTime::new_utc(first, time::Time::MIDNIGHT).into()
}

fn start_of_next_month(at: Ts) -> Ts {
    let date = at.get().date();
    let (year, next) = match date.month() {
        Month::December => (date.year() + 1, Month::January),
        month => (date.year(), month.next()),
    };
    let first = Date::from_calendar_date(year, next, 1).unwrap_or(Date::MAX);
    OffsetDateTime::new_utc(first, time::Time::MIDNIGHT).into()
}

/// Counts an item.
pub(super) fn add(tx: &mut Tx, patient: PatientId, kind: ItemKind, at: Ts) -> QueryResult<()> {
    add_to_tally(tx, patient, kind.as_str(), month(at), 1)
}

/// Stops counting an item.
pub(super) fn remove(tx: &mut Tx, patient: PatientId, kind: ItemKind, at: Ts) -> QueryResult<()> {
    add_to_tally(tx, patient, kind.as_str(), month(at), -1)
}

/// Moves the count of an item to another kind or month.
pub(super) fn shift(tx: &mut Tx, patient: PatientId, from: (ItemKind, Ts), to: (ItemKind, Ts)) -> QueryResult<()> {
    if (from.0, month(from.1)) == (to.0, month(to.1)) {
        return Ok(());
    }
    add_to_tally(tx, patient, from.0.as_str(), month(from.1), -1)?;
    add(tx, patient, to.0, to.1)
}

/// Recounts a chart's items, after many came or went at once.
pub fn count_anew(tx: &mut Tx, patient: PatientId) -> QueryResult<()> {
    diesel::delete(chart_tallies::table.filter(chart_tallies::patient_id.eq(patient))).execute(tx.conn())?;
    let items = chart_items::table.filter(chart_items::patient_id.eq(patient));
    let items = items.filter(chart_items::state.ne(ItemState::Moved));
    let items: Vec<(ItemKind, Ts)> = items.select((chart_items::kind, chart_items::occurred_at)).load(tx.conn())?;
    let mut counts: BTreeMap<(ItemKind, i64), i64> = BTreeMap::new();
    items.into_iter().for_each(|(kind, at)| *counts.entry((kind, month(at))).or_default() += 1);
    counts.into_iter().try_for_each(|((kind, month), more)| add_to_tally(tx, patient, kind.as_str(), month, more))
}

type ByKind = BTreeMap<ItemKind, i64>;

/// The counts for a filter without words.
pub(super) fn counts(conn: &mut Conn, patient: PatientId, filter: &ItemFilter) -> QueryResult<Counts> {
    let whole = months(conn, patient, i64::MIN, i64::MAX)?;
    let mut by_kind = whole.clone();
    if let Some(from) = filter.from {
        subtract(&mut by_kind, &months(conn, patient, i64::MIN, month(from) - 1)?);
        subtract(&mut by_kind, &days(conn, patient, start_of_month(from), from)?);
    }
    if let Some(until) = filter.until {
        subtract(&mut by_kind, &months(conn, patient, month(until) + 1, i64::MAX)?);
        subtract(&mut by_kind, &days(conn, patient, until, start_of_next_month(until))?);
    }
    // a range that ends before it begins contains nothing
    by_kind.retain(|_, count| *count > 0);
    let mut counts = Counts { by_kind, hidden: 0 };
    let of_kind = Counts { by_kind: whole, hidden: 0 }.count(filter.kind.as_ref());
    counts.hidden = of_kind - counts.count(filter.kind.as_ref());
    Ok(counts)
}

fn subtract(counts: &mut ByKind, less: &ByKind) {
    for (kind, count) in less {
        *counts.entry(*kind).or_default() -= count;
    }
}

/// The counts of whole months from `first` to `last`.
fn months(conn: &mut Conn, patient: PatientId, first: i64, last: i64) -> QueryResult<ByKind> {
    let rows: Vec<(ItemKind, i64)> = chart_tallies::table
        .filter(chart_tallies::patient_id.eq(patient))
        .filter(chart_tallies::month.between(first, last))
        .select((chart_tallies::kind, chart_tallies::items))
        .load(conn)?;
    let mut sums = ByKind::new();
    rows.into_iter().for_each(|(kind, items)| *sums.entry(kind).or_default() += items);
    Ok(sums)
}

/// The counts of days within one month.
fn days(conn: &mut Conn, patient: PatientId, from: Ts, until: Ts) -> QueryResult<ByKind> {
    let rows: Vec<(ItemKind, i64)> = chart_items::table
        .filter(chart_items::patient_id.eq(patient))
        .filter(chart_items::state.ne(ItemState::Moved))
        .filter(chart_items::occurred_at.ge(from))
        .filter(chart_items::occurred_at.lt(until))
        .group_by(chart_items::kind)
        .select((chart_items::kind, count_star()))
        .load(conn)?;
    Ok(rows.into_iter().collect())
}
