//! Deletes a record.

use super::hold::held;
use crate::access::{self, ConfirmedUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::conversations;
use crate::db::erase::{self, Contents};
use crate::db::schema::{deleted_records as d, deleted_sources, users as u};
use crate::db::{Both, Conn, DbError, PatientId, Ts, Tx, UserId, carry};
use crate::patients::{self, ArchiveReason, merged_records, patient_if_there};
use crate::search;
use crate::storage;
use crate::users;
use diesel::prelude::*;

/// Why a record was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// it does not exist, or was deleted before
    #[error("there is no such record")]
    NotThere,
    /// it is in use: archive it first
    #[error("the record is not archived")]
    NotArchived,
    /// a legal hold is in place
    #[error("the record is held")]
    Held,
    /// the database failed
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(DeleteError);

/// How much the record contains, together with the records that were merged into it.
pub fn contents(conn: &mut Conn, patient: PatientId) -> QueryResult<Contents> {
    let mut all = Contents::default();
    for one in merged_records(conn, patient)? {
        let own = erase::contents_of(conn, one)?;
        all.conversations += own.conversations;
        all.messages += own.messages;
        all.chart_items += own.chart_items;
        all.files += own.files;
    }
    Ok(all)
}

/// How many messages wait to go out to this patient later, or were not sent: they go with the record.
pub fn scheduled_to(conn: &mut Conn, patient: PatientId) -> QueryResult<i64> {
    let of_all = merged_records(conn, patient)?;
    conversations::count_scheduled_to(conn, &of_all)
}

/// Deletes an archived record and those that were merged into it: messages, chart, files, addresses, names. Its number,
/// the audit log, which has no words of the patient, and the proof ([`DeletedRecord`]) stay. Older backups contain the
/// record until they are removed. Who had something that waited to go out to it is told that it was not sent.
///
/// # Errors
/// See [`DeleteError`].
pub fn delete(
    tx: &mut Tx,
    now: Ts,
    by: &ConfirmedUser<rights::Records>,
    patient: PatientId,
) -> Result<Contents, DeleteError> {
    // before any message is locked: whoever reads messages for the search then finds them whole, or not at all
    search::hold(tx)?;
    // users come before conversations and patients: these are told
    let user = by.user().id();
    let all = merged_records(tx, patient)?;
    let writers: Vec<UserId> = conversations::writers_to(tx, &all)?;
    let writers = access::active(tx, &writers)?;
    // an import that knows the record by its source or number ends before, or finds the record deleted
    patients::lock_additions(tx)?;
    carry::lock_conversations(tx, patient)?;
    let patient = match access::held(tx, patient) {
        Err(diesel::result::Error::NotFound) => return Err(DeleteError::NotThere),
        held => held?,
    };
    let is_there = access::chart(tx, by.user().clone(), patient)?.is_some();
    let record = patient_if_there(tx, patient)?.filter(|_| is_there).ok_or(DeleteError::NotThere)?;
    let (Some(archived_at), Some(reason)) = (record.archived_at, record.archive_reason) else {
        return Err(DeleteError::NotArchived);
    };
    if held(tx, patient)?.is_some() {
        return Err(DeleteError::Held);
    }
    let what = contents(tx, patient)?;
    for writer in writers.into_iter().filter(|writer| *writer != user) {
        users::tell_not_sent(tx, now, writer)?;
    }
    for one in merged_records(tx, patient)?.into_iter().rev() {
        let reason = if one == patient { reason } else { ArchiveReason::Merged };
        let own = erase::contents_of(tx, one)?;
        for mark in patients::marks_of(tx, one)? {
            let row = diesel::insert_into(deleted_sources::table).values(deleted_sources::source_hash.eq(mark));
            Both(row.on_conflict_do_nothing()).execute(tx.conn())?;
        }
        for file in erase::erase(tx, now, one)? {
            storage::release(tx, now, file)?;
        }
        let row = (
            (d::patient_id.eq(one), d::user_id.eq(user), d::deleted_at.eq(now)),
            (d::reason.eq(reason), d::archived_at.eq(archived_at)),
            (d::conversations.eq(own.conversations), d::messages.eq(own.messages)),
            (d::chart_items.eq(own.chart_items), d::files.eq(own.files)),
        );
        diesel::insert_into(d::table).values(row).execute(tx.conn())?;
        let entry = Entry::of_patient(Actor::User(user), Event::RecordDeleted, one, Subject::None);
        audit::append(tx, now, entry.with(reason.as_str()))?;
    }
    Ok(what)
}

/// The proof that a record was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedRecord {
    /// the record's number
    pub patient: PatientId,
    /// when it was deleted
    pub at: Ts,
    /// the name of the user who deleted it
    pub by: String,
    /// why it was archived
    pub reason: ArchiveReason,
    /// since when it was archived
    pub archived_at: Ts,
    /// how much it contained
    pub contents: Contents,
}

/// The proofs, newest first, at most `limit`; those after `before`, the last one of the previous page.
pub fn deleted(conn: &mut Conn, before: Option<(Ts, PatientId)>, limit: i64) -> QueryResult<Vec<DeletedRecord>> {
    type Row = ((PatientId, Ts, String), (ArchiveReason, Ts), (i64, i64, i64, i64));
    let mut query = d::table
        .inner_join(u::table)
        .order((d::deleted_at.desc(), d::patient_id.desc()))
        .limit(limit)
        .select((
            (d::patient_id, d::deleted_at, u::name),
            (d::reason, d::archived_at),
            (d::conversations, d::messages, d::chart_items, d::files),
        ))
        .into_boxed();
    if let Some((at, patient)) = before {
        query = query.filter(d::deleted_at.lt(at).or(d::deleted_at.eq(at).and(d::patient_id.lt(patient))));
    }
    let rows: Vec<Row> = query.load(conn)?;
    let proof = |((patient, at, by), (reason, archived_at), counts): Row| DeletedRecord {
        patient,
        at,
        by,
        reason,
        archived_at,
        contents: Contents { conversations: counts.0, messages: counts.1, chart_items: counts.2, files: counts.3 },
    };
    Ok(rows.into_iter().map(proof).collect())
}
