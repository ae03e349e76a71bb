//! Keys that a rule of this program makes and the database keeps (folded names, words of an index) are made anew when the
//! rule changes. A migration cannot do that; by which version of the rule they are made, and how far, is kept here.

use super::schema::key_renewals;
use super::{Both, Conn, Tx};
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// Whose keys.
    pub enum Renewed {
        /// patients: names, health numbers, the words that find them
        Patients = "patients",
        /// the words that find chart items
        ChartItems = "chart_items",
        /// names of message templates
        MessageTemplates = "message_templates",
    }
}

/// After which row the next batch begins; `None` where all is as this version of the rule makes it.
pub fn to_renew(conn: &mut Conn, what: Renewed, rule: i64) -> QueryResult<Option<i64>> {
    let row = key_renewals::table.find(what).select((key_renewals::version, key_renewals::done_to));
    let (version, done_to): (i64, Option<i64>) = row.first(conn).optional()?.unwrap_or((1, Some(0)));
    // keys of an older rule are begun from the first row, whatever was done of them
    Ok(if version == rule { done_to } else { Some(0) })
}

/// Writes down how far it is done; `None`: all of it.
pub fn renewed(tx: &mut Tx, what: Renewed, rule: i64, done_to: Option<i64>) -> QueryResult<()> {
    let values = (key_renewals::version.eq(rule), key_renewals::done_to.eq(done_to));
    let insert = diesel::insert_into(key_renewals::table).values((key_renewals::what.eq(what), values));
    Both(insert.on_conflict(key_renewals::what).do_update().set(values)).execute(tx.conn()).map(drop)
}
