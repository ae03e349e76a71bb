//! The charts of the demo: those of Synthea, moved to today, and those of people who were made up for it.
//!
//! Both are imported like the files of any clinic, so that the demo has nothing that the product could not have read.

use crate::attachments::Together;
use crate::chart::import::fhir::Reopen;
use flate2::read::GzDecoder;
use rust_embed::RustEmbed;
use std::io::Read;
use std::sync::Arc;
use time::{Date, Duration, macros::format_description};

/// Charts of decades, compressed.
#[derive(RustEmbed)]
#[folder = "src/demo/fhir/"]
#[include = "*.json.gz"]
struct Synthea;

/// People with names in several scripts; days are written as `@-12`: so many days before today.
#[derive(RustEmbed)]
#[folder = "src/demo/people/"]
struct People;

/// What the charts of Synthea lack: letters, files, forms, bills, orders, and what came in.
#[derive(RustEmbed)]
#[folder = "src/demo/lately/"]
struct Lately;

/// Synthea's newest visit of a chart that is older than this stays where it is: its patient died as a child, long ago.
const LONG_AGO: Duration = Duration::days(20 * 365);

/// Everything to be imported, in this order: each element is read as one.
///
/// # Errors
/// When a chart is not what the program was built with.
pub fn deliveries(today: Date) -> std::io::Result<Vec<Together>> {
    let lately: Vec<String> = Lately::iter().filter_map(|name| text(Lately::get(&name))).collect();
    let mut all = Vec::new();
    for (name, number) in Synthea::iter().zip(0_i64..) {
        let Some(file) = Synthea::get(&name) else { continue };
        let mut chart = String::new();
        GzDecoder::new(&*file.data).read_to_string(&mut chart)?;
        // the newest visits are a few days to some weeks apart
        let newest = today - Duration::days(2 + 5 * number);
        let Some(away) = newest_start(&chart).map(|start| newest - start) else { continue };
        let mut parts = vec![chart.clone()];
        if away < LONG_AGO {
            parts = vec![moved(&chart, newest - away, weeks(away))];
            let patient = chart.split("\"fullUrl\": \"").nth(1).and_then(|rest| rest.split('"').next());
            let own = lately.iter().cycle().skip(usize::try_from(number).unwrap_or_default()).take(2).zip(0_i64..);
            parts.extend(own.map(|(text, second)| {
                let text = dated(text, today - Duration::days(3 * number + 21 * second));
                let text = text.replace("{patient}", patient.unwrap_or_default());
                text.replace("{id}", &format!("demo-{number}-{second}")).replace("{n}", &format!("{:03}", 101 + number))
            }));
        }
        all.push(together(parts));
    }
    let people = People::iter().filter_map(|name| text(People::get(&name)));
    all.extend(people.map(|text| together(vec![dated(&text, today)])));
    Ok(all)
}

fn text(file: Option<rust_embed::EmbeddedFile>) -> Option<String> {
    String::from_utf8(file?.data.into_owned()).ok()
}

fn together(parts: Vec<String>) -> Together {
    let parts = parts.into_iter().map(|text| Box::new(text.into_bytes()) as Box<dyn Reopen + Send + Sync>);
    Arc::new(parts.collect())
}

/// Whole weeks, so that a visit stays on its day of the week.
fn weeks(span: Duration) -> Duration {
    Duration::weeks(span.whole_weeks())
}

/// A date at the beginning of a JSON string, and the rest of the string.
fn date_of(text: &str) -> Option<(Date, &str)> {
    let (day, rest) = text.split_at_checked(10)?;
    let is_one = day.starts_with(|c: char| c.is_ascii_digit()) && (rest.is_empty() || rest.starts_with('T'));
    is_one.then(|| Date::parse(day, format_description!("[year]-[month]-[day]")).ok())?.map(|date| (date, rest))
}

/// The newest `start` of a period in a chart: the last visit. Other dates may lie ahead.
fn newest_start(chart: &str) -> Option<Date> {
    let (mut name, mut between) = ("", "");
    let mut newest = None;
    for part in chart.split('"') {
        if name == "start" {
            newest = newest.max(date_of(part).map(|(date, _)| date));
        }
        (name, between) = (between, part);
    }
    newest
}

/// The age from which on a few years more or less change nothing that a chart says.
const GROWN: Duration = Duration::days(18 * 365);

/// The chart with each of its dates moved, but the date of birth of whoever was grown on the day of their last visit:
/// people who try the demo sign in with it.
fn moved(chart: &str, last: Date, by: Duration) -> String {
    let (mut name, mut between) = ("", "");
    let mut moved = String::with_capacity(chart.len());
    for (part, number) in chart.split('"').zip(0_usize..) {
        if number > 0 {
            moved.push('"');
        }
        match date_of(part) {
            Some((date, rest)) if name != "birthDate" || last - date < GROWN => {
                moved.push_str(&date.saturating_add(by).to_string());
                moved.push_str(rest);
            }
            _ => moved.push_str(part),
        }
        (name, between) = (between, part);
    }
    moved
}

/// The text with days in place of `@-12`.
fn dated(text: &str, today: Date) -> String {
    let mut parts = text.split("\"@-");
    let mut dated = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let days = part.strip_suffix(rest).and_then(|days| days.parse().ok()).unwrap_or_default();
        dated.push('"');
        dated.push_str(&(today - Duration::days(days)).to_string());
        dated.push_str(rest);
    }
    dated
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn dates_move_and_nothing_else_does() {
        let chart = r#"{"birthDate": "1980-02-28", "start": "2020-12-01T09:30:00-05:00", "text": "of 2020-12-01",
            "end": "2021-12-01", "value": "2020-12-01x"}"#;
        assert_eq!(newest_start(chart), Some(date!(2020 - 12 - 01)));
        let moved_since = |last| moved(chart, last, Duration::days(2));
        assert!(moved_since(date!(1990 - 12 - 01)).contains(r#""1980-03-01""#), "a child's date of birth moves along");
        let moved = moved_since(date!(2020 - 12 - 01));
        assert!(moved.contains(r#""1980-02-28""#) && moved.contains(r#""2020-12-03T09:30:00-05:00""#), "{moved}");
        assert!(moved.contains(r#""of 2020-12-01""#) && moved.contains(r#""2020-12-01x""#), "{moved}");
        assert_eq!(
            dated(r#"["@-1T08:00:00-05:00","@-31"]"#, date!(2026 - 03 - 01)),
            r#"["2026-02-28T08:00:00-05:00","2026-01-29"]"#
        );
    }

    /// The last visit in a file that is imported.
    fn newest_of(part: &dyn Reopen) -> Date {
        let mut text = String::new();
        part.reopen().unwrap().read_to_string(&mut text).unwrap();
        newest_start(&text).unwrap()
    }

    #[test]
    fn no_chart_lies_ahead_and_none_is_left_behind() {
        for today in [date!(2026 - 11 - 29), date!(2027 - 07 - 14), date!(2028 - 02 - 29), date!(2032 - 01 - 01)] {
            let all = deliveries(today).unwrap();
            assert!(all.len() >= 20, "{}", all.len());
            let parts = all.iter().flat_map(|delivery| delivery.iter());
            let newest: Vec<Date> = parts.map(|part| newest_of(&**part)).collect();
            let (long_ago, moved): (Vec<Date>, Vec<Date>) = newest.into_iter().partition(|day| day.year() < 2000);
            assert_eq!(long_ago, [date!(1973 - 07 - 19)], "the child's");
            for newest in moved {
                assert!(newest <= today && newest > today - Duration::days(100), "{newest}, on {today}");
            }
        }
    }
}
