//! What the owners decided for a source: whether its charts are synced, and whether messages are written back.

use crate::access::{Authority, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::db::schema::emr_sources as s;
use crate::db::{Conn, Ts, Tx, lock_row};
use diesel::prelude::*;

/// What is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switches {
    /// charts follow the source
    pub sync: bool,
    /// messages are written into the source
    pub write_back: bool,
}

/// What is stored of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceState {
    /// what is on
    pub switches: Switches,
    /// when its connection was last tried out
    pub tested_at: Option<Ts>,
    /// how that went, see [`super::read_trial`]
    pub test: String,
}

type Row = (String, bool, bool, Option<Ts>, String);

fn state((_, sync, write_back, tested_at, test): Row) -> SourceState {
    SourceState { switches: Switches { sync, write_back }, tested_at, test }
}

/// What is stored of a source; of one that nobody has decided on, that all is off.
pub fn source_state(conn: &mut Conn, name: &str) -> QueryResult<SourceState> {
    let columns = (s::name, s::sync_on, s::write_back_on, s::tested_at, s::test);
    let found: Option<Row> = s::table.find(name).select(columns).first(conn).optional()?;
    Ok(found.map(state).unwrap_or_default())
}

/// The same of several sources, in their order.
pub fn source_states(conn: &mut Conn, names: &[String]) -> QueryResult<Vec<SourceState>> {
    let columns = (s::name, s::sync_on, s::write_back_on, s::tested_at, s::test);
    let rows: Vec<Row> = s::table.filter(s::name.eq_any(names.to_vec())).select(columns).load(conn)?;
    let of = |name: &String| rows.iter().find(|row| row.0 == *name).cloned().map(state).unwrap_or_default();
    Ok(names.iter().map(of).collect())
}

/// Decides what is on. The caller holds the settings, so that of two owners the second is asked.
pub fn save_switches(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    name: &str,
    switches: Switches,
) -> QueryResult<()> {
    let row = add_if_missing(tx, name)?;
    let set = (s::sync_on.eq(switches.sync), s::write_back_on.eq(switches.write_back));
    diesel::update(s::table.find(row)).set(set).execute(tx.conn())?;
    let words = match (switches.sync, switches.write_back) {
        (false, false) => "off",
        (true, false) => "sync",
        (false, true) => "write_back",
        (true, true) => "sync write_back",
    };
    audit::append(tx, now, Entry::of_clinic(by.user().into(), Event::EmrSwitched, Subject::None).with(words))
}

/// Makes sure that the source has a row, and gives its name. It locks what all settings are decided under.
pub(super) fn add_if_missing<'n>(tx: &mut Tx, name: &'n str) -> QueryResult<&'n str> {
    lock_row(tx, "clinic", 1)?;
    let there: i64 = s::table.filter(s::name.eq(name)).count().get_result(tx.conn())?;
    if there == 0 {
        let row = (
            (s::name.eq(name), s::sync_on.eq(false), s::write_back_on.eq(false)),
            (s::tested_at.eq(None::<Ts>), s::test.eq("")),
        );
        diesel::insert_into(s::table).values(row).execute(tx.conn())?;
    }
    Ok(name)
}
