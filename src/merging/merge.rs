//! Making one chart of two.

use super::fields::Field;
use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart;
use crate::conversations;
use crate::db::carry::{self, Pair};
use crate::db::schema::merges;
use crate::db::sealed;
use crate::db::{DbError, PatientId, Ts, Tx, lock_row};
use crate::patients::{self, Change, Patient};
use crate::portal_links;
use diesel::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a user decided after looking at both charts.
#[derive(Debug, Clone)]
pub struct MergeWish {
    /// the fields taken from the chart that is merged into the other; the others stay as they are
    pub taken: Vec<Field>,
    /// what [`seen`] gave for the two records as they were shown
    pub seen: String,
}

/// Why nothing was merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of the records has changed since it was shown.
    #[error("a record was changed meanwhile")]
    Changed,
    /// The two are one chart, or one of them does not exist or was merged before.
    #[error("there are no two charts to merge")]
    NotTwo,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(MergeError);

/// A mark of two records as they are: it changes when one of them does.
pub fn seen(one: &Patient, other: &Patient) -> String {
    let of = |p: &Patient| format!("{} {:?} {} {:?}", p.id, p.demographics, p.portal_access, p.archived_at);
    let digest = Sha256::digest(format!("{}\0{}", of(one), of(other)).as_bytes());
    data_encoding::HEXLOWER.encode(&digest)
}

/// Merges the chart of `other` into this one. Conversations, messages, items, files and drafts move, links and sessions
/// of the other patient end, and both charts' audit rows say so. Gives the identity of the merge, by which it can be
/// undone.
///
/// # Errors
/// See [`MergeError`].
pub fn merge(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    other: PatientId,
    wish: &MergeWish,
) -> Result<i64, MergeError> {
    let (kept, merged) = (access.patient(), other);
    if kept == merged {
        return Err(MergeError::NotTwo);
    }
    // writers to either chart finish first, and later ones find the chart that stays
    carry::lock_conversations(tx, merged)?;
    lock_row(tx, "patients", kept.min(merged).0)?;
    lock_row(tx, "patients", kept.max(merged).0)?;
    let record = patients::patient_by_id(tx, kept)?;
    let Some(goes) = patients::patient_if_there(tx, merged)? else { return Err(MergeError::NotTwo) };
    if record.merged_into.is_some() || goes.merged_into.is_some() {
        return Err(MergeError::NotTwo);
    }
    if seen(&record, &goes) != wish.seen {
        return Err(MergeError::Changed);
    }
    let taken: Vec<Field> =
        Field::differing(&record, &goes).into_iter().filter(|field| wish.taken.contains(field)).collect();
    let before: BTreeMap<&str, Option<String>> =
        taken.iter().map(|field| (field.as_str(), field.value_in(&record))).collect();
    let user = access.user().id();
    let row = (
        (merges::kept_id.eq(kept), merges::merged_id.eq(merged), merges::user_id.eq(user), merges::merged_at.eq(now)),
        (merges::kept_before.eq(json(&before)?), merges::merged_portal_access.eq(goes.portal_access)),
        (merges::merged_archived_at.eq(goes.archived_at), merges::merged_archive_reason.eq(goes.archive_reason)),
        (merges::identifiers.eq(""), merges::drafts.eq(sealed::text("[]"))),
    );
    let insert = diesel::insert_into(merges::table).values(row);
    let merge: i64 = insert.returning(merges::id).get_result(tx.conn())?;
    carry::carry_over(tx, Pair { merge, kept, merged })?;
    chart::count_anew(tx, kept)?;
    chart::count_anew(tx, merged)?;
    let drafts = conversations::move_drafts(tx, now, merged, kept)?;
    let kinds = patients::move_identifiers(tx, merged, kept, None)?;
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let drafts = json(&drafts)?;
    diesel::update(merges::table.find(merge))
        .set((merges::identifiers.eq(kinds.join(" ")), merges::drafts.eq(sealed::text(&drafts))))
        .execute(tx.conn())?;
    let mut demographics = record.demographics.clone();
    taken.iter().for_each(|field| field.put(&mut demographics, field.value_in(&goes).as_deref()));
    patients::update(tx, now, access, &Change { demographics, portal_access: record.portal_access })?;
    patients::leave_to(tx, now, merged, kept)?;
    portal_links::end_all(tx, now, merged)?;
    for (whose, with) in [(kept, merged), (merged, kept)] {
        let entry = Entry::of_patient(Actor::User(user), Event::ChartsMerged, whose, Subject::Patient(with));
        audit::append(tx, now, entry)?;
    }
    Ok(merge)
}

fn json(value: &impl serde::Serialize) -> QueryResult<String> {
    serde_json::to_string(value).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))
}
