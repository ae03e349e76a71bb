//! Undoing a merge, for a day.

use super::fields::Field;
use crate::access::{self, ChartAccess, Right, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart;
use crate::conversations;
use crate::db::carry::{self, Pair};
use crate::db::schema::merges;
use crate::db::sealed::Opened;
use crate::db::{Conn, DbError, MultiBackend, PatientId, Ts, Tx, UserId, lock_row};
use crate::patients::{self, ArchiveReason, Change, IdKind};
use crate::records;
use diesel::prelude::*;
use std::collections::BTreeMap;
use time::Duration;

/// A merge can be undone for this long.
pub const UNDO_WITHIN: Duration = Duration::DAY;

/// A merge, as it is stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = merges, check_for_backend(MultiBackend))]
pub struct Merge {
    /// identity
    pub id: i64,
    /// the patient whose chart stays
    pub kept_id: PatientId,
    /// the patient whose chart was merged into it
    pub merged_id: PatientId,
    /// when it was merged
    pub merged_at: Ts,
    undone_at: Option<Ts>,
    kept_before: String,
    merged_portal_access: bool,
    merged_archived_at: Option<Ts>,
    merged_archive_reason: Option<ArchiveReason>,
    identifiers: String,
    #[diesel(deserialize_as = Opened)]
    drafts: String,
}

/// Why nothing was undone.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// No such merge, or it was undone.
    #[error("there is nothing to undo")]
    NotThere,
    /// A legal hold stands on the chart.
    #[error("the record is held")]
    Held,
    /// It is more than a day old.
    #[error("it is too late")]
    TooLate,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(UndoError);

/// The merges into this chart that can still be undone, newest first.
pub fn undoable<R: Right>(conn: &mut Conn, now: Ts, access: &ChartAccess<R>) -> QueryResult<Vec<Merge>> {
    merges::table
        .filter(merges::kept_id.eq(access.patient()))
        .filter(merges::undone_at.is_null())
        .filter(merges::merged_at.ge(now.plus(-UNDO_WITHIN)))
        .order(merges::id.desc())
        .limit(20)
        .select(Merge::as_select())
        .load(conn)
}

/// Undoes a merge into this chart: what moved goes back, and nothing else. Gives the patient who has their own chart
/// again. A field that was taken from the merged record gets its old value back, unless it was changed since. What was
/// written since the merge to go out later does not: it may be meant for either. Where this chart was itself merged
/// since, that merge must be undone first.
///
/// # Errors
/// See [`UndoError`].
pub fn undo(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    merge: i64,
) -> Result<PatientId, UndoError> {
    let kept = access.patient();
    let of = merges::table.find(merge).filter(merges::kept_id.eq(kept));
    let Some(merged) = of.select(merges::merged_id).first::<PatientId>(tx.conn()).optional()? else {
        return Err(UndoError::NotThere);
    };
    // users come before conversations and patients: these may have to be told
    let writers = conversations::writers_to(tx, &[kept, merged])?;
    access::active(tx, &writers)?;
    carry::lock_conversations(tx, kept)?;
    lock_row(tx, "patients", kept.min(merged).0)?;
    lock_row(tx, "patients", kept.max(merged).0)?;
    // read under the lock: of two users who undo at once, one succeeds
    let found: Merge = merges::table.find(merge).select(Merge::as_select()).first(tx.conn())?;
    let record = patients::patient_by_id(tx, kept)?;
    if found.undone_at.is_some() || record.merged_into.is_some() {
        return Err(UndoError::NotThere);
    }
    // the hold may be for what came from the merged record, which would be free of it
    if records::held(tx, kept)?.is_some() {
        return Err(UndoError::Held);
    }
    if now.since(found.merged_at) > UNDO_WITHIN {
        return Err(UndoError::TooLate);
    }
    let user = access.user().id();
    carry::carry_back(tx, Pair { merge, kept, merged })?;
    carry::forget(tx, merge)?;
    chart::count_anew(tx, kept)?;
    chart::count_anew(tx, merged)?;
    let drafts: Vec<(UserId, String)> = read(&found.drafts)?;
    conversations::put_drafts_back(tx, now, merged, &drafts)?;
    let kept_back = conversations::keep_scheduled_back(tx, now, [kept, merged], found.merged_at)?;
    let kinds: Vec<IdKind> = found.identifiers.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    patients::move_identifiers(tx, kept, merged, Some(&kinds))?;
    let came = patients::patient_by_id(tx, merged)?;
    let before: BTreeMap<String, Option<String>> = read(&found.kept_before)?;
    let mut demographics = record.demographics.clone();
    for (name, value) in before {
        if let Some(field) = name.parse::<Field>().ok().filter(|field| field.value_in(&record) == field.value_in(&came))
        {
            field.put(&mut demographics, value.as_deref());
        }
    }
    patients::update(tx, now, access, &Change { demographics, portal_access: record.portal_access })?;
    let archived = (found.merged_archived_at, found.merged_archive_reason);
    patients::take_back(tx, merged, found.merged_portal_access, archived)?;
    diesel::update(merges::table.find(merge))
        .set((merges::undone_at.eq(now), merges::undone_by.eq(user)))
        .execute(tx.conn())?;
    for entry in kept_back {
        audit::append(tx, now, entry)?;
    }
    for (whose, with) in [(kept, merged), (merged, kept)] {
        let entry = Entry::of_patient(Actor::User(user), Event::ChartsUnmerged, whose, Subject::Patient(with));
        audit::append(tx, now, entry)?;
    }
    Ok(merged)
}

fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, DbError> {
    Ok(serde_json::from_str(json).map_err(|cause| diesel::result::Error::DeserializationError(cause.into()))?)
}
