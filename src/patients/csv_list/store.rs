//! Importing a list: new patients are added, and known patients get values for what was empty.

use super::{Column, ListedPatient, PatientList};
use crate::access::{self, Authority, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::db::{Conn, PatientId, Ts, Tx};
use crate::patients::health_number::health_number_key;
use crate::patients::identifiers::{IdKind, put_identifiers};
use crate::patients::known::{PersonDescription, Recognised, Who, lock_additions, recognise};
use crate::patients::record::{self as patients, Demographics, NewPatient};
use crate::patients::sources::{self, SourceId};
use crate::settings::Settings;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::QueryResult;

/// A value in the list that differs from the record. The record stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// the line of the list
    pub line: u64,
    /// the patient
    pub patient: PatientId,
    /// the field
    pub column: Column,
    /// what the record says
    pub here: String,
    /// what the list says
    pub listed: String,
}

/// Fields that are empty in a record and have a value in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// the line of the list
    pub line: u64,
    /// the patient
    pub patient: PatientId,
    /// the fields that are filled in
    pub columns: Vec<Column>,
}

/// What an import does, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListSummary {
    /// patients that are new
    pub new: usize,
    /// patients whom the clinic has already
    pub known: usize,
    /// of these, the patients who get a value for an empty field
    pub filled: Vec<Filled>,
    /// lines left out because a user must say whether they are this patient
    pub doubtful: Vec<(u64, PatientId)>,
    /// values in the list that differ from the record
    pub differences: Vec<Difference>,
}

impl ListedPatient {
    fn source(&self) -> Option<SourceId> {
        self.id.as_deref().map(SourceId::of_list)
    }

    /// Keys that show that two lines are the same patient: the number, the health number, name and birth date.
    pub(super) fn keys(&self) -> Vec<String> {
        let d = &self.demographics;
        let number = d.health_number.as_deref().map(|number| format!("health:{}", health_number_key(number)));
        let name = format!("name:{}:{}", patients::name_key(d), d.birth_date.iso());
        self.id.iter().map(|id| format!("csv:{id}")).chain(number).chain([name]).collect()
    }

    /// Whether the clinic has this patient.
    fn who(&self, conn: &mut Conn) -> QueryResult<Recognised> {
        recognise(conn, &PersonDescription { demographics: &self.demographics, source: self.source().as_ref() })
    }

    fn as_new(&self, settings: &Settings) -> NewPatient {
        NewPatient {
            source_key: None,
            demographics: self.demographics.clone(),
            portal_access: settings.portal_for_new_patients,
            archived: false,
        }
    }

    /// The record, with the list's values where it is empty.
    fn fill(&self, before: &Demographics) -> Demographics {
        let (mut after, listed) = (before.clone(), &self.demographics);
        after.preferred_name = after.preferred_name.or_else(|| listed.preferred_name.clone());
        after.health_number = after.health_number.or_else(|| listed.health_number.clone());
        after.email = after.email.or_else(|| listed.email.clone());
        after.phone = after.phone.or_else(|| listed.phone.clone());
        if after.given_name.is_empty() {
            after.given_name.clone_from(&listed.given_name);
        }
        after
    }

    /// The list's values that differ from the record.
    fn differences(&self, patient: PatientId, before: &Demographics) -> Vec<Difference> {
        let listed = &self.demographics;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let email = |value: &Option<EmailAddress>| value.as_ref().map(EmailAddress::key).unwrap_or_default();
        let phone = |value: &Option<PhoneNumber>| value.as_ref().map(PhoneNumber::shown).unwrap_or_default();
        let same_number = |a: &Option<String>, b: &Option<String>| {
            a.as_deref().map(health_number_key) == b.as_deref().map(health_number_key)
        };
        let pairs = [
            (Column::FamilyName, before.family_name.clone(), listed.family_name.clone(), false),
            (Column::GivenName, before.given_name.clone(), listed.given_name.clone(), false),
            (Column::PreferredName, text(&before.preferred_name), text(&listed.preferred_name), false),
            (Column::BirthDate, before.birth_date.iso(), listed.birth_date.iso(), false),
            (
                Column::HealthNumber,
                text(&before.health_number),
                text(&listed.health_number),
                same_number(&before.health_number, &listed.health_number),
            ),
            (Column::Email, email(&before.email), email(&listed.email), false),
            (Column::Phone, phone(&before.phone), phone(&listed.phone), false),
            (
                Column::Language,
                before.language.clone(),
                listed.language.clone(),
                !self.said.contains(&Column::Language),
            ),
            (
                Column::Method,
                before.method.as_str().to_owned(),
                listed.method.as_str().to_owned(),
                !self.said.contains(&Column::Method),
            ),
        ];
        // case is ignored, because some systems write names in capitals
        let differ = pairs.into_iter().filter(|(_, here, listed, same)| {
            !same && !here.is_empty() && !listed.is_empty() && here.to_lowercase() != listed.to_lowercase()
        });
        differ.map(|(column, here, listed, _)| Difference { line: self.line, patient, column, here, listed }).collect()
    }
}

/// What importing the list would do.
pub fn compare(conn: &mut Conn, list: &PatientList) -> QueryResult<ListSummary> {
    let mut summary = ListSummary::default();
    for patient in &list.patients {
        let found = patient.who(conn)?;
        match found.who {
            Who::Known(known) => drop(summary.count_known(patient, &known)),
            Who::New if found.alike.is_empty() => summary.new += 1,
            _ => summary.doubt(patient, &found.alike),
        }
    }
    Ok(summary)
}

impl ListSummary {
    /// Counts a known patient, and gives the changed record where something is filled in.
    fn count_known(&mut self, listed: &ListedPatient, before: &patients::Patient) -> Option<Demographics> {
        self.known += 1;
        self.differences.extend(listed.differences(before.id, &before.demographics));
        let after = listed.fill(&before.demographics);
        let columns = filled(&before.demographics, &after);
        if columns.is_empty() {
            return None;
        }
        self.filled.push(Filled { line: listed.line, patient: before.id, columns });
        Some(after)
    }

    /// Notes a line for which a user must say whether it is one of these patients.
    fn doubt(&mut self, listed: &ListedPatient, others: &[patients::Patient]) {
        self.doubtful.extend(others.first().map(|other| (listed.line, other.id)));
    }

    /// The lines for which a user must say whose they are: nothing was taken from them.
    pub fn doubtful_lines(&self) -> Vec<u64> {
        self.doubtful.iter().map(|(line, _)| *line).collect()
    }
}

/// The fields that were empty and have a value now.
fn filled(before: &Demographics, after: &Demographics) -> Vec<Column> {
    let all = [
        (Column::GivenName, before.given_name != after.given_name),
        (Column::PreferredName, before.preferred_name != after.preferred_name),
        (Column::HealthNumber, before.health_number != after.health_number),
        (Column::Email, before.email != after.email),
        (Column::Phone, before.phone != after.phone),
    ];
    all.into_iter().filter(|(_, is_new)| *is_new).map(|(column, _)| column).collect()
}

/// Adds new patients, and fills in empty fields of known ones.
///
/// # Errors
/// Database errors; then nobody was added.
pub fn store_list(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::EditPatients>,
    settings: &Settings,
    list: &PatientList,
) -> QueryResult<ListSummary> {
    lock_additions(tx)?;
    let mut summary = ListSummary::default();
    for patient in &list.patients {
        let found = patient.who(tx)?;
        let id = match found.who {
            Who::Known(known) => {
                let held = access::held(tx, known.id)?;
                let before = patients::patient_by_id(tx, held)?;
                if let Some(after) = summary.count_known(patient, &before) {
                    patients::fill(tx, now, by, &before, &after)?;
                }
                before.id
            }
            Who::New if found.alike.is_empty() => {
                summary.new += 1;
                patients::add(tx, now, by, &patient.as_new(settings))?
            }
            // a patient who looks like a known one is left out, and the line is named: a user must decide
            _ => {
                summary.doubt(patient, &found.alike);
                continue;
            }
        };
        if let (Some(source), Some(number)) = (patient.source(), &patient.id) {
            sources::put_source(tx, now, id, &source)?;
            put_identifiers(tx, id, IdKind::RecordNumber, number)?;
        }
    }
    let entry = Entry::of_clinic(by.user().into(), Event::PatientsImported, Subject::None);
    let told = format!("csv {} new {} known {} filled", summary.new, summary.known, summary.filled.len());
    audit::append(tx, now, entry.with(told))?;
    Ok(summary)
}
