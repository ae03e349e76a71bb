//! The meanings that a user chose for a list's columns, remembered for the next list with the same headers.

use super::{Column, DateOrder, PatientList};
use crate::db::schema::list_mappings;
use crate::db::{Both, Conn, Ts, Tx};
use crate::text;
use diesel::prelude::*;
use sha2::{Digest, Sha256};

/// The meanings of columns, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// empty: as the headers say; `None`: the column is left out
    pub columns: Vec<Option<Column>>,
    /// how dates are written, where a user chose it for this list
    pub dates: Option<DateOrder>,
    /// how they were written in the last list, for a list that does not show it
    pub dates_before: Option<DateOrder>,
}

/// The key of lists with the same headers: a hash, because headers may contain anything.
pub fn headers_key(list: &PatientList) -> String {
    let headers = list.columns.iter().map(|column| text::words(&column.header).join(" "));
    let all = headers.collect::<Vec<_>>().join("\n");
    data_encoding::HEXLOWER.encode(&Sha256::digest(all.as_bytes()))
}

/// The choice for the last list with these headers.
pub fn mapping(conn: &mut Conn, key: &str) -> QueryResult<Option<Mapping>> {
    let row = list_mappings::table.find(key).select((list_mappings::meanings, list_mappings::dates));
    let row: Option<(String, String)> = row.first(conn).optional()?;
    Ok(row.map(|(columns, dates)| Mapping {
        columns: columns.split_whitespace().map(|word| word.parse().ok()).collect(),
        dates: None,
        dates_before: dates.parse().ok().filter(|order| *order != DateOrder::Clear),
    }))
}

/// Stores what a user chose for a list's columns. A list without headers cannot be recognised again.
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
