//! How the promise of an answer was kept in the last weeks: by week, and by the user who answered. Nothing of a patient is read.

use crate::access::{SignedInUser, rights};
use crate::db::schema::promises as p;
use crate::db::{Conn, Ts, UserId};
use crate::settings;
use crate::users;
use diesel::prelude::*;
use std::collections::BTreeMap;
use time::{Date, Duration};

/// The weeks that are counted, with the present one.
const WEEKS: usize = 12;

/// The most promises that are read, the newest: more than a large clinic gives in twelve weeks.
const MOST: i64 = 20_000;

/// What became of some promises.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// answered in time
    pub kept: usize,
    /// answered later, or not yet although the time is over
    pub late: usize,
    /// not answered yet, and in time
    pub open: usize,
    /// how long the clinic was open until each answer, in minutes
    minutes: Vec<i64>,
}

impl Tally {
    /// How many of a hundred were kept, of those that were kept or are late; `None` where there are none.
    pub fn kept_of_hundred(&self) -> Option<usize> {
        let all = self.kept + self.late;
        (all > 0).then(|| self.kept * 100 / all)
    }

    /// The median of the minutes, in which the clinic was open, until an answer; `None` where nothing was answered.
    pub fn median(&self) -> Option<i64> {
        let mut minutes = self.minutes.clone();
        minutes.sort_unstable();
        let (below, above) = (minutes.len().checked_sub(1)? / 2, minutes.len() / 2);
        Some((minutes.get(below)? + minutes.get(above)?) / 2)
    }

    fn add(&mut self, now: Ts, by: Ts, answered: Option<(Ts, i64)>) {
        match answered {
            Some((at, _)) if at <= by => self.kept += 1,
            Some(_) => self.late += 1,
            None if now > by => self.late += 1,
            None => self.open += 1,
        }
        self.minutes.extend(answered.map(|(_, minutes)| minutes));
    }
}

/// The tallies of the last weeks.
#[derive(Debug, Clone)]
pub struct AnswerTimes {
    /// each week by its Monday, the present one first
    pub weeks: Vec<(Date, Tally)>,
    /// each user who answered or closed, by name
    pub users: Vec<(String, Tally)>,
    /// there were more promises than are read
    pub is_cut: bool,
}

/// Counts the promises of the last twelve weeks, by the week in which the patient asked. A closing counts as an answer.
pub fn answer_times(conn: &mut Conn, now: Ts, _: &SignedInUser<rights::Settings>) -> QueryResult<AnswerTimes> {
    let zone = settings::load(conn)?.zone();
    let present = monday(zone.local(now).date());
    let mondays: Vec<Date> =
        std::iter::successors(Some(present), |day| day.checked_sub(Duration::WEEK)).take(WEEKS).collect();
    let first = mondays.last().copied().unwrap_or(present);
    let hours = settings::hours(conn, first)?;
    type Row = (Ts, Ts, Option<Ts>, Option<UserId>);
    let mut rows: Vec<Row> = p::table
        .filter(p::asked_at.ge(zone.start_of(first)))
        .order((p::asked_at.desc(), p::id.desc()))
        .limit(MOST + 1)
        .select((p::asked_at, p::answer_by, p::answered_at, p::user_id))
        .load(conn)?;
    let is_cut = rows.len() as i64 > MOST;
    rows.truncate(MOST as usize);
    let mut weeks: BTreeMap<Date, Tally> = mondays.iter().map(|day| (*day, Tally::default())).collect();
    let mut by_user: BTreeMap<UserId, Tally> = BTreeMap::new();
    for (asked, by, answered, user) in rows {
        let answered = answered.map(|at| (at, hours.open_minutes(zone, asked, at)));
        weeks.entry(monday(zone.local(asked).date())).or_default().add(now, by, answered);
        if let Some(user) = user {
            by_user.entry(user).or_default().add(now, by, answered);
        }
    }
    let ids: Vec<UserId> = by_user.keys().copied().collect();
    let mut named: Vec<(UserId, String)> = users::names_of(conn, &ids)?;
    named.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
    let users = named.into_iter().filter_map(|(id, name)| Some((name, by_user.remove(&id)?))).collect();
    Ok(AnswerTimes { weeks: weeks.into_iter().rev().collect(), users, is_cut })
}

/// The Monday of a day's week (ISO 8601).
fn monday(day: Date) -> Date {
    day.saturating_sub(Duration::days(i64::from(day.weekday().number_days_from_monday())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    #[test]
    fn a_promise_is_kept_late_or_open() {
        let at = |hour: u8| Ts::from(datetime!(2026-03-04 0:00 UTC).replace_hour(hour).unwrap());
        let mut tally = Tally::default();
        assert_eq!((tally.kept_of_hundred(), tally.median()), (None, None));
        // on the minute, late, over without an answer, in time without one
        tally.add(at(12), at(10), Some((at(10), 60)));
        tally.add(at(12), at(10), Some((at(11), 200)));
        tally.add(at(12), at(11), None);
        tally.add(at(12), at(12), None);
        assert_eq!((tally.kept, tally.late, tally.open), (1, 2, 1));
        assert_eq!((tally.kept_of_hundred(), tally.median()), (Some(33), Some(130)));
        tally.add(at(12), at(10), Some((at(9), 0)));
        assert_eq!(tally.median(), Some(60));
    }

    #[test]
    fn a_week_begins_on_monday() {
        for day in [date!(2026 - 03 - 02), date!(2026 - 03 - 04), date!(2026 - 03 - 08)] {
            assert_eq!(monday(day), date!(2026 - 03 - 02));
        }
        assert_eq!(monday(date!(2026 - 03 - 09)), date!(2026 - 03 - 09));
    }
}
