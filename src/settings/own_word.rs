//! Whether notifications show the word that was chosen with the patient. A table of its own, because the query builder limits the
//! columns of the clinic's row.

use crate::db::Conn;
use crate::db::schema::own_word_settings as s;
use diesel::prelude::*;

/// Reads it; a clinic that has chosen nothing shows none.
pub fn shows_own_word(conn: &mut Conn) -> QueryResult<bool> {
    let shown: Option<bool> = s::table.find(1).select(s::shown).first(conn).optional()?;
    Ok(shown == Some(true))
}
