//! The list in a file: the column whose cells name patients.

use crate::db::Conn;
use crate::patients::{self, csv_list};
use diesel::QueryResult;

/// So many lines are looked at to find the column.
const LOOKED_AT: usize = 200;

/// So many columns are looked at.
const COLUMNS: usize = 40;

/// The lines of a list as they are typed, one number a line, from the words of a file: its column that names most patients. A line
/// keeps its number; headers, which have no digits, become an empty line.
pub fn list_of_file(conn: &mut Conn, text: &str) -> QueryResult<String> {
    let lines = csv_list::cells_of(text);
    let columns = lines.iter().map(|(_, cells)| cells.len()).max().unwrap_or_default().min(COLUMNS);
    let cell = |cells: &[String], column: usize| cells.get(column).cloned().unwrap_or_default();
    let mut best = (0, 0);
    for column in 0..columns {
        let looked: Vec<String> = lines.iter().take(LOOKED_AT).map(|(_, cells)| cell(cells, column)).collect();
        let named = patients::named_by_lines(conn, &looked)?.iter().filter(|named| !named.is_empty()).count();
        if named > best.1 {
            best = (column, named);
        }
    }
    let mut list: Vec<String> = Vec::new();
    for (at, cells) in &lines {
        let said = cell(cells, best.0);
        let is_header = list.iter().all(String::is_empty) && !said.chars().any(|c| c.is_ascii_digit());
        list.resize((*at).saturating_sub(1).min(super::LONGEST_LIST + 1).max(list.len()), String::new());
        list.push(if is_header { String::new() } else { said });
    }
    Ok(list.join("\n"))
}
