//! Recognises a patient who is added or imported: the same person must not get a second chart.

use super::distinctions::Apart;
use super::health_number::health_number_key;
use super::record::{Demographics, Patient, name_key, patient_by_id, patient_if_there};
use super::sources::{self, LISTS, SourceId, UNNAMED};
use crate::access::{SignedInUser, rights, survivor};
use crate::db::schema::patients;
use crate::db::{Conn, PatientId, Ts, Tx, lock_row};
use crate::settings;
use crate::text;
use crate::values::EmailAddress;
use diesel::prelude::*;

/// The most patients that are compared with a described person.
const MOST: i64 = 20;

/// A person as a form, a list or a file of another system describes them.
#[derive(Debug, Clone, Copy)]
pub struct PersonDescription<'a> {
    /// who they are said to be
    pub demographics: &'a Demographics,
    /// their id in the system that describes them
    pub source: Option<&'a SourceId>,
}

/// Who a described person is.
#[derive(Debug, Clone)]
pub enum Who {
    /// this patient
    Known(Box<Patient>),
    /// perhaps a patient whom the clinic has: a user must decide
    Unsure,
    /// nobody whom the clinic has
    New,
    /// another person than the patient with the source's id here: name and birth date both differ
    Contradicts,
}

/// Who a described person is, and the patients who look like them.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// what may be done without asking
    pub who: Who,
    /// patients to compare with, each once: by the same id, the same health number, or the same name and birth date
    pub alike: Vec<Patient>,
}

/// Says who a described person is, by the same rules wherever they come from.
///
/// First by the source's id: it is its patient, unless name *and* birth date differ. An id that came without a source
/// counts where name and birth date agree, does not count where both differ, and is otherwise a question. Then by the
/// record. The same health number with the same birth date is the same patient, if at least a given name agrees (twins
/// have the same birth date, and their cards get mixed up). The same name and birth date is the same patient, unless
/// both have a number, or one source has two ids for them. More than one patient who fits is a question.
pub fn recognise(conn: &mut Conn, told: &PersonDescription) -> QueryResult<Recognised> {
    if let Some(source) = told.source
        && let Some(found) = by_id(conn, source, told.demographics)?
    {
        return Ok(found);
    }
    by_record(conn, told)
}

/// The patient with the source's id; `None` where the id decides nothing.
fn by_id(conn: &mut Conn, source: &SourceId, d: &Demographics) -> QueryResult<Option<Recognised>> {
    let named = |conn: &mut Conn, key: &SourceId| -> QueryResult<Option<Patient>> {
        sources::by_source(conn, key)?.map(|id| patient_by_id(conn, id)).transpose()
    };
    let agree = |known: &Patient| [is_called(known, d), known.birth_date == d.birth_date];
    let found = |who, known: Patient| Some(Recognised { who, alike: vec![known] });
    if let Some(known) = named(conn, source)? {
        // lists may come from two systems where the same number is two people's, who may also share a birth date
        let is_list = source.source == LISTS;
        return Ok(match agree(&known) {
            [false, true] if is_list && !has_a_name_of(&known, d) => found(Who::Unsure, known),
            [true, _] | [_, true] => found(Who::Known(Box::new(known.clone())), known),
            _ if is_list => None,
            _ => found(Who::Contradicts, known),
        });
    }
    if source.source == UNNAMED || source.source == LISTS {
        return Ok(None);
    }
    let bare = SourceId { source: UNNAMED.to_owned(), id: source.id.clone() };
    let Some(known) = named(conn, &bare)? else { return Ok(None) };
    Ok(match agree(&known) {
        [true, true] => found(Who::Known(Box::new(known.clone())), known),
        [false, false] => None,
        _ => found(Who::Unsure, known),
    })
}

fn by_record(conn: &mut Conn, told: &PersonDescription) -> QueryResult<Recognised> {
    let d = told.demographics;
    let number = number_of(d);
    let records = records_alike(conn, d, number.as_deref())?;
    let alike = owners(conn, &records)?;
    let mut numbered: Vec<&Record> = Vec::new();
    let mut named: Vec<&Record> = Vec::new();
    for record in records.iter().filter(|record| record.is.birth_date == d.birth_date) {
        let own = number_of(&record.is);
        if own.is_some() && own == number {
            numbered.push(record);
        } else if own.is_none() || number.is_none() {
            let is_other_id = match told.source {
                Some(source) if source.source != LISTS => sources::is_of(conn, record.owner, &source.source)?,
                _ => false,
            };
            if !is_other_id {
                named.push(record);
            }
        }
    }
    let by_number = !numbered.is_empty();
    let fitting = if by_number { numbered } else { named };
    let one = fitting.first().filter(|first| fitting.iter().all(|other| other.owner == first.owner));
    let is_sure = !by_number || fitting.iter().any(|record| shares_a_name(&record.is, d));
    let known = one.filter(|_| is_sure).and_then(|one| alike.iter().find(|patient| patient.id == one.owner));
    let who = match known {
        Some(known) => Who::Known(Box::new(known.clone())),
        None if fitting.is_empty() => Who::New,
        None => Who::Unsure,
    };
    Ok(Recognised { who, alike })
}

/// A health number for comparing, where there is one.
fn number_of(d: &Demographics) -> Option<String> {
    d.health_number.as_deref().map(health_number_key).filter(|key| !key.is_empty())
}

/// The words of the given and preferred names.
fn given_names(d: &Demographics) -> Vec<String> {
    let names = [Some(&d.given_name), d.preferred_name.as_ref()];
    names.into_iter().flatten().flat_map(|name| text::words(name)).collect()
}

/// Whether the whole name or a given name is the same: a family name may change by marriage.
fn shares_a_name(known: &Demographics, d: &Demographics) -> bool {
    let now = given_names(d);
    name_key(known) == name_key(d) || given_names(known).iter().any(|name| now.contains(name))
}

/// Whether the family name or a given name is the same.
fn has_a_name_of(known: &Demographics, d: &Demographics) -> bool {
    text::squeezed(&known.family_name) == text::squeezed(&d.family_name) || shares_a_name(known, d)
}

/// Whether the names may be one person's: the same, or the same family name and a given name in common.
fn is_called(known: &Demographics, d: &Demographics) -> bool {
    let family = text::squeezed(&known.family_name);
    let same_family = !family.is_empty() && family == text::squeezed(&d.family_name);
    name_key(known) == name_key(d) || same_family && shares_a_name(known, d)
}

/// A record, and the patient who has its chart now: another one where the two were merged.
struct Record {
    is: Patient,
    owner: PatientId,
}

/// Records with this number, or with this name and birth date.
fn records_alike(conn: &mut Conn, d: &Demographics, number: Option<&str>) -> QueryResult<Vec<Record>> {
    let mut rows: Vec<Patient> = patients::table
        .filter(patients::name_key.eq(name_key(d)))
        .filter(patients::birth_date.eq(d.birth_date))
        .order(patients::id)
        .limit(MOST)
        .select(Patient::as_select())
        .load(conn)?;
    if let Some(number) = number {
        let same = patients::table.filter(patients::health_number_key.eq(number));
        rows.extend(same.order(patients::id).limit(MOST).select(Patient::as_select()).load(conn)?);
    }
    let mut records = Vec::new();
    for is in rows {
        records.push(Record { owner: survivor(conn, is.id)?, is });
    }
    Ok(records)
}

/// The patients who have these charts now, each once.
fn owners(conn: &mut Conn, records: &[Record]) -> QueryResult<Vec<Patient>> {
    let mut found: Vec<Patient> = Vec::new();
    for Record { is, owner } in records {
        if found.iter().all(|patient| patient.id != *owner) {
            found.extend(if is.id == *owner { Some(is.clone()) } else { patient_if_there(conn, *owner)? });
        }
    }
    Ok(found)
}

/// Other charts in use that look like this patient's: the same health number, or the same name and birth date. First
/// those that may be this patient's, then those that a user has marked as another person's.
pub fn doubles_of(conn: &mut Conn, patient: &Patient) -> QueryResult<(Vec<Patient>, Vec<Patient>)> {
    let records = records_alike(conn, &patient.demographics, number_of(patient).as_deref())?;
    let mut found = owners(conn, &records)?;
    found.retain(|other| other.id != patient.id && other.archived_at.is_none());
    let ids: Vec<PatientId> = found.iter().map(|other| other.id).chain([patient.id]).collect();
    let apart = Apart::among(conn, &ids)?;
    Ok(found.into_iter().partition(|other| !apart.are(patient.id, other.id)))
}

/// Whether the portal cannot tell these two apart when one of them says who they are: they have the same health number
/// and a common address. Then no passcode is sent.
pub fn is_mistaken_for(one: &Patient, other: &Patient) -> bool {
    let number = |patient: &Patient| patient.health_number.as_deref().map(health_number_key);
    let email = |patient: &Patient| patient.email.as_ref().map(EmailAddress::key);
    let common =
        (email(one).is_some() && email(one) == email(other)) || (one.phone.is_some() && one.phone == other.phone);
    common && number(one).is_some() && number(one) == number(other) && one.portal_access && other.portal_access
}

/// A patient as typed into a form.
#[derive(Debug, Clone)]
pub struct TypedPatient {
    /// the record
    pub demographics: Demographics,
    /// the form's idempotency key; empty where it has none
    pub key: String,
    /// patients who were shown, and who the user says are other people
    pub others: Vec<PatientId>,
}

/// The result of adding a typed patient.
#[derive(Debug, Clone)]
pub enum Added {
    /// added, now or by the same form before
    Added(PatientId),
    /// these may be the same person: the user has not said that they are not
    Asked(Vec<Patient>),
}

/// Until this transaction ends nobody else adds a patient: of two who add the same person at the same moment, the
/// second finds the first. Locked before any patient's row, wherever [`recognise`] may lead to a new chart.
pub fn lock_additions(tx: &mut Tx) -> QueryResult<()> {
    lock_row(tx, "clinic", 1)
}

/// Adds a patient whom a user typed, unless the clinic may have them already. The same words from the same form again
/// give the first chart and add nobody.
pub fn add_typed(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::EditPatients>,
    typed: &TypedPatient,
) -> QueryResult<Added> {
    lock_additions(tx)?;
    let key = form_key(user, typed);
    if let Some(key) = &key {
        let before = patients::table.filter(patients::form_key.eq(key)).select(patients::id).first(tx.conn());
        if let Some(before) = before.optional()? {
            return Ok(Added::Added(before));
        }
    }
    // the patient is with the user, so the user can be asked about everyone who looks like them
    let found = recognise(tx, &PersonDescription { demographics: &typed.demographics, source: None })?.alike;
    if found.iter().any(|patient| !typed.others.contains(&patient.id)) {
        return Ok(Added::Asked(found));
    }
    // "Portal Accessibility for New Patients" applies here and at import only
    let portal_access = settings::load(tx)?.portal_for_new_patients;
    let demographics = typed.demographics.clone();
    let new = super::NewPatient { source_key: None, demographics, portal_access, archived: false };
    let id = super::add(tx, now, user, &new)?;
    diesel::update(patients::table.find(id)).set(patients::form_key.eq(key)).execute(tx.conn())?;
    Ok(Added::Added(id))
}

/// The idempotency key: the user, the form's key, and a digest of what was typed. A page that the browser went back to
/// carries its old key, and other words on it are another patient.
fn form_key(user: &SignedInUser<rights::EditPatients>, typed: &TypedPatient) -> Option<String> {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{:?}", typed.demographics).as_bytes());
    let digest = data_encoding::HEXLOWER.encode(&digest);
    (16..=64).contains(&typed.key.len()).then(|| format!("u{}:{}:{digest}", user.id(), typed.key))
}
