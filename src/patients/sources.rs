//! By what other systems know a patient, and who a patient is that comes from one.

use super::health_number::health_number_key;
use super::record::{Demographics, Patient, name_key, patient_by_id};
use crate::db::schema::{patient_sources, patients};
use crate::db::{Conn, MultiBackend, PatientId, Ts, Tx};
use crate::text;
use diesel::prelude::*;

/// The source of what names none: files without addresses, and all that came before sources were told apart.
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
    /// The number of a line in a list of patients.
    pub fn of_list(id: &str) -> SourceId {
        SourceId { source: LISTS.to_owned(), id: id.to_owned() }
    }
}

/// Who a patient is that comes from another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// one whom the clinic has
    Known(PatientId),
    /// nobody whom the clinic has
    New,
    /// the source's id is another person's here: name and birth date both differ
    Other(PatientId),
    /// perhaps this one: a user must say
    Unsure(PatientId),
}

/// Says who a patient is that comes from another system: the one whom the source knows by this id, unless name and
/// birth date both say otherwise; else the one with the same health number and birth date; else the one with the same
/// name and birth date, whom the source does not know as somebody else. An id that came without a source is this one's
/// where name and birth date agree, nobody's where both differ, and otherwise a question.
pub fn who(conn: &mut Conn, incoming: &SourceId, d: &Demographics) -> QueryResult<Who> {
    if let Some(found) = by_source(conn, incoming)? {
        return Ok(if_alike(conn, incoming, d)?.map_or(Who::Other(found), |known| Who::Known(known.id)));
    }
    if incoming.source != UNNAMED && incoming.source != LISTS {
        let bare = SourceId { source: UNNAMED.to_owned(), id: incoming.id.clone() };
        if let Some(found) = by_source(conn, &bare)? {
            let known = patient_by_id(conn, found)?;
            match (is_called(&known, d), known.birth_date == d.birth_date) {
                (true, true) => return Ok(Who::Known(found)),
                (false, false) => {}
                _ => return Ok(Who::Unsure(found)),
            }
        }
    }
    recognised(conn, incoming, d)
}

fn recognised(conn: &mut Conn, incoming: &SourceId, d: &Demographics) -> QueryResult<Who> {
    let born = patients::table.filter(patients::birth_date.eq(d.birth_date));
    let born = born.filter(patients::merged_into.is_null());
    let query = born.order(patients::id).select(Patient::as_select());
    let key = d.health_number.as_deref().map(health_number_key);
    if let Some(key) = &key {
        let same = query.filter(patients::health_number_key.eq(key)).into_boxed::<MultiBackend>();
        let found: Vec<Patient> = same.limit(2).load(conn)?;
        match found.as_slice() {
            [] => {}
            [one] if is_called(one, d) => return Ok(Who::Known(one.id)),
            [one, ..] => return Ok(Who::Unsure(one.id)),
        }
    }
    let same = query.filter(patients::name_key.eq(name_key(d))).into_boxed::<MultiBackend>();
    let found: Vec<Patient> = same.limit(2).load(conn)?;
    let [one] = found.as_slice() else {
        return Ok(found.first().map_or(Who::New, |first| Who::Unsure(first.id)));
    };
    // two numbers are two people, and so are two ids of one source
    let own = one.health_number.as_deref().map(health_number_key);
    if own.is_some() && key.is_some() || is_of(conn, one.id, &incoming.source)? {
        return Ok(Who::New);
    }
    Ok(Who::Known(one.id))
}

/// The patient whom a source knows by this id, unless name and birth date both say otherwise.
pub(super) fn if_alike(conn: &mut Conn, incoming: &SourceId, d: &Demographics) -> QueryResult<Option<Patient>> {
    let Some(found) = by_source(conn, incoming)? else { return Ok(None) };
    let known = patient_by_id(conn, found)?;
    Ok((is_called(&known, d) || known.birth_date == d.birth_date).then_some(known))
}

/// Whether the names may be one person's: the same, or the same family name and a given name in common.
fn is_called(known: &Patient, d: &Demographics) -> bool {
    let own = &known.demographics;
    if name_key(own) == name_key(d) {
        return true;
    }
    let given = |d: &Demographics| {
        let names = [Some(d.given_name.clone()), d.preferred_name.clone()];
        names.into_iter().flatten().flat_map(|name| text::words(&name)).collect::<Vec<_>>()
    };
    let (before, now) = (given(own), given(d));
    let family = text::squeezed(&own.family_name);
    !family.is_empty() && family == text::squeezed(&d.family_name) && before.iter().any(|name| now.contains(name))
}

/// The patient whom a source knows by this id.
pub fn by_source(conn: &mut Conn, key: &SourceId) -> QueryResult<Option<PatientId>> {
    let same = patient_sources::table
        .filter(patient_sources::source.eq(&key.source))
        .filter(patient_sources::source_id.eq(&key.id));
    same.select(patient_sources::patient_id).first(conn).optional()
}

/// Whether a source knows a patient.
fn is_of(conn: &mut Conn, patient: PatientId, source: &str) -> QueryResult<bool> {
    let own = patient_sources::table.filter(patient_sources::patient_id.eq(patient));
    let found: Option<i64> =
        own.filter(patient_sources::source.eq(source)).select(patient_sources::id).first(conn).optional()?;
    Ok(found.is_some())
}

/// Writes down by what a source knows a patient. An id that is somebody's already stays theirs.
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

/// Whether a source knows a patient by another id as well: then this chart is made of several of its records.
pub fn has_other_record(conn: &mut Conn, patient: PatientId, key: &SourceId) -> QueryResult<bool> {
    let others = patient_sources::table
        .filter(patient_sources::patient_id.eq(patient))
        .filter(patient_sources::source.eq(&key.source))
        .filter(patient_sources::source_id.ne(&key.id));
    let found: Option<i64> = others.select(patient_sources::id).first(conn).optional()?;
    Ok(found.is_some())
}

/// Writes down what a source says of the standing of a record; `true` where that is news. What it has said before was
/// followed then, and what a user did since stays.
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

/// The row that knows a patient by this, for what is made of it.
pub fn source_row(conn: &mut Conn, key: &SourceId) -> QueryResult<i64> {
    let same = patient_sources::table
        .filter(patient_sources::source.eq(&key.source))
        .filter(patient_sources::source_id.eq(&key.id));
    same.select(patient_sources::id).first(conn)
}
