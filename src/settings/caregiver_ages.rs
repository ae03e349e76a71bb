//! The patient's ages at which a parent's access to the portal changes. A table of its own, because the query builder limits the
//! columns of the clinic's row.

use crate::db::schema::caregiver_ages as c;
use crate::db::{Conn, MultiBackend};
use diesel::prelude::*;

/// The ages, in years; 0: at none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Queryable, Selectable, AsChangeset, Insertable)]
#[diesel(table_name = c, check_for_backend(MultiBackend))]
pub struct CaregiverAges {
    /// from this age on users are asked to look at a parent's access
    pub look_age: i64,
    /// at this age a parent's access ends by itself
    pub end_age: i64,
}

/// Reads them; a clinic that has chosen nothing has none.
pub fn caregiver_ages(conn: &mut Conn) -> QueryResult<CaregiverAges> {
    Ok(c::table.find(1).select(CaregiverAges::as_select()).first(conn).optional()?.unwrap_or_default())
}
