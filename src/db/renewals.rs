//! Some stored keys (folded names, words of an index) are computed by a rule of this program, and must be computed
//! again when the rule changes. A migration cannot do that; this table says by which version of the rule they were
//! made, and how far that is done.

use super::schema::key_renewals;
use super::{Both, Conn, Tx};
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// What the keys belong to.
    pub enum Renewed {
        /// patients: names, health numbers, and their search words
        Patients = "patients",
        /// the search words of chart items
        ChartItems = "chart_items",
        /// names of message templates
        MessageTemplates = "message_templates",
    }
}

/// The identity after which the next batch begins; `None` where all keys are as this version of the rule makes them.
pub fn to_renew(conn: &mut Conn, what: Renewed, rule: i64) -> QueryResult<Option<i64>> {
    let row = key_renewals::table.find(what).select((key_renewals::version, key_renewals::done_to));
    let (version, done_to): (i64, Option<i64>) = row.first(conn).optional()?.unwrap_or((1, Some(0)));
    // keys of an older rule are computed again from the first row, however far that rule had come
    Ok(if version == rule { done_to } else { Some(0) })
}

/// Stores up to which identity this is done; `None`: all of it.
pub fn renewed(tx: &mut Tx, what: Renewed, rule: i64, done_to: Option<i64>) -> QueryResult<()> {
    let values = (key_renewals::version.eq(rule), key_renewals::done_to.eq(done_to));
    let insert = diesel::insert_into(key_renewals::table).values((key_renewals::what.eq(what), values));
    Both(insert.on_conflict(key_renewals::what).do_update().set(values)).execute(tx.conn()).map(drop)
}
