//! The ids by which other systems know a patient.

use crate::db::schema::{deleted_sources, patient_sources};
use crate::db::{Conn, PatientId, Ts, Tx};
use diesel::prelude::*;
use sha2::{Digest, Sha256};

/// The source of data that name none: files without addresses, and all data from before sources were told apart.
pub const UNNAMED: &str = "fhir";
/// The source of lists of patients.
pub const LISTS: &str = "csv";

/// A patient's identity in a system that they come from: an id says nothing without its source (FHIR R4 §2.24.0.1, an
/// id is unique on one server only).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceId {
    /// a server's base address, a name that the user gave, [`UNNAMED`] or [`LISTS`]
    pub source: String,
    /// the id there
    pub id: String,
}

impl SourceId {
    /// The id of a patient in a list: its number column.
    pub fn of_list(id: &str) -> SourceId {
        SourceId { source: LISTS.to_owned(), id: id.to_owned() }
    }
}

/// The patient whom a source knows by this id; `None` where there is none.
pub fn by_source(conn: &mut Conn, key: &SourceId) -> QueryResult<Option<PatientId>> {
    let same = patient_sources::table
        .filter(patient_sources::source.eq(&key.source))
        .filter(patient_sources::source_id.eq(&key.id));
    same.select(patient_sources::patient_id).first(conn).optional()
}

/// Whether a source knows a patient.
pub(super) fn is_of(conn: &mut Conn, patient: PatientId, source: &str) -> QueryResult<bool> {
    let own = patient_sources::table.filter(patient_sources::patient_id.eq(patient));
    let found: Option<i64> =
        own.filter(patient_sources::source.eq(source)).select(patient_sources::id).first(conn).optional()?;
    Ok(found.is_some())
}

/// Stores the id by which a source knows a patient. An id that belongs to a patient already stays with them.
pub fn put_source(tx: &mut Tx, now: Ts, patient: PatientId, key: &SourceId) -> QueryResult<()> {
    if by_source(tx, key)?.is_some() {
        return Ok(());
    }
    let row = (
        (patient_sources::patient_id.eq(patient), patient_sources::source.eq(&key.source)),
        (patient_sources::source_id.eq(&key.id), patient_sources::created_at.eq(now)),
    );
    diesel::insert_into(patient_sources::table).values(row).execute(tx.conn()).map(drop)
}

/// Whether a source knows a patient by another id as well: then this chart contains several of its records.
pub fn has_other_record(conn: &mut Conn, patient: PatientId, key: &SourceId) -> QueryResult<bool> {
    let others = patient_sources::table
        .filter(patient_sources::patient_id.eq(patient))
        .filter(patient_sources::source.eq(&key.source))
        .filter(patient_sources::source_id.ne(&key.id));
    let found: Option<i64> = others.select(patient_sources::id).first(conn).optional()?;
    Ok(found.is_some())
}

/// Stores a source's word on whether a record is in use; `true` where it is new. A repeated word is ignored, so that
/// what a user did since stays.
pub fn note_standing(tx: &mut Tx, key: &SourceId, standing: &str) -> QueryResult<bool> {
    let row = patient_sources::table
        .filter(patient_sources::source.eq(&key.source))
        .filter(patient_sources::source_id.eq(&key.id));
    let before: Option<Option<String>> = row.select(patient_sources::standing).first(tx.conn()).optional()?;
    let Some(before) = before else { return Ok(false) };
    if before.as_deref() == Some(standing) {
        return Ok(false);
    }
    let own = patient_sources::table
        .filter(patient_sources::source.eq(&key.source))
        .filter(patient_sources::source_id.eq(&key.id));
    diesel::update(own).set(patient_sources::standing.eq(standing)).execute(tx.conn())?;
    Ok(true)
}

/// The identity of the row with this id, to which imported items refer.
pub fn source_row(conn: &mut Conn, key: &SourceId) -> QueryResult<i64> {
    let same = patient_sources::table
        .filter(patient_sources::source.eq(&key.source))
        .filter(patient_sources::source_id.eq(&key.id));
    same.select(patient_sources::id).first(conn)
}

/// The identities of all rows of a patient: of the ids by which sources know them.
pub(super) fn rows_of(conn: &mut Conn, patient: PatientId) -> QueryResult<Vec<i64>> {
    let own = patient_sources::table.filter(patient_sources::patient_id.eq(patient));
    own.order(patient_sources::id).select(patient_sources::id).load(conn)
}

/// What is kept of a source's record whose chart was deleted: a hash, which says who it is to nobody who does not know.
pub fn deleted_mark(source: &str, id: &str) -> Vec<u8> {
    Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize().to_vec()
}

/// Under what the sources know a patient, as [`deleted_mark`]s.
pub fn marks_of(conn: &mut Conn, patient: PatientId) -> QueryResult<Vec<Vec<u8>>> {
    let own = patient_sources::table.filter(patient_sources::patient_id.eq(patient));
    let own: Vec<(String, String)> = own.select((patient_sources::source, patient_sources::source_id)).load(conn)?;
    Ok(own.iter().map(|(source, id)| deleted_mark(source, id)).collect())
}

/// Whether the chart of a source's record was deleted.
pub fn was_deleted(conn: &mut Conn, owner: &SourceId) -> QueryResult<bool> {
    let row = deleted_sources::table.find(deleted_mark(&owner.source, &owner.id)).select(deleted_sources::source_hash);
    Ok(row.first::<Vec<u8>>(conn).optional()?.is_some())
}
