//! What somebody chose the columns of a list to be, remembered for the next list with the same headers.

use super::{Column, DateOrder, PatientList};
use crate::db::schema::list_mappings;
use crate::db::{Both, Conn, Ts, Tx};
use crate::text;
use diesel::prelude::*;
use sha2::{Digest, Sha256};

/// What the columns are, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// none at all: as the headers say; `None`: left out
    pub columns: Vec<Option<Column>>,
    /// how dates are written, where somebody said so of this list
    pub dates: Option<DateOrder>,
    /// how they were written in the last list, for a list that does not tell
    pub dates_before: Option<DateOrder>,
}

/// By what lists of the same headers are known: a hash, for headers may hold anything.
pub fn headers_key(list: &PatientList) -> String {
    let headers = list.columns.iter().map(|column| text::words(&column.header).join(" "));
    let all = headers.collect::<Vec<_>>().join("\n");
    data_encoding::HEXLOWER.encode(&Sha256::digest(all.as_bytes()))
}

/// What was chosen for the last list of these headers.
pub fn mapping(conn: &mut Conn, key: &str) -> QueryResult<Option<Mapping>> {
    let row = list_mappings::table.find(key).select((list_mappings::meanings, list_mappings::dates));
    let row: Option<(String, String)> = row.first(conn).optional()?;
    Ok(row.map(|(columns, dates)| Mapping {
        columns: columns.split_whitespace().map(|word| word.parse().ok()).collect(),
        dates: None,
        dates_before: dates.parse().ok().filter(|order| *order != DateOrder::Clear),
    }))
}

/// Remembers what a list was taken for, as far as somebody chose it. A list without headers is not known again.
pub fn remember(tx: &mut Tx, now: Ts, list: &PatientList) -> QueryResult<()> {
    if !list.has_headers() {
        return Ok(());
    }
    let words: Vec<&str> = match list.is_as_guessed {
        true => Vec::new(),
        false => list.columns.iter().map(|column| column.meaning.map_or("-", Column::as_str)).collect(),
    };
    let values = (
        list_mappings::meanings.eq(words.join(" ")),
        list_mappings::dates.eq(list.dates.as_str()),
        list_mappings::used_at.eq(now),
    );
    let insert = diesel::insert_into(list_mappings::table)
        .values((list_mappings::headers_key.eq(headers_key(list)), values.clone()));
    Both(insert.on_conflict(list_mappings::headers_key).do_update().set(values)).execute(tx.conn()).map(drop)
}
