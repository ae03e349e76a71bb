//! The lines of a list, from a file of any known kind.

use super::columns::ListColumn;
use super::{Column, encoding, entities, headers, markup, sheet};

/// How many lines are searched for the headers: above them may be a title, a date, a clinic's name.
pub(super) const LINES_BEFORE_HEADERS: usize = 20;

/// Separators, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// One line of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// its number in the file, from 1
    pub at: u64,
    /// its cells, without the signs that spreadsheets put around them
    pub cells: Vec<String>,
    /// whether a quotation mark does not close
    pub is_broken: bool,
}

impl Line {
    pub fn cell(&self, at: usize) -> &str {
        self.cells.get(at).map_or("", String::as_str)
    }

    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(String::is_empty) && !self.is_broken
    }

    pub fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| !cell.is_empty()).count()
    }
}

/// The lines of a file, and the names of sheets that are not read; `None` where it is neither a spreadsheet nor text.
pub(super) fn read(bytes: &[u8]) -> Option<(Vec<Line>, Vec<String>)> {
    match is_spreadsheet(bytes) {
        true => sheet::read(bytes).map(|sheet| (sheet.lines, sheet.further)),
        false => {
            let text = encoding::text(bytes)?;
            Some((markup::lines(&text).unwrap_or_else(|| split(&text)), Vec::new()))
        }
    }
}

/// Whether these are the first bytes of a ZIP or of an OLE file, as spreadsheets are.
pub fn is_spreadsheet(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0")
}

/// A file as text that is read as the same list, so that a page can show it and send it back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// the text
    pub text: String,
    /// names of further sheets of a spreadsheet that hold something; they are not read
    pub further_sheets: Vec<String>,
}

/// The text of a file; `None` where it is neither a spreadsheet nor text.
pub fn text_of(bytes: &[u8]) -> Option<Text> {
    let (lines, further_sheets) = match is_spreadsheet(bytes) {
        true => sheet::read(bytes).map(|sheet| (sheet.lines, sheet.further))?,
        false => {
            let text = encoding::text(bytes)?;
            match markup::lines(&text) {
                Some(lines) => (lines, Vec::new()),
                None => return Some(Text { text: text.into_owned(), further_sheets: Vec::new() }),
            }
        }
    };
    // empty lines above, so that each line keeps its number
    let above = lines.first().map_or(0, |line| line.at.saturating_sub(1));
    let above = "\n".repeat(usize::try_from(above).unwrap_or_default());
    let text = format!("{above}{}", written(lines.iter().map(|line| line.cells.as_slice()))?);
    Some(Text { text, further_sheets })
}

/// Lines as CSV text.
pub fn written<'a>(lines: impl IntoIterator<Item = &'a [String]>) -> Option<String> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for cells in lines {
        writer.write_record(cells).ok()?;
    }
    String::from_utf8(writer.into_inner().ok()?).ok()
}

/// The cells of each line that has any, with its number.
pub fn cells_of(text: &str) -> Vec<(usize, Vec<String>)> {
    let lines = split(text).into_iter().filter(|line| !line.is_blank());
    lines.map(|line| (usize::try_from(line.at).unwrap_or(usize::MAX), line.cells)).collect()
}

fn split(text: &str) -> Vec<Line> {
    // the reader counts lines by LF
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let (separator, skipped) = match separator_line(&text) {
        Some(separator) => (separator, 1),
        None => (likeliest(&text), 0),
    };
    let text = without_spaces(text, separator);
    let (mut lines, mut number, mut rest) = (Vec::new(), 1, text.as_str());
    while let Some(broken) = split_until_broken(&mut lines, number, rest, separator) {
        // only the line with the quotation mark that does not close is left out; reading goes on after it
        let end = rest.get(broken..).and_then(|from| from.find('\n')).map_or(rest.len(), |end| broken + end);
        number += ends_of_lines(rest.get(..broken).unwrap_or_default());
        let cells = rest.get(broken..end).unwrap_or_default().split(char::from(separator)).map(cell).collect();
        lines.push(Line { at: number, cells, is_broken: true });
        number += 1;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    lines.split_off(skipped.min(lines.len()))
}

/// Removes the spaces in `"Roy", "Ann"`, so that a quotation mark after a separator and a space begins a field too.
fn without_spaces(text: String, separator: u8) -> String {
    let separator = char::from(separator);
    if !text.contains(&format!("{separator} \"")) {
        return text;
    }
    let (mut kept, mut quoted, mut rest) = (String::with_capacity(text.len()), false, text.as_str());
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        // a mark that does not close has no effect on the next line
        quoted = (quoted ^ (c == '"')) && c != '\n';
        kept.push(c);
        if c == separator && !quoted {
            let after = rest.trim_start_matches(' ');
            rest = if after.starts_with('"') { after } else { rest };
        }
    }
    kept
}

fn ends_of_lines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

/// Reads lines, of which the first has the number `first`, up to a quotation mark that does not close; gives where that
/// line begins.
fn split_until_broken(lines: &mut Vec<Line>, first: u64, text: &str, separator: u8) -> Option<usize> {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(separator).flexible(true).has_headers(false).from_reader(text.as_bytes());
    let (mut at, mut number, mut record) = (0, first, csv::StringRecord::new());
    while reader.read_record(&mut record).ok()? {
        let start = record.position().map_or(at, |position| position.byte() as usize);
        // the reader's position is where the previous record ended: blank lines may follow
        let blank = text.get(start..)?.bytes().take_while(|byte| *byte == b'\n').count();
        number += ends_of_lines(text.get(at..start + blank)?);
        at = start + blank;
        let source = text.get(at..reader.position().byte() as usize)?;
        if record.iter().any(|cell| cell.contains('\n')) && !is_whole(source, separator) {
            return Some(at);
        }
        lines.push(Line { at: number, cells: record.iter().map(cell).collect(), is_broken: false });
    }
    None
}

/// Whether in a record on several lines as many fields end with a quotation mark as begin with one. Otherwise a mark
/// does not close, and what seems to be one field contains the next patients.
fn is_whole(source: &str, separator: u8) -> bool {
    let bare = source.replace("\"\"", "");
    let bytes = bare.trim_end_matches('\n').as_bytes();
    let parts = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == separator || *byte == b'\n');
    let marks = || bytes.iter().enumerate().filter(|(_, byte)| **byte == b'"').map(|(at, _)| at);
    let begin = marks().filter(|at| parts(at.checked_sub(1).and_then(|before| bytes.get(before)))).count();
    let end = marks().filter(|at| parts(bytes.get(at + 1))).count();
    begin == end
}

/// Excel's own first line, which names the separator: `sep=;`.
fn separator_line(text: &str) -> Option<u8> {
    let first = text.lines().next()?.trim().trim_matches('"');
    let named = first.get(..4).filter(|start| start.eq_ignore_ascii_case("sep="))?;
    let separator = first.get(named.len()..)?.bytes().next().unwrap_or(b'\t');
    SEPARATORS.contains(&separator).then_some(separator)
}

/// The separator that gives the first lines most headers with a known meaning; else the one that gives most of them the
/// same number of cells.
fn likeliest(text: &str) -> u8 {
    let end = text.match_indices('\n').nth(LINES_BEFORE_HEADERS - 1).map_or(text.len(), |(end, _)| end);
    let first = text.get(..end).unwrap_or(text);
    let weight = |separator: &u8| {
        let mut lines = Vec::new();
        split_until_broken(&mut lines, 1, first, *separator);
        let meant = lines.iter().map(|line| headers::meant(line).len()).max().unwrap_or_default();
        let parted = lines.iter().map(|line| line.cells.len()).filter(|cells| *cells > 1);
        let mut widths = std::collections::BTreeMap::new();
        parted.for_each(|cells| *widths.entry(cells).or_insert(0_usize) += 1);
        (meant, widths.into_values().max().unwrap_or_default())
    };
    SEPARATORS.into_iter().rev().max_by_key(weight).unwrap_or(b',')
}

/// A cell without the signs that make a spreadsheet read it as text: `="0123"`, `'0123`, `'+1 613…`.
fn cell(text: &str) -> String {
    let text = crate::text::one_line(&crate::text::visible(&entities::read(text)));
    let bare = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    let bare = bare.or_else(|| {
        text.strip_prefix('\'').filter(|rest| rest.starts_with(|c: char| "=+-@".contains(c) || c.is_ascii_digit()))
    });
    bare.map_or_else(|| text.clone(), |bare| bare.trim().to_owned())
}

/// Separates the lines that hold no patient from the others: a report may repeat its headers on each page, with a page
/// number, a total and the time of printing.
pub(super) fn without_patients(
    body: Vec<Line>,
    header: Option<&Line>,
    columns: &[ListColumn],
) -> (Vec<Line>, Vec<Line>) {
    let place = |any: &[Column]| columns.iter().position(|one| one.meaning.is_some_and(|one| any.contains(&one)));
    let born = place(&[Column::BirthDate, Column::BirthYear]);
    let names = [place(&[Column::GivenName]), place(&[Column::FamilyName])];
    let whole = place(&[Column::FullName]);
    // a patient may have the name Page
    let is_named = |line: &Line| {
        names.iter().all(|at| at.is_some_and(|at| line.cell(at).chars().any(char::is_alphabetic)))
            || whole.is_some_and(|at| line.cell(at).contains(','))
    };
    let is_again = |line: &Line| header.is_some_and(|header| line.filled() > 1 && line.cells == header.cells);
    let is_around = |line: &Line| {
        let is_short = line.filled() <= 2 && !line.is_blank();
        is_short && born.is_some_and(|at| line.cell(at).is_empty()) && !is_named(line) && says_so(line)
    };
    body.into_iter().partition(|line| is_again(line) || is_around(line))
}

/// Whether the line has words of such a line, or only digits.
fn says_so(line: &Line) -> bool {
    const WORDS: [&str; 18] = [
        "total",
        "totals",
        "totaux",
        "count",
        "nombre",
        "page",
        "printed",
        "imprime",
        "generated",
        "genere",
        "report",
        "rapport",
        "records",
        "patients",
        "end",
        "fin",
        "confidential",
        "confidentiel",
    ];
    let words = line.cells.iter().flat_map(|cell| crate::text::words(cell));
    let words: Vec<String> = words.collect();
    words.iter().any(|word| WORDS.contains(&word.as_str()))
        || words.iter().all(|w| w.bytes().all(|b| b.is_ascii_digit()))
}
