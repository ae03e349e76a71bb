//! The opening hours, the closed days, and what is promised.

use super::clinic::{Part, settings_changed};
use crate::access::{Authority, rights};
use crate::db::schema::{answer_promise, closed_days, opening_hours};
use crate::db::{Ts, Tx};
use crate::settings::{Hours, day_text};
use diesel::prelude::*;

/// Replaces the opening hours; the caller holds the settings, so that of two who save at the same moment the second is asked. Closed
/// days that are over go. Words that patients were given stay as they are.
pub fn save_hours(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Settings>, hours: &Hours) -> QueryResult<()> {
    diesel::delete(opening_hours::table).execute(tx.conn())?;
    for (weekday, spans) in (1_i64..).zip(&hours.week) {
        for span in spans {
            let row = (
                opening_hours::weekday.eq(weekday),
                opening_hours::opens.eq(span.opens),
                opening_hours::closes.eq(span.closes),
            );
            diesel::insert_into(opening_hours::table).values(row).execute(tx.conn())?;
        }
    }
    diesel::delete(closed_days::table).execute(tx.conn())?;
    for (day, name) in &hours.closed {
        let row = (closed_days::day.eq(day_text(*day)), closed_days::name.eq(name));
        diesel::insert_into(closed_days::table).values(row).execute(tx.conn())?;
    }
    diesel::delete(answer_promise::table).execute(tx.conn())?;
    if let Some(promise) = hours.promise {
        let row = (
            answer_promise::id.eq(1),
            answer_promise::unit.eq(promise.unit),
            answer_promise::amount.eq(promise.amount),
        );
        diesel::insert_into(answer_promise::table).values(row).execute(tx.conn())?;
    }
    settings_changed(tx, now, by, Part::Hours.as_str())
}
