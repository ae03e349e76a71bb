//! Patients: who a chart is about, and how they are reached.

use super::archive::ArchiveReason;
use super::health_number::health_number_key;
use super::search;
use super::sources::{self, SourceId};
use crate::access::{self, Authority, ChartAccess, PortalVisit, Right, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::patients;
use crate::db::{Conn, MultiBackend, PatientId, Ts, Tx, UserId};
use crate::portal_links;
use crate::text::{self, Lang};
use crate::text_enum;
use crate::values::{BirthDate, EmailAddress, PhoneNumber};
use diesel::dsl::Eq;
use diesel::prelude::*;
use std::ops::Deref;

text_enum! {
    /// How a patient wants to be notified that a message is waiting.
    pub enum Method {
        /// by email and by text
        Both = "both",
        /// by email
        Email = "email",
        /// by text
        Sms = "sms",
        /// not at all
        None = "none",
    }
}

/// A patient. It derefs to its demographics.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = patients, check_for_backend(MultiBackend))]
pub struct Patient {
    /// identity
    pub id: PatientId,
    /// what can be edited
    #[diesel(embed)]
    pub demographics: Demographics,
    /// "Access to patient portal"
    pub portal_access: bool,
    /// since when the record is archived
    pub archived_at: Option<Ts>,
    /// why it is archived
    pub archive_reason: Option<ArchiveReason>,
    /// the user who archived it; `None` where its source did
    pub archived_by: Option<UserId>,
    /// who has the chart now, where it was merged into theirs
    pub merged_into: Option<PatientId>,
    /// the email of the link by which the patient last signed in
    pub confirmed_email: Option<EmailAddress>,
    /// the phone number of the link by which the patient last signed in
    pub confirmed_phone: Option<PhoneNumber>,
}

impl Deref for Patient {
    type Target = Demographics;

    fn deref(&self) -> &Demographics {
        &self.demographics
    }
}

impl Patient {
    /// Given and family name.
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name).trim().to_owned()
    }

    /// What the patient likes to be called, else the given names.
    pub fn called(&self) -> &str {
        self.preferred_name.as_deref().unwrap_or(&self.given_name)
    }

    /// Whether there is an address for this method. "Not at all" needs none.
    pub fn can_be_told_by(&self, method: Method) -> bool {
        match method {
            Method::Both => self.email.is_some() && self.phone.is_some(),
            Method::Email => self.email.is_some(),
            Method::Sms => self.phone.is_some(),
            Method::None => true,
        }
    }
}

/// What a patient record holds besides its identity.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = patients, check_for_backend(MultiBackend), treat_none_as_null = true)]
pub struct Demographics {
    /// given names
    pub given_name: String,
    /// family name
    pub family_name: String,
    /// what they like to be called
    pub preferred_name: Option<String>,
    /// date of birth
    pub birth_date: BirthDate,
    /// health number, as written
    pub health_number: Option<String>,
    /// email
    pub email: Option<EmailAddress>,
    /// cellphone
    pub phone: Option<PhoneNumber>,
    /// code of a language that the pages have
    pub language: String,
    /// how the patient is notified
    #[diesel(column_name = notification_method)]
    pub method: Method,
}

/// A patient to be added.
#[derive(Debug, Clone)]
pub struct NewPatient {
    /// identity in the system that the patient comes from, so that importing again adds nobody twice
    pub source_key: Option<SourceId>,
    /// the record
    pub demographics: Demographics,
    /// "Access to patient portal"
    pub portal_access: bool,
    /// whether the record is archived: the patient has died
    pub archived: bool,
}

/// A change to a patient's record.
#[derive(Debug, Clone)]
pub struct Change {
    /// the new values of the record
    pub demographics: Demographics,
    /// "Access to patient portal"
    pub portal_access: bool,
}

/// The key by which patients are sorted and names are compared: without case, accents, apostrophes and hyphens.
pub(super) fn name_key(d: &Demographics) -> String {
    format!("{} {}", text::squeezed(&d.family_name), text::squeezed(&d.given_name))
}

/// The patient of a chart.
pub fn patient<R: Right>(conn: &mut Conn, access: &ChartAccess<R>) -> QueryResult<Patient> {
    patient_by_id(conn, access.patient())
}

/// A patient whose identity comes from another proof (a conversation's, a visit's) or from the worker. A record that was
/// deleted since is not found.
pub fn patient_by_id(conn: &mut Conn, id: PatientId) -> QueryResult<Patient> {
    patients::table.find(id).filter(patients::deleted_at.is_null()).select(Patient::as_select()).first(conn)
}

/// The same for an identity from outside; `None` where there is no such patient.
pub fn patient_if_there(conn: &mut Conn, id: PatientId) -> QueryResult<Option<Patient>> {
    patient_by_id(conn, id).optional()
}

/// The record and those that were merged into it, directly or through another record, without deleted ones.
pub fn merged_records(conn: &mut Conn, patient: PatientId) -> QueryResult<Vec<PatientId>> {
    let mut all = vec![patient];
    let mut next = vec![patient];
    while !next.is_empty() {
        let merged = patients::table.filter(patients::merged_into.eq_any(next)).filter(patients::deleted_at.is_null());
        next = merged.select(patients::id).order(patients::id).load(conn)?;
        next.retain(|id| !all.contains(id));
        all.extend(&next);
    }
    Ok(all)
}

/// The records after this one by id, archived ones too, without those that were merged into others; at most `limit`: for an
/// export.
pub fn in_order(
    conn: &mut Conn,
    _by: &impl Authority<rights::Records>,
    after: PatientId,
    limit: i64,
) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(patients::id.gt(after))
        .filter(patients::deleted_at.is_null())
        .filter(patients::merged_into.is_null())
        .order(patients::id)
        .limit(limit)
        .select(Patient::as_select())
        .load(conn)
}

/// The names of these patients.
pub fn names_of(conn: &mut Conn, ids: &[PatientId]) -> QueryResult<Vec<(PatientId, String)>> {
    let names: Vec<(PatientId, String, String)> = patients::table
        .filter(patients::id.eq_any(ids.to_vec()))
        .filter(patients::deleted_at.is_null())
        .select((patients::id, patients::given_name, patients::family_name))
        .load(conn)?;
    Ok(names.into_iter().map(|(id, given, family)| (id, format!("{given} {family}").trim().to_owned())).collect())
}

/// Adds a patient.
pub fn add(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::EditPatients>,
    new: &NewPatient,
) -> QueryResult<PatientId> {
    let d = &new.demographics;
    let row = (
        columns(d),
        (patients::portal_access.eq(new.portal_access), patients::archived_at.eq(new.archived.then_some(now))),
        patients::created_at.eq(now),
        patients::archive_reason.eq(new.archived.then_some(ArchiveReason::Deceased)),
    );
    let insert = diesel::insert_into(patients::table).values(row);
    let id: PatientId = insert.returning(patients::id).get_result(tx.conn())?;
    search::index(tx, id, d)?;
    if let Some(key) = &new.source_key {
        sources::put_source(tx, now, id, key)?;
    }
    audit::append(tx, now, Entry::of_patient(by.user().into(), Event::PatientAdded, id, Subject::None))?;
    Ok(id)
}

/// Changes a patient's record. A changed email, phone or birth date, or access that was turned off, ends the patient's
/// portal sessions and open links at once.
pub fn update(tx: &mut Tx, now: Ts, access: &ChartAccess<rights::EditPatients>, change: &Change) -> QueryResult<()> {
    let id = access.patient();
    if access::held(tx, id)? != id {
        // the chart was merged since the proof was made: the change was made for the other record
        return Err(diesel::result::Error::RollbackTransaction);
    }
    let before = patient_by_id(tx, id)?;
    let d = &change.demographics;
    let fields = changed_fields(&before, change);
    if fields.is_empty() {
        return Ok(());
    }
    diesel::update(patients::table.find(id))
        .set((columns(d), patients::portal_access.eq(change.portal_access)))
        .execute(tx.conn())?;
    if before.portal_access != change.portal_access {
        let row = diesel::update(patients::table.find(id));
        row.set(patients::portal_access_since.eq(now)).execute(tx.conn())?;
    }
    search::index(tx, id, d)?;
    let proof_changed = before.email != d.email || before.phone != d.phone || before.birth_date != d.birth_date;
    if proof_changed || (before.portal_access && !change.portal_access) {
        portal_links::end_all(tx, now, id)?;
    }
    let entry = Entry::of_patient(Actor::User(access.user().id()), Event::PatientChanged, id, Subject::None);
    audit::append(tx, now, entry.with(fields.join(" ")))
}

/// Replaces a record without a user and without an audit row: for preparing the demo.
pub fn prepare(tx: &mut Tx, id: PatientId, record: &Change) -> QueryResult<()> {
    diesel::update(patients::table.find(id))
        .set((columns(&record.demographics), patients::portal_access.eq(record.portal_access)))
        .execute(tx.conn())?;
    search::index(tx, id, &record.demographics)
}

/// Takes fields of a record from a list or from a source. A new email, phone or birth date ends portal sessions and open
/// links like any change of them.
pub fn fill(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::EditPatients>,
    before: &Patient,
    after: &Demographics,
) -> QueryResult<()> {
    let change = Change { demographics: after.clone(), portal_access: before.portal_access };
    diesel::update(patients::table.find(before.id)).set(columns(after)).execute(tx.conn())?;
    search::index(tx, before.id, after)?;
    if before.email != after.email || before.phone != after.phone || before.birth_date != after.birth_date {
        portal_links::end_all(tx, now, before.id)?;
    }
    let entry = Entry::of_patient(by.user().into(), Event::PatientChanged, before.id, Subject::None);
    audit::append(tx, now, entry.with(changed_fields(before, &change).join(" ")))
}

/// A patient changes the language or the method of their own record. `false` where they have no address for that
/// method; nothing is changed then.
pub fn change_own(tx: &mut Tx, now: Ts, visit: &PortalVisit, language: Lang, method: Method) -> QueryResult<bool> {
    let patient = patient_by_id(tx, visit.patient())?;
    if !patient.can_be_told_by(method) {
        return Ok(false);
    }
    let changed =
        [("language", patient.language != language.code()), ("notification_method", patient.method != method)];
    diesel::update(patients::table.find(patient.id))
        .set((patients::language.eq(language.code()), patients::notification_method.eq(method)))
        .execute(tx.conn())?;
    let fields: Vec<&str> = changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
    let entry = Entry::of_patient(Actor::Patient(patient.id), Event::PatientChanged, patient.id, Subject::None);
    audit::append(tx, now, entry.with(fields.join(" ")))?;
    Ok(true)
}

/// The columns of a record, with its search keys, for INSERT and UPDATE alike.
type Columns<'a> = (&'a Demographics, Eq<patients::name_key, String>, Eq<patients::health_number_key, Option<String>>);

fn columns(d: &Demographics) -> Columns<'_> {
    let number = d.health_number.as_deref().map(health_number_key);
    (d, patients::name_key.eq(name_key(d)), patients::health_number_key.eq(number))
}

/// The names of the fields that a change touches, for the audit row: never their values.
fn changed_fields(before: &Patient, change: &Change) -> Vec<&'static str> {
    let d = &change.demographics;
    let fields = [
        ("given_name", before.given_name != d.given_name),
        ("family_name", before.family_name != d.family_name),
        ("preferred_name", before.preferred_name != d.preferred_name),
        ("birth_date", before.birth_date != d.birth_date),
        ("health_number", before.health_number != d.health_number),
        ("email", before.email != d.email),
        ("phone", before.phone != d.phone),
        ("language", before.language != d.language),
        ("notification_method", before.method != d.method),
        ("portal_access", before.portal_access != change.portal_access),
    ];
    fields.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}

/// The first patients in the order in which they were added, at most `limit`. For the demo.
pub fn every(conn: &mut Conn, limit: i64) -> QueryResult<Vec<Patient>> {
    patients::table.order(patients::id).limit(limit).select(Patient::as_select()).load(conn)
}
