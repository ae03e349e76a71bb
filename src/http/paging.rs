//! Paging by key: a page says where it ended, and the next begins there, so no page costs more than the first.

use crate::db::Ts;

/// A moment and an identity in an address: `1732312800000000-55`.
pub fn key(at: Ts, id: i64) -> String {
    format!("{}-{id}", at.micros())
}

/// Reads what [`key`] wrote; `None` for anything else.
pub fn parse(text: &str) -> Option<(Ts, i64)> {
    let (micros, id) = text.rsplit_once('-')?;
    Some((Ts::from_micros(micros.parse().ok()?)?, id.parse().ok()?))
}
