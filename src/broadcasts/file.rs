//! The list in a file: the column whose cells name patients.

use crate::db::{Conn, PatientId};
use crate::patients::{self, csv_list};
use diesel::QueryResult;
use std::collections::BTreeSet;

/// So many lines are looked at to find the column.
const LOOKED_AT: usize = 200;

/// So many columns are looked at.
const COLUMNS: usize = 40;

/// What a file gives.
pub enum FileList {
    /// a list
    Read {
        /// its lines as they are typed, one number a line
        list: String,
        /// what stands above the column that they were read from, or its number
        column: String,
    },
    /// several columns name patients, and not the same ones
    Unsure,
}

/// The list from the words of a file: its column that names most patients. A line keeps its number; headers, which have no digits,
/// become an empty line. Where another column names at least half as many, and others, nobody can tell which one is meant.
pub fn list_of_file(conn: &mut Conn, text: &str) -> QueryResult<FileList> {
    let lines = csv_list::cells_of(text);
    let columns = lines.iter().map(|(_, cells)| cells.len()).max().unwrap_or_default().min(COLUMNS);
    let cell = |cells: &[String], column: usize| cells.get(column).cloned().unwrap_or_default();
    let mut named: Vec<(usize, BTreeSet<PatientId>)> = Vec::new();
    for column in 0..columns {
        let looked: Vec<String> = lines.iter().take(LOOKED_AT).map(|(_, cells)| cell(cells, column)).collect();
        let by_line = patients::named_by_lines(conn, &looked)?;
        let count = by_line.iter().filter(|line| !line.is_empty()).count();
        named.push((count, by_line.into_iter().flatten().collect()));
    }
    let most = named.iter().map(|(count, _)| *count).max().unwrap_or_default();
    let best = named.iter().position(|(count, _)| *count == most).unwrap_or_default();
    let is_other = |(count, who): &(usize, BTreeSet<PatientId>)| *count * 2 >= most && !who.is_subset(&named[best].1);
    if most > 0 && named.iter().any(is_other) {
        return Ok(FileList::Unsure);
    }
    let (mut list, mut header): (Vec<String>, Option<String>) = (Vec::new(), None);
    for (at, cells) in &lines {
        let said = cell(cells, best);
        let is_header = list.iter().all(String::is_empty) && !said.chars().any(|c| c.is_ascii_digit());
        if is_header && header.is_none() && !said.is_empty() {
            header = Some(said.clone());
        }
        list.resize((*at).saturating_sub(1).min(super::LONGEST_LIST + 1).max(list.len()), String::new());
        list.push(if is_header { String::new() } else { said });
    }
    Ok(FileList::Read { list: list.join("\n"), column: header.unwrap_or_else(|| (best + 1).to_string()) })
}
