//! The columns of a list: their meanings, and how their dates are written.

use super::header::Header;
use super::lines::Line;
use super::{Column, Mapping, headers, words};
use crate::text::dates::{self, Order};
use crate::text_enum;
use std::collections::BTreeSet;
use time::Date;

/// How many values of a column are shown.
const SAMPLES: usize = 3;
/// The fewest digits of a health number: a version code has fewer.
const LEAST_OF_NUMBER: usize = 4;

/// A column of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListColumn {
    /// its header, as written
    pub header: String,
    /// its first values
    pub samples: Vec<String>,
    /// its meaning; `None`: the column is left out
    pub meaning: Option<Column>,
}

text_enum! {
    /// How the dates of a list are written.
    #[derive(Default)]
    pub enum DateOrder {
        /// each date shows which part is the day and which the month
        #[default]
        Clear = "clear",
        /// the day comes before the month
        DayFirst = "day_first",
        /// the month comes before the day
        MonthFirst = "month_first",
        /// a year of two digits comes first
        YearFirst = "year_first",
        /// dates such as 03/04, and nothing in the list shows the order
        Open = "open",
    }
}

impl DateOrder {
    pub(super) fn order(self) -> Order {
        match self {
            DateOrder::MonthFirst => Order::MonthFirst,
            DateOrder::YearFirst => Order::YearFirst,
            _ => Order::DayFirst,
        }
    }
}

/// The columns under a line of headers, or of a list without one, and whether they are as guessed. A user's choice
/// counts more than the headers.
pub(super) fn recognise(header: Option<&Line>, body: &[Line], chosen: Option<&Mapping>) -> (Vec<ListColumn>, bool) {
    // separators at the end of every line make no columns
    let last = |line: &Line| line.cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |at| at + 1);
    let least = header.or(body.first()).map_or(0, |line| line.cells.len());
    let width = header.into_iter().chain(body).map(last).max().unwrap_or_default().min(least);
    let headers: Vec<&str> = (0..width).map(|at| header.map_or("", |header| header.cell(at))).collect();
    let values = |at: usize| body.iter().map(move |line| line.cell(at)).filter(|value| !value.is_empty());
    let is_filled = |at: usize| values(at).next().is_some();
    let by_values = |(at, meaning)| by_values(meaning, headers.get(at).copied().unwrap_or_default(), values(at));
    let guess = headers::meanings(&headers).into_iter().enumerate().map(by_values).collect();
    let guess = headers::without_doubles(guess, is_filled);
    let chosen = chosen.map(|mapping| &mapping.columns).filter(|columns| !columns.is_empty());
    let meanings = chosen.map_or_else(|| guess.clone(), |columns| headers::without_doubles(columns.clone(), |_| true));
    let column = |(at, header): (usize, &&str)| ListColumn {
        header: if header.is_empty() { format!("#{}", at + 1) } else { (*header).to_owned() },
        samples: Vec::new(),
        meaning: meanings.get(at).copied().flatten(),
    };
    (headers.iter().enumerate().map(column).collect(), meanings == guess)
}

/// The meaning of a column after a look at its values, which may contradict the header.
fn by_values<'a>(meaning: Option<Column>, header: &str, mut values: impl Iterator<Item = &'a str>) -> Option<Column> {
    match meaning? {
        // a header such as "Health card number / version" may stand above the numbers themselves
        Column::VersionCode => {
            let digits = |value: &str| value.chars().filter(char::is_ascii_digit).count();
            let is_number = values.next().is_some_and(|value| digits(value) >= LEAST_OF_NUMBER);
            Some(if is_number { Column::HealthNumber } else { Column::VersionCode })
        }
        // 1, 2, 3 … only counts the lines
        Column::Id if Header::read(header).is_bare_number() => {
            let counted = values.enumerate().all(|(at, value)| value.parse() == Ok(at + 1));
            (!counted).then_some(Column::Id)
        }
        other => Some(other),
    }
}

pub(super) fn take_samples(columns: &mut [ListColumn], body: &[Line]) {
    for (at, column) in columns.iter_mut().enumerate() {
        let values = body.iter().map(|line| line.cell(at)).filter(|value| !value.is_empty());
        column.samples = values.take(SAMPLES).map(str::to_owned).collect();
    }
}

/// Whether the columns include a name and a date of birth.
pub(super) fn are_enough(columns: &[ListColumn]) -> bool {
    let has = |wanted: Column| columns.iter().any(|column| column.meaning == Some(wanted));
    let parts = [Column::BirthYear, Column::BirthMonth, Column::BirthDay];
    (has(Column::FamilyName) || has(Column::FullName)) && (has(Column::BirthDate) || parts.into_iter().all(has))
}

/// Whether the family name comes first in a column of whole names, by its header.
pub(super) fn family_comes_first(columns: &[ListColumn]) -> bool {
    let whole = columns.iter().find(|column| column.meaning == Some(Column::FullName));
    whole.and_then(|column| Header::read(&column.header).family_comes_first()).unwrap_or(false)
}

/// How the dates of birth are written, judged by all of them together: one 13/04 decides for every 03/04.
pub(super) fn date_order(columns: &[ListColumn], body: &[Line], mapping: Option<&Mapping>, newest: Date) -> DateOrder {
    if let Some(chosen) = mapping.and_then(|mapping| mapping.dates).filter(|order| *order != DateOrder::Open) {
        return chosen;
    }
    match told_by(columns, body, newest) {
        DateOrder::Open => mapping.and_then(|mapping| mapping.dates_before).unwrap_or(DateOrder::Open),
        told => told,
    }
}

/// Whether a date of birth has a year of two digits.
pub(super) fn has_short_years(columns: &[ListColumn], body: &[Line]) -> bool {
    birth_dates(columns, body).is_some_and(|(_, values)| values.into_iter().any(dates::has_short_year))
}

/// The header of the column with whole dates of birth, and the different values below it.
fn birth_dates<'a>(columns: &'a [ListColumn], body: &'a [Line]) -> Option<(&'a str, BTreeSet<&'a str>)> {
    let at = columns.iter().position(|column| column.meaning == Some(Column::BirthDate))?;
    let values = body.iter().map(|line| words::date(line.cell(at))).filter(|value| !value.is_empty()).collect();
    Some((columns.get(at)?.header.as_str(), values))
}

fn told_by(columns: &[ListColumn], body: &[Line], newest: Date) -> DateOrder {
    let Some((header, values)) = birth_dates(columns, body) else { return DateOrder::Clear };
    let (mut day, mut month, mut open, mut year) = (0, 0, 0, 0);
    for value in values {
        let by = |order| dates::read(value, order, newest);
        match (by(Order::DayFirst), by(Order::MonthFirst)) {
            (Some(one), Some(other)) if one != other => open += 1,
            (Some(_), None) => day += 1,
            (None, Some(_)) => month += 1,
            (None, None) if by(Order::YearFirst).is_some() => year += 1,
            _ => {}
        }
    }
    match (headers::date_hint(header), day, month) {
        _ if year > 0 && day + month == 0 => DateOrder::YearFirst,
        _ if day + month + open == 0 => DateOrder::Clear,
        (_, 1.., 0) => DateOrder::DayFirst,
        (_, 0, 1..) => DateOrder::MonthFirst,
        (Some(order), ..) => order,
        // both orders occur: a date that could be either cannot be read
        _ => DateOrder::Open,
    }
}
