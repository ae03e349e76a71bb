//! Dates and times as a reader expects them: in the clinic's time zone and the reader's language.

use super::Lang;
use crate::db::Ts;
use fluent_bundle::FluentValue;
use time::{Date, Duration, OffsetDateTime, UtcOffset};

/// A time zone of the IANA database, which the program carries.
#[derive(Clone, Copy)]
pub struct Zone(tz::TimeZoneRef<'static>);

impl Zone {
    /// The zone of this name, such as `America/Toronto`.
    pub fn find(name: &str) -> Option<Zone> {
        tzdb::tz_by_name(name).map(Zone)
    }

    /// The zone of this name, or UTC.
    pub fn or_utc(name: &str) -> Zone {
        Zone::find(name).unwrap_or(Zone(tz::TimeZoneRef::utc()))
    }

    /// Every name, sorted, for a list to choose from.
    pub fn names() -> &'static [&'static str] {
        tzdb::TZ_NAMES
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
