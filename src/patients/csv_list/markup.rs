//! Lists as tables of a web page, or in Excel's XML of 2003: web programs call these Excel files.

use super::entities;
use super::lines::Line;
use crate::text;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// The rows of all tables; `None` where the text is no markup or has no table.
pub(super) fn lines(text: &str) -> Option<Vec<Line>> {
    if !text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).starts_with('<') {
        return None;
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let (mut rows, mut in_cell): (Vec<Vec<String>>, bool) = (Vec::new(), false);
    loop {
        let written = match reader.read_event().ok()? {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => match name(&tag).as_str() {
                "tr" | "row" => {
                    rows.push(Vec::new());
                    in_cell = false;
                    continue;
                }
                "td" | "th" | "cell" => {
                    let Some(row) = rows.last_mut() else { continue };
                    // Excel leaves empty cells out, and gives the next cell's place
                    let at = cell_position(&tag).unwrap_or(row.len() + 1);
                    row.resize(at.clamp(row.len() + 1, row.len() + MOST_LEFT_OUT), String::new());
                    in_cell = true;
                    continue;
                }
                _ => " ".to_owned(),
            },
            Event::End(tag)
                if matches!(
                    tag.local_name().into_inner().to_ascii_lowercase().as_str(),
                    "td" | "th" | "cell" | "tr" | "row"
                ) =>
            {
                in_cell = false;
                continue;
            }
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::CData(text) => text.xml10_content().into_owned(),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => character.to_string(),
                _ => entities::named_character(&reference).unwrap_or_default().to_owned(),
            },
            _ => continue,
        };
        if in_cell && let Some(cell) = rows.last_mut().and_then(|row| row.last_mut()) {
            cell.push_str(&written);
        }
    }
    let line = |(at, cells): (u64, Vec<String>)| Line {
        at,
        cells: cells.iter().map(|cell| text::one_line(&text::visible(cell))).collect(),
        is_broken: false,
    };
    let lines: Vec<Line> = (1..).zip(rows).map(line).collect();
    (!lines.is_empty()).then_some(lines)
}

/// The most empty cells that a row may leave out at once.
const MOST_LEFT_OUT: usize = 200;

fn name(tag: &BytesStart) -> String {
    tag.local_name().into_inner().to_ascii_lowercase()
}

/// The place of a cell in its row, from 1, where the cell names it (`ss:Index`).
fn cell_position(tag: &BytesStart) -> Option<usize> {
    let index = tag.attributes().flatten().find(|attribute| attribute.key.local_name().into_inner() == "Index")?;
    index.value.parse().ok()
}
