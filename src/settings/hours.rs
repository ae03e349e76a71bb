//! When the clinic is open, and within which time it promises an answer.

use crate::db::schema::{answer_promise, closed_days, opening_hours};
use crate::db::{Conn, Ts};
use crate::text::Zone;
use crate::text_enum;
use diesel::prelude::*;
use std::collections::BTreeMap;
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{Date, Duration, Time};

text_enum! {
    /// What a promise counts.
    pub enum Unit {
        /// hours in which the clinic is open
        Hours = "hours",
        /// days on which the clinic is open; that of the question does not count
        Days = "days",
    }
}

/// "We answer within … opening hours", or working days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// what is counted
    pub unit: Unit,
    /// how many
    pub amount: i64,
}

/// From when to when the clinic is open, in minutes after midnight of its time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// when it opens
    pub opens: i64,
    /// when it closes; [`MIDNIGHT`] at the end of the day
    pub closes: i64,
}

/// The minutes of a day.
pub const MIDNIGHT: i64 = 24 * 60;

/// The longest promise: opening hours, and working days.
pub const MOST_HOURS: i64 = 200;
/// See [`MOST_HOURS`].
pub const MOST_DAYS: i64 = 30;

/// Closed days that can be stored at once.
pub const MOST_CLOSED: usize = 60;

/// No answer is promised for a day that is further away.
const FURTHEST: usize = 400;

/// A time that is promised is a quarter of an hour: nobody is told "by 14:07".
const QUARTER: Duration = Duration::minutes(15);

/// A day as it is stored, and as a field of a form has it.
const ISO: &[FormatItem] = format_description!("[year]-[month]-[day]");

/// The opening hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours {
    /// for each day of the week, Monday first, its spans in their order, which do not overlap
    pub week: [Vec<Span>; 7],
    /// days on which the clinic is closed all the same, and why
    pub closed: BTreeMap<Date, String>,
    /// what is promised, if anything
    pub promise: Option<Promise>,
}

impl Hours {
    /// From when to when the clinic is open on a day, in their order. Where the clocks skip the time on the door, the clinic opens, or
    /// closes, when they have moved.
    fn open(&self, zone: Zone, day: Date) -> impl Iterator<Item = (Ts, Ts)> {
        let spans = self.week.get(usize::from(day.weekday().number_days_from_monday()));
        let spans = spans.filter(|_| !self.closed.contains_key(&day)).map_or(&[][..], Vec::as_slice);
        let spans = spans.iter().map(move |span| (moment(zone, day, span.opens), moment(zone, day, span.closes)));
        // the clocks may skip a whole span, and a zone that crosses the date line a whole day
        spans.filter(|(opens, closes)| opens < closes)
    }

    /// For how many minutes the clinic is open between two moments; of more than 400 days the first ones count.
    pub fn open_minutes(&self, zone: Zone, from: Ts, until: Ts) -> i64 {
        let (first, last) = (zone.local(from).date(), zone.local(until).date());
        let days = std::iter::successors(Some(first), |day| day.next_day()).take_while(|day| *day <= last);
        let spans = days.take(FURTHEST).flat_map(|day| self.open(zone, day));
        spans.map(|(opens, closes)| closes.min(until).since(opens.max(from)).whole_minutes().max(0)).sum()
    }

    /// By when whoever writes at `from` has an answer, as it is promised; `None` where nothing is promised, or where the clinic is not
    /// open long enough in the next 400 days.
    pub fn answer_by(&self, zone: Zone, from: Ts) -> Option<Ts> {
        let promise = self.promise?;
        let today = zone.local(from).date();
        let mut days = std::iter::successors(Some(today), |day| day.next_day()).take(FURTHEST);
        match promise.unit {
            Unit::Hours => {
                let mut left = Duration::hours(promise.amount);
                days.flat_map(|day| self.open(zone, day)).find_map(|(opens, closes)| {
                    let begins = opens.max(from);
                    let open = closes.since(begins);
                    if !open.is_positive() {
                        return None;
                    }
                    if open >= left {
                        return Some(up_to_quarter(begins.plus(left)).min(closes));
                    }
                    left -= open;
                    None
                })
            }
            Unit::Days => {
                days.next();
                let evenings = days.filter_map(|day| self.open(zone, day).last());
                evenings.map(|(_, closes)| closes).nth(usize::try_from(promise.amount).ok()?.checked_sub(1)?)
            }
        }
    }
}

/// The moment at which the clocks show this minute of a day, or the first one after it.
fn moment(zone: Zone, day: Date, minute: i64) -> Ts {
    let shown = |minute: i64| {
        let (hour, minute) = (u8::try_from(minute / 60).ok()?, u8::try_from(minute % 60).ok()?);
        zone.at(day, Time::from_hms(hour, minute, 0).ok()?)
    };
    (minute..MIDNIGHT).find_map(shown).unwrap_or_else(|| zone.start_of(day.next_day().unwrap_or(day)))
}

/// The next quarter of an hour. Zones differ by whole quarters.
fn up_to_quarter(at: Ts) -> Ts {
    let micros = QUARTER.whole_microseconds() as i64;
    let over = at.micros().rem_euclid(micros);
    if over == 0 { at } else { at.plus(Duration::microseconds(micros - over)) }
}

/// Reads a day as a field of a form gives it; `None` for anything else.
pub fn parse_day(text: &str) -> Option<Date> {
    Date::parse(text.trim(), ISO).ok().filter(|day| (1900..=9999).contains(&day.year()))
}

/// A day as it is stored, and as a field of a form takes it.
pub fn day_text(day: Date) -> String {
    day.format(ISO).unwrap_or_default()
}

/// What is promised, if anything.
fn promise(conn: &mut Conn) -> QueryResult<Option<Promise>> {
    let row = answer_promise::table.find(1).select((answer_promise::unit, answer_promise::amount));
    let found: Option<(Unit, i64)> = row.first(conn).optional()?;
    Ok(found.map(|(unit, amount)| Promise { unit, amount }))
}

/// The opening hours, with the closed days from `today` on. Read in a transaction that changes them, the caller holds the settings:
/// see [`super::hold`].
pub fn hours(conn: &mut Conn, today: Date) -> QueryResult<Hours> {
    let spans: Vec<(i64, i64, i64)> = opening_hours::table
        .order((opening_hours::weekday, opening_hours::opens))
        .select((opening_hours::weekday, opening_hours::opens, opening_hours::closes))
        .load(conn)?;
    let mut week: [Vec<Span>; 7] = Default::default();
    for (weekday, opens, closes) in spans {
        if let Some(day) = usize::try_from(weekday - 1).ok().and_then(|at| week.get_mut(at)) {
            day.push(Span { opens, closes });
        }
    }
    let days: Vec<(String, String)> = closed_days::table
        .filter(closed_days::day.ge(day_text(today)))
        .order(closed_days::day)
        .select((closed_days::day, closed_days::name))
        .load(conn)?;
    let closed = days.into_iter().filter_map(|(day, name)| Some((parse_day(&day)?, name))).collect();
    Ok(Hours { week, closed, promise: promise(conn)? })
}

/// By when whoever writes now has an answer, as the clinic promises; `None` where it promises nothing.
pub fn answer_by(conn: &mut Conn, now: Ts) -> QueryResult<Option<Ts>> {
    if promise(conn)?.is_none() {
        return Ok(None);
    }
    let zone = super::load(conn)?.zone();
    Ok(hours(conn, zone.local(now).date())?.answer_by(zone, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Random;
    use time::OffsetDateTime;
    use time::macros::{date, datetime};

    const DAY: Span = Span { opens: 9 * 60, closes: 17 * 60 };
    const MORNING: Span = Span { opens: 8 * 60 + 30, closes: 12 * 60 };
    const AFTERNOON: Span = Span { opens: 13 * 60, closes: 16 * 60 + 30 };

    fn toronto() -> Zone {
        Zone::find("America/Toronto").unwrap()
    }

    /// Monday to Friday; Wednesday afternoon off, Thursday with a break.
    fn clinic(unit: Unit, amount: i64) -> Hours {
        let half = Span { opens: 9 * 60, closes: 12 * 60 };
        Hours {
            week: [vec![DAY], vec![DAY], vec![half], vec![MORNING, AFTERNOON], vec![DAY], vec![], vec![]],
            closed: BTreeMap::from([(date!(2026 - 12 - 25), "Christmas".to_owned())]),
            promise: Some(Promise { unit, amount }),
        }
    }

    fn local(zone: Zone, at: Ts) -> String {
        let at = zone.local(at);
        format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
    }

    fn said(hours: &Hours, zone: Zone, from: OffsetDateTime) -> String {
        hours.answer_by(zone, from.into()).map_or("nothing".to_owned(), |at| local(zone, at))
    }

    #[test]
    fn a_promise_counts_the_hours_in_which_the_clinic_is_open() {
        // 30 November 2026 is a Monday; Toronto is 5 hours behind UTC
        for (hours, from, expected) in [
            (4, datetime!(2026-11-30 15:00 UTC), "2026-11-30 14:00"),
            // nobody is told "by 14:07"
            (4, datetime!(2026-11-30 15:07 UTC), "2026-11-30 14:15"),
            // to the minute of closing, and into the next day
            (4, datetime!(2026-11-30 18:00 UTC), "2026-11-30 17:00"),
            (4, datetime!(2026-11-30 18:00:01 UTC), "2026-12-01 09:15"),
            (4, datetime!(2026-11-30 21:58 UTC), "2026-12-01 13:00"),
            // before opening, after closing, at the weekend
            (4, datetime!(2026-11-30 08:00 UTC), "2026-11-30 13:00"),
            (8, datetime!(2026-12-04 23:00 UTC), "2026-12-07 17:00"),
            (4, datetime!(2026-12-06 12:00 UTC), "2026-12-07 13:00"),
            // a free afternoon, and a break
            (4, datetime!(2026-12-02 16:00 UTC), "2026-12-03 11:30"),
            (4, datetime!(2026-12-03 16:00 UTC), "2026-12-03 16:00"),
            // Thursday the 24th, a holiday, a weekend
            (8, datetime!(2026-12-24 19:30 UTC), "2026-12-28 15:00"),
            (100, datetime!(2026-11-30 14:00 UTC), "2026-12-18 15:00"),
        ] {
            assert_eq!(said(&clinic(Unit::Hours, hours), toronto(), from), expected, "{hours} hours from {from}");
        }
    }

    #[test]
    fn a_promise_counts_the_days_on_which_the_clinic_is_open() {
        for (days, from, expected) in [
            (2, datetime!(2026-11-30 15:00 UTC), "2026-12-02 12:00"),
            (1, datetime!(2026-11-30 15:00 UTC), "2026-12-01 17:00"),
            // the day of the question does not count, at whatever time
            (1, datetime!(2026-11-30 05:00 UTC), "2026-12-01 17:00"),
            (1, datetime!(2026-12-01 04:59 UTC), "2026-12-01 17:00"),
            (1, datetime!(2026-12-01 05:00 UTC), "2026-12-02 12:00"),
            (1, datetime!(2026-12-02 15:00 UTC), "2026-12-03 16:30"),
            // a Friday and a Saturday
            (1, datetime!(2026-12-04 15:00 UTC), "2026-12-07 17:00"),
            (1, datetime!(2026-12-05 15:00 UTC), "2026-12-07 17:00"),
            // over the holiday
            (1, datetime!(2026-12-24 15:00 UTC), "2026-12-28 17:00"),
        ] {
            assert_eq!(said(&clinic(Unit::Days, days), toronto(), from), expected, "{days} days from {from}");
        }
    }

    #[test]
    fn the_minutes_count_in_which_the_clinic_is_open() {
        let clinic = clinic(Unit::Days, 1);
        for (from, until, expected) in [
            (datetime!(2026-11-30 15:00 UTC), datetime!(2026-11-30 15:59:59 UTC), 59),
            // from an evening to the next noon, and within a night
            (datetime!(2026-11-30 23:00 UTC), datetime!(2026-12-01 17:00 UTC), 180),
            (datetime!(2026-11-30 23:00 UTC), datetime!(2026-12-01 03:00 UTC), 0),
            // Thursday with its break, Christmas and a weekend
            (datetime!(2026-12-24 12:00 UTC), datetime!(2026-12-28 15:00 UTC), 210 + 210 + 60),
            (datetime!(2026-11-30 15:00 UTC), datetime!(2026-11-30 14:00 UTC), 0),
        ] {
            assert_eq!(clinic.open_minutes(toronto(), from.into(), until.into()), expected, "{from} to {until}");
        }
    }

    #[test]
    fn the_clocks_may_change_while_an_answer_is_waited_for() {
        let always = |promise| Hours {
            week: std::array::from_fn(|_| vec![Span { opens: 0, closes: MIDNIGHT }]),
            closed: BTreeMap::new(),
            promise: Some(promise),
        };
        let hours = |amount| always(Promise { unit: Unit::Hours, amount });
        // an hour is skipped on 8 March 2026, and comes twice on 1 November: the patient waits real hours
        assert_eq!(said(&hours(12), toronto(), datetime!(2026-03-08 01:00 UTC)), "2026-03-08 09:00");
        assert_eq!(said(&hours(12), toronto(), datetime!(2026-11-01 00:00 UTC)), "2026-11-01 07:00");
        // and the time on the door is what the clocks show
        let days = clinic(Unit::Days, 1);
        assert_eq!(said(&days, toronto(), datetime!(2026-03-06 15:00 UTC)), "2026-03-09 17:00");
        assert_eq!(days.answer_by(toronto(), datetime!(2026-03-06 15:00 UTC).into()).unwrap().get().hour(), 21);
        assert_eq!(days.answer_by(toronto(), datetime!(2026-03-05 15:00 UTC).into()).unwrap().get().hour(), 22);
        // a door that opens and closes within the skipped hour is not open
        let mut night = hours(1);
        night.week = std::array::from_fn(|_| vec![Span { opens: 2 * 60 + 10, closes: 2 * 60 + 50 }]);
        assert_eq!(said(&night, toronto(), datetime!(2026-03-08 05:00 UTC)), "2026-03-10 02:30");
        // Samoa skipped 30 December 2011
        let samoa = Zone::find("Pacific/Apia").unwrap();
        assert_eq!(said(&clinic(Unit::Days, 1), samoa, datetime!(2011-12-29 20:00 UTC)), "2012-01-02 17:00");
    }

    #[test]
    fn nothing_is_promised_that_cannot_be_kept() {
        let from = datetime!(2026-11-30 15:00 UTC);
        assert_eq!(said(&Hours { promise: None, ..clinic(Unit::Days, 1) }, toronto(), from), "nothing");
        for unit in [Unit::Hours, Unit::Days] {
            let shut = Hours { week: Default::default(), ..clinic(unit, 1) };
            assert_eq!(said(&shut, toronto(), from), "nothing");
        }
        let mut rarely = clinic(Unit::Hours, 200);
        rarely.week = Default::default();
        rarely.week[0] = vec![Span { opens: 600, closes: 615 }];
        assert_eq!(said(&rarely, toronto(), from), "nothing");
    }

    /// For hours, zones and moments drawn at random: the clinic is open as long as was promised, counted minute by minute; the
    /// promise ends while it is open; and whoever writes later has no earlier answer.
    #[test]
    fn what_is_promised_is_what_was_counted() {
        let random = Random::seeded(17);
        let draw = |below: i64| (random.fraction() * (below as f64 - 0.01)) as i64;
        // not in the hour that comes twice, of which the wall clock alone does not tell the two
        let early = |below: i64| 120 + draw(below) * 15;
        let zones = ["America/Toronto", "America/St_Johns", "America/Vancouver", "Pacific/Apia", "Australia/Lord_Howe"];
        for round in 0..60 {
            let zone = Zone::find(zones[draw(zones.len() as i64) as usize]).unwrap();
            let mut hours = Hours {
                week: std::array::from_fn(|_| match draw(4) {
                    0 => vec![],
                    1 => vec![Span { opens: 0, closes: MIDNIGHT }],
                    2 => vec![Span { opens: early(12), closes: 600 }, Span { opens: 600 + draw(9) * 15, closes: 1020 }],
                    _ => vec![Span { opens: early(32), closes: 660 + draw(53) * 15 }],
                }),
                closed: BTreeMap::new(),
                promise: Some(Promise { unit: Unit::Hours, amount: 1 + draw(30) }),
            };
            // weeks in which the clocks change somewhere, and others
            let begin = [date!(2026 - 03 - 06), date!(2026 - 10 - 30), date!(2026 - 04 - 03), date!(2026 - 07 - 01)];
            let day = begin[draw(4) as usize];
            hours.closed.insert(day + Duration::days(draw(5)), "Off".to_owned());
            let from = Ts::from(day.midnight().assume_utc()).plus(Duration::minutes(draw(3 * MIDNIGHT)));
            if hours.week.iter().all(|spans| spans.is_empty()) {
                assert_eq!(hours.answer_by(zone, from), None);
                continue;
            }
            let by = hours.answer_by(zone, from).unwrap();
            let is_open = |at: Ts| {
                let at = zone.local(at);
                let minute = i64::from(at.hour()) * 60 + i64::from(at.minute());
                let spans = &hours.week[usize::from(at.weekday().number_days_from_monday())];
                !hours.closed.contains_key(&at.date()) && spans.iter().any(|s| (s.opens..s.closes).contains(&minute))
            };
            let minutes = (0..by.since(from).whole_minutes()).map(|minute| from.plus(Duration::minutes(minute)));
            let open = minutes.filter(|at| is_open(*at)).count() as i64;
            let promised = hours.promise.unwrap().amount * 60;
            assert!(
                (promised..promised + 15).contains(&open),
                "round {round}: {open} minutes for {promised}: {hours:?}"
            );
            assert!(is_open(by.plus(-Duration::MINUTE)), "round {round}: {}", local(zone, by));
            let later = hours.answer_by(zone, from.plus(Duration::minutes(draw(3000)))).unwrap();
            assert!(later >= by && by > from, "round {round}");
            // counted in days: at the last closing of a day, of which as many have passed
            let amount = 1 + draw(5);
            let counted = Hours { promise: Some(Promise { unit: Unit::Days, amount }), ..hours.clone() };
            let by = counted.answer_by(zone, from).unwrap();
            let (first, last) = (zone.local(from).date(), zone.local(by.plus(-Duration::MINUTE)).date());
            let between = std::iter::successors(first.next_day(), |day| day.next_day()).take_while(|day| *day <= last);
            let worked = between.filter(|day| counted.open(zone, *day).next().is_some()).count() as i64;
            assert_eq!(worked, amount, "round {round}");
        }
    }

    #[test]
    fn a_day_is_read_as_it_is_written() {
        assert_eq!(parse_day(" 2026-12-25 "), Some(date!(2026 - 12 - 25)));
        assert_eq!(day_text(date!(2026 - 01 - 05)), "2026-01-05");
        for wrong in ["", "2026-02-30", "25/12/2026", "0000-01-01", "2026-12-25x"] {
            assert_eq!(parse_day(wrong), None, "{wrong}");
        }
    }
}
