//! How far the clinic goes for a patient who does not open a message, once emails and texts have ended. A table of its own,
//! because the query builder limits the columns of the clinic's row.

use crate::db::schema::reach_settings as r;
use crate::db::{Conn, MultiBackend};
use diesel::prelude::*;

/// The last rungs that the clinic uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Queryable, Selectable, AsChangeset, Insertable)]
#[diesel(table_name = r, check_for_backend(MultiBackend))]
pub struct Reach {
    /// days after which users are asked to phone a patient who has not opened a message; 0: never
    pub phone_days: i64,
    /// days after which users are asked to send a letter; 0: never
    pub letter_days: i64,
    /// whether letters hold the whole message; else only the notice that one waits
    pub letter_whole: bool,
}

/// Reads them; a clinic that has chosen nothing uses none.
pub fn reach(conn: &mut Conn) -> QueryResult<Reach> {
    Ok(r::table.find(1).select(Reach::as_select()).first(conn).optional()?.unwrap_or_default())
}
