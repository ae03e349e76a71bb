//! The line of headers: where it is, and what its columns mean together.

use super::Column;
use super::columns::DateOrder;
use super::header::Header;
use super::lines::{LINES_BEFORE_HEADERS, Line};
use crate::text::{self, dates};
use std::collections::BTreeSet;
use time::Date;

/// What a line of headers means.
pub(super) fn meanings(headers: &[&str]) -> Vec<Option<Column>> {
    let known: Vec<Header> = headers.iter().map(|header| Header::read(header)).collect();
    let mut found: Vec<Option<Column>> = known.iter().map(Header::meaning).collect();
    let has = |found: &[Option<Column>], column| found.contains(&Some(column));
    let change = |found: &mut [Option<Column>], from, to| {
        found.iter_mut().filter(|meaning| **meaning == Some(from)).for_each(|meaning| *meaning = to);
    };
    // OSCAR's date_of_birth is the day beside year_of_birth and month_of_birth; "jour de naissance" alone is a date
    let parts = has(&found, Column::BirthYear) && has(&found, Column::BirthMonth);
    match (parts, has(&found, Column::BirthDay), has(&found, Column::BirthDate)) {
        (true, false, true) => change(&mut found, Column::BirthDate, Some(Column::BirthDay)),
        (false, true, false) => change(&mut found, Column::BirthDay, Some(Column::BirthDate)),
        _ => {}
    }
    // a column that says "cell" is the cellphone, and other phones are not
    let is_cell =
        |(header, meaning): (&Header, &Option<Column>)| *meaning == Some(Column::Phone) && header.is_of_cellphones();
    if known.iter().zip(&found).any(is_cell) {
        for (header, meaning) in known.iter().zip(&mut found) {
            *meaning = meaning.filter(|one| *one != Column::Phone || header.is_of_cellphones());
        }
    }
    let whole = known.iter().any(Header::is_whole_name);
    match (has(&found, Column::GivenName), has(&found, Column::FamilyName), has(&found, Column::FullName)) {
        // separate columns for the names are better than one column with both
        (true, true, true) => change(&mut found, Column::FullName, None),
        // "Name" beside "First name" is the family name
        (true, false, true) if !whole => change(&mut found, Column::FullName, Some(Column::FamilyName)),
        (false, true, false) if found.iter().filter(|meaning| **meaning == Some(Column::FamilyName)).count() == 1 => {
            for (_, meaning) in known.iter().zip(&mut found).filter(|(header, _)| header.is_nom()) {
                *meaning = Some(Column::FullName);
            }
        }
        _ => {}
    }
    found
}

/// Of several columns with the same meaning the first that holds something counts; the others are left out and named.
pub(super) fn without_doubles(meanings: Vec<Option<Column>>, is_filled: impl Fn(usize) -> bool) -> Vec<Option<Column>> {
    let filled: BTreeSet<Column> =
        meanings.iter().enumerate().filter(|(at, _)| is_filled(*at)).filter_map(|(_, m)| *m).collect();
    let mut seen = BTreeSet::new();
    let counts = |(at, meaning): (usize, Option<Column>)| {
        meaning.filter(|column| (is_filled(at) || !filled.contains(column)) && seen.insert(*column))
    };
    meanings.into_iter().enumerate().map(counts).collect()
}

/// The line where the list begins, and whether it is a line of headers. It is the first of the first lines that has a
/// name and a date of birth; else, above the first patient, the line with most words that are known. A list without
/// headers begins with its first patient.
pub(super) fn beginning(lines: &[Line], newest: Date) -> Option<(usize, bool)> {
    if let Some(at) = whole(lines) {
        return Some((at, true));
    }
    let patient = lines.iter().position(|line| is_a_patient(line, newest));
    let above = lines.get(..patient.unwrap_or(lines.len()).min(LINES_BEFORE_HEADERS)).unwrap_or(lines);
    let counts: Vec<usize> = above.iter().map(|line| meant(line).len()).collect();
    let most = counts.iter().max().filter(|most| **most > 0);
    let best = most.and_then(|most| counts.iter().position(|count| count == most));
    // no word is known: the first line with something in it is shown, so that a user can say what its columns are
    let first = above.iter().position(|line| line.filled() > 1);
    best.or(first).map(|at| (at, true)).or(patient.map(|at| (at, false)))
}

/// The first of the first lines that has headers for a name and a date of birth.
pub(super) fn whole(lines: &[Line]) -> Option<usize> {
    lines.iter().take(LINES_BEFORE_HEADERS).position(|line| {
        let columns = meant(line);
        let name = [Column::FamilyName, Column::FullName].iter().any(|column| columns.contains(column));
        name && [Column::BirthDate, Column::BirthYear].iter().any(|column| columns.contains(column))
    })
}

/// The meanings of a line's cells, read as headers.
pub(super) fn meant(line: &Line) -> BTreeSet<Column> {
    let cells: Vec<&str> = line.cells.iter().map(String::as_str).collect();
    meanings(&cells).into_iter().flatten().collect()
}

/// Whether a line is a patient and not headers: it contains a date, which no header is.
fn is_a_patient(line: &Line, newest: Date) -> bool {
    line.filled() > 1 && line.cells.iter().any(|cell| !dates::readings(cell, newest).is_empty())
}

/// The order of dates that a header names: "DOB (dd/mm/yyyy)", "Date de naissance (jj/mm/aaaa)", "DOB (D/M/Y)".
pub(super) fn date_hint(header: &str) -> Option<DateOrder> {
    let folded = text::squeezed(header);
    let has = |any: &str| any.split(' ').any(|part| folded.contains(part));
    if has("yyyymmdd aaaammjj ymd amj") {
        return None;
    }
    match (has("ddmm jjmm dmy jma"), has("mmdd mmjj mdy mja")) {
        (true, false) => Some(DateOrder::DayFirst),
        (false, true) => Some(DateOrder::MonthFirst),
        _ => None,
    }
}
