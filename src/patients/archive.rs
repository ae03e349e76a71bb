//! Archiving: a patient who has died or left, or whose record was entered by mistake, is not notified any more.

use super::record::{Patient, patient_by_id};
use super::search;
use crate::access::{Authority, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::db::schema::patients;
use crate::db::{PatientId, Ts, Tx, UserId, lock_row};
use crate::portal_links;
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// Why a record is archived.
    pub enum ArchiveReason {
        /// the patient has died
        Deceased = "deceased",
        /// the patient has left the clinic
        Left = "left",
        /// the record was entered by mistake
        Mistake = "mistake",
        /// its source says that the record is not in use
        Inactive = "inactive",
        /// its source says that another record replaces it
        Replaced = "replaced",
        /// the chart was merged into another one
        Merged = "merged",
    }
}

impl ArchiveReason {
    /// The reasons that a user can choose.
    pub const BY_HAND: [ArchiveReason; 3] = [ArchiveReason::Deceased, ArchiveReason::Left, ArchiveReason::Mistake];
}

/// Archives a record, which ends the patient's portal sessions and open links at once. `false` where it is archived for
/// that reason already, its chart was merged into another one, or a user has archived it and `by` is a source.
pub fn archive(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::EditPatients>,
    patient: PatientId,
    reason: ArchiveReason,
) -> QueryResult<bool> {
    lock_row(tx, "patients", patient.0)?;
    let before = patient_by_id(tx, patient)?;
    let is_said = before.archived_at.is_some() && before.archive_reason == Some(reason);
    if before.merged_into.is_some() || is_said || is_anothers(&before, by.user()) {
        return Ok(false);
    }
    diesel::update(patients::table.find(patient))
        .set((
            patients::archived_at.eq(before.archived_at.unwrap_or(now)),
            (patients::archive_reason.eq(reason), patients::archived_by.eq(by.user())),
        ))
        .execute(tx.conn())?;
    portal_links::end_all(tx, now, patient)?;
    let entry = Entry::of_patient(by.user().into(), Event::PatientArchived, patient, Subject::None);
    audit::append(tx, now, entry.with(reason.as_str()))?;
    Ok(true)
}

/// A source does not change what a user has archived.
fn is_anothers(record: &Patient, user: Option<UserId>) -> bool {
    record.archived_by.is_some() && user.is_none()
}

/// Takes a record out of the archive. `false` where it is not archived, its chart was merged into another one, or a
/// user has archived it and `by` is a source.
pub fn bring_back(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::EditPatients>,
    patient: PatientId,
) -> QueryResult<bool> {
    lock_row(tx, "patients", patient.0)?;
    let before = patient_by_id(tx, patient)?;
    if before.merged_into.is_some() || before.archived_at.is_none() || is_anothers(&before, by.user()) {
        return Ok(false);
    }
    diesel::update(patients::table.find(patient))
        .set((
            patients::archived_at.eq(None::<Ts>),
            (patients::archive_reason.eq(None::<ArchiveReason>), patients::archived_by.eq(None::<UserId>)),
        ))
        .execute(tx.conn())?;
    audit::append(tx, now, Entry::of_patient(by.user().into(), Event::PatientBroughtBack, patient, Subject::None))?;
    Ok(true)
}

/// Archives the record of a chart that was merged into another one; searches find only that one.
pub fn leave_to(tx: &mut Tx, now: Ts, patient: PatientId, kept: PatientId) -> QueryResult<()> {
    diesel::update(patients::table.find(patient))
        .set((
            (patients::merged_into.eq(kept), patients::portal_access.eq(false)),
            (patients::archived_at.eq(now), patients::archive_reason.eq(ArchiveReason::Merged)),
        ))
        .execute(tx.conn())?;
    search::remove(tx, patient)
}

/// Undoes [`leave_to`]: portal access and archiving are as they were before.
pub fn take_back(
    tx: &mut Tx,
    patient: PatientId,
    portal_access: bool,
    archived: (Option<Ts>, Option<ArchiveReason>),
) -> QueryResult<()> {
    diesel::update(patients::table.find(patient))
        .set((
            (patients::merged_into.eq(None::<PatientId>), patients::portal_access.eq(portal_access)),
            (patients::archived_at.eq(archived.0), patients::archive_reason.eq(archived.1)),
        ))
        .execute(tx.conn())?;
    search::reindex(tx, patient)
}
