//! Quiet hours: no text wakes a patient. Passcodes are sent at once: the patient is waiting.

use crate::db::Ts;
use crate::text::Zone;
use time::Duration;

const DAY: i64 = 24 * 60;

/// When a text may be sent: `None`: now, else at the end of the quiet hours. These are given in minutes after midnight
/// of the zone, from and until; where both are equal there are none.
pub fn quiet_until((from, until): (i64, i64), zone: Zone, now: Ts) -> Option<Ts> {
    let minute = minute_of_day(zone, now);
    let quiet = match from <= until {
        true => (from..until).contains(&minute),
        false => minute >= from || minute < until,
    };
    quiet.then(|| {
        let seconds = zone.local(now).second();
        let left = (until - minute).rem_euclid(DAY);
        let end = now.plus(Duration::minutes(left) - Duration::seconds(i64::from(seconds)));
        // the clocks may change during the night: the end is when they show it
        let late = (minute_of_day(zone, end) - until + DAY / 2).rem_euclid(DAY) - DAY / 2;
        end.plus(-Duration::minutes(late))
    })
}

fn minute_of_day(zone: Zone, moment: Ts) -> i64 {
    let local = zone.local(moment);
    i64::from(local.hour()) * 60 + i64::from(local.minute())
}

/// Minutes after midnight as a form's time field writes them, `21:30`.
pub fn clock_text(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Reads what [`clock_text`] writes; seconds are ignored.
pub fn clock_minutes(text: &str) -> Option<i64> {
    let mut parts = text.trim().split(':');
    let (hour, minute): (i64, i64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some(hour * 60 + minute)
}
