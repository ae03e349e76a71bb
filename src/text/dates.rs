//! Dates as people write them.

use time::{Date, Month};

/// What comes first in a date of figures that does not begin with a year of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// 4/3/1951 is in March
    DayFirst,
    /// 3/4/1951 is in March
    MonthFirst,
    /// 51-03-04 is in March; only for years of two figures: a year of four is recognised
    YearFirst,
}

/// Words that stand within a date and say nothing: Sunday, 4th of March; dimanche, le 1er mars.
const SILENT: [&str; 22] = [
    "st",
    "nd",
    "rd",
    "th",
    "er",
    "of",
    "de",
    "le",
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "dimanche",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
];
/// How many digits a date with a time has in HL7: 195103040000, with or without seconds.
const WITH_TIME: [usize; 2] = [12, 14];

/// The earliest year that counts as a date.
const OLDEST: i32 = 1800;

/// The Julian day that spreadsheets count from (their day 0), for dates that come as bare numbers.
const SPREADSHEET_ZERO: i32 = 2_415_019;

/// Every date up to `newest` that a text can mean, the likeliest first.
pub fn readings(text: &str, newest: Date) -> Vec<Date> {
    let mut found = Vec::new();
    for order in [Order::DayFirst, Order::MonthFirst, Order::YearFirst] {
        if let Some(date) = read(text, order, newest)
            && !found.contains(&date)
        {
            found.push(date);
        }
    }
    found
}

/// Reads a whole text as a date up to `newest`: 1951-03-04, 4/3/1951, 19510304, 4 March 1951, March 4th, 1951, 4 mars
/// 51; a time of day after it is ignored. `order` decides only where figures are ambiguous.
pub fn read(text: &str, order: Order, newest: Date) -> Option<Date> {
    let folded = super::fold(without_time(text.trim()));
    let pieces: Vec<&str> = runs(&folded).filter(|piece| !SILENT.contains(piece)).collect();
    let date = match pieces[..] {
        [one] if one.len() == 8 => of_eight(one, order),
        [one] if WITH_TIME.contains(&one.len()) && one.bytes().all(|byte| byte.is_ascii_digit()) => {
            of_eight(one.get(..8).unwrap_or_default(), Order::YearFirst)
        }
        [a, b, c] => of_three(a, b, c, order, newest),
        _ => None,
    };
    date.filter(|date| date.year() >= OLDEST && *date <= newest)
}

/// The date for a spreadsheet's number of days: 18,691 is 4 March 1951. `None` where nobody can be born on it.
pub fn of_spreadsheet(days: i32, newest: Date) -> Option<Date> {
    let date = Date::from_julian_day(SPREADSHEET_ZERO.checked_add(days)?).ok()?;
    // before March 1900 spreadsheets miscount, and a number this small means something else
    (days > 60 && date <= newest).then_some(date)
}

/// Whether a date has a year of two figures, whose century is a guess.
pub fn has_short_year(text: &str) -> bool {
    let folded = super::fold(without_time(text.trim()));
    let pieces: Vec<&str> = runs(&folded).filter(|piece| !SILENT.contains(piece)).collect();
    let is_long = |piece: &&str| piece.len() >= 4 && piece.bytes().all(|byte| byte.is_ascii_digit());
    pieces.len() == 3 && !pieces.iter().any(is_long)
}

/// The text without the time after a date, and without the separator.
fn without_time(text: &str) -> &str {
    let end = text.find(':').and_then(|colon| text.get(..colon)).and_then(|before| before.rfind([' ', 'T', 't', ',']));
    end.and_then(|end| text.get(..end)).unwrap_or(text).trim_end_matches([' ', ','])
}

fn of_eight(digits: &str, order: Order) -> Option<Date> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let year_first = date(part(0, 4), part(4, 6), part(6, 8), 4, None);
    let year_last = match order {
        Order::MonthFirst => date(part(4, 8), part(0, 2), part(2, 4), 4, None),
        _ => date(part(4, 8), part(2, 4), part(0, 2), 4, None),
    };
    year_first.or(year_last)
}

fn of_three(a: &str, b: &str, c: &str, order: Order, newest: Date) -> Option<Date> {
    let newest = Some(newest);
    if a.len() == 4 && a.bytes().all(|byte| byte.is_ascii_digit()) {
        return date(a, b, c, 4, None);
    }
    if month_named(a).is_some() {
        return date(c, a, b, 2, newest);
    }
    if month_named(b).is_some() {
        return date(c, b, a, 2, newest);
    }
    match order {
        Order::DayFirst => date(c, b, a, 2, newest),
        Order::MonthFirst => date(c, a, b, 2, newest),
        Order::YearFirst => date(a, b, c, 2, newest).filter(|_| a.len() == 2),
    }
}

/// The date; a year of two figures is the latest one for which the date is not after `newest`.
fn date(year: &str, month: &str, day: &str, least: usize, newest: Option<Date>) -> Option<Date> {
    if !(least..=4).contains(&year.len()) || year.len() == 3 || day.len() > 2 {
        return None;
    }
    let month: u8 = month.parse().ok().filter(|_| month.len() <= 2).or_else(|| month_named(month))?;
    let (month, day) = (Month::try_from(month).ok()?, day.parse().ok()?);
    let written: i32 = year.parse().ok()?;
    if year.len() == 4 {
        return Date::from_calendar_date(written, month, day).ok();
    }
    let newest = newest?;
    let century = newest.year() - newest.year() % 100;
    let this = Date::from_calendar_date(century + written, month, day).ok().filter(|date| *date <= newest);
    this.or_else(|| Date::from_calendar_date(century - 100 + written, month, day).ok())
}

/// Splits a text into runs of digits and of letters: `04mar1951` gives three.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let class = |c: char| if c.is_ascii_digit() { 1 } else { i32::from(c.is_alphabetic()) * 2 };
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| class(c) == 0);
        let first = class(rest.chars().next()?);
        let end = rest.find(|c| class(c) != first).unwrap_or(rest.len());
        let (run, after) = (rest.get(..end)?, rest.get(end..)?);
        rest = after;
        Some(run)
    })
}

/// The number of the month with this folded English or French name, or with a name that begins so unambiguously.
pub fn month_named(word: &str) -> Option<u8> {
    const NAMES: [(&str, &str); 12] = [
        ("january", "janvier"),
        ("february", "fevrier"),
        ("march", "mars"),
        ("april", "avril"),
        ("may", "mai"),
        ("june", "juin"),
        ("july", "juillet"),
        ("august", "aout"),
        ("september", "septembre"),
        ("october", "octobre"),
        ("november", "novembre"),
        ("december", "decembre"),
    ];
    // jui begins both juin and juillet
    let says_enough = word.len() >= 3 && word != "jui";
    let at = NAMES.iter().position(|(english, french)| english.starts_with(word) || french.starts_with(word))?;
    u8::try_from(at + 1).ok().filter(|_| says_enough)
}
