//! As of when a chart is.

use super::progress::{self, Trouble};
use crate::db::schema::{emr_rounds, patient_sources};
use crate::db::{Conn, PatientId, Ts};
use diesel::prelude::*;

/// How fresh a patient's chart is, by one of the sources that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// the source
    pub source: String,
    /// the chart has what the source had then
    pub as_of: Ts,
    /// why it has nothing newer
    pub trouble: Option<Trouble>,
    /// whether some types of records cannot be read
    pub lacks: bool,
}

/// The most sources of one chart that are told of.
const MOST_SOURCES: i64 = 10;

/// How fresh a patient's chart is, by each synced source that it comes from.
pub fn freshness(conn: &mut Conn, patient: PatientId) -> QueryResult<Vec<Freshness>> {
    let own = patient_sources::table.filter(patient_sources::patient_id.eq(patient)).order(patient_sources::id);
    let names: Vec<String> = own.select(patient_sources::source).limit(MOST_SOURCES).load(conn)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let lacking = progress::lacking(conn, names.clone())?;
    let synced = emr_rounds::table.filter(emr_rounds::source.eq_any(names));
    let rows: Vec<(String, Option<Ts>, Option<Trouble>)> =
        synced.select((emr_rounds::source, emr_rounds::as_of, emr_rounds::trouble)).load(conn)?;
    let fresh = rows.into_iter().filter_map(|(source, as_of, trouble)| {
        let lacks = lacking.contains(&source);
        Some(Freshness { source, as_of: as_of?, trouble, lacks })
    });
    let mut fresh: Vec<Freshness> = fresh.collect();
    fresh.sort_by(|one, other| one.source.cmp(&other.source));
    Ok(fresh)
}
