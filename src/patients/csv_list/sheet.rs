//! Lists as spreadsheets: Excel's new and old files, and OpenDocument's.

use super::headers;
use super::lines::Line;
use calamine::{Data, Range, Reader, Style, StyleRange};
use std::io::Cursor;

/// The most cells that are read.
const MOST_CELLS: usize = 4_000_000;

/// The sheet that is a list.
pub(super) struct Sheet {
    /// its lines
    pub lines: Vec<Line>,
    /// the names of the other sheets that hold something
    pub further: Vec<String>,
}

/// The first sheet with headers of a list of patients, else the first with more than one line; `None` where the file is
/// no spreadsheet, or broken or protected.
pub(super) fn read(bytes: &[u8]) -> Option<Sheet> {
    let mut book = calamine::open_workbook_auto_from_rs(Cursor::new(bytes)).ok()?;
    let names = book.sheet_names();
    let (mut sheets, mut cells) = (Vec::new(), 0_usize);
    for name in names {
        let Ok(range) = book.worksheet_range(&name) else { continue };
        cells = range.height().checked_mul(range.width())?.checked_add(cells)?;
        if cells > MOST_CELLS {
            return None;
        }
        if range.height() > 0 {
            let styles = book.worksheet_style(&name).unwrap_or_default();
            sheets.push((name, lines(&range, &styles)));
        }
    }
    let has_headers = |lines: &Vec<Line>| headers::whole(lines).is_some();
    let list = sheets.iter().position(|(_, lines)| has_headers(lines));
    let list = list.or_else(|| sheets.iter().position(|(_, lines)| lines.len() > 1)).unwrap_or_default();
    if sheets.is_empty() {
        return None;
    }
    let (_, lines) = sheets.remove(list);
    Some(Sheet { lines, further: sheets.into_iter().map(|(name, _)| crate::text::one_line(&name)).collect() })
}

fn lines(range: &Range<Data>, styles: &StyleRange) -> Vec<Line> {
    let (first, left) = range.start().unwrap_or_default();
    let line = |(row, cells): (u32, &[Data])| {
        let digits = |column: u32| styles.get((row, left + column)).and_then(digits_shown);
        let shown = |(column, cell)| crate::text::one_line(&crate::text::visible(&text(cell, || digits(column))));
        Line { at: u64::from(row) + 1, cells: (0..).zip(cells).map(shown).collect(), is_broken: false }
    };
    (first..).zip(range.rows()).map(line).collect()
}

/// The fewest digits that a number is shown with: a record number 0042 is stored as 42, in the format `0000`.
fn digits_shown(style: &Style) -> Option<usize> {
    let code = &style.number_format.as_ref()?.format_code;
    let zeros = code.bytes().filter(|byte| *byte == b'0').count();
    let is_plain = code.chars().all(|c| matches!(c, '0' | ' ' | '-' | '\\' | '"' | '(' | ')' | '/'));
    (is_plain && zeros > 1).then_some(zeros)
}

/// A cell as text: a number without a fraction has only digits, and a date is 1951-03-04.
fn text(cell: &Data, digits: impl Fn() -> Option<usize>) -> String {
    match cell {
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Float(number) if number.fract() == 0.0 => format!("{number:0digits$.0}", digits = digits().unwrap_or(1)),
        Data::Int(number) => format!("{number:0digits$}", digits = digits().unwrap_or(1)),
        Data::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        Data::Empty => String::new(),
        other => other.to_string(),
    }
}
