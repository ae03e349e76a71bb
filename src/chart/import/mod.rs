//! Charts from other systems. One file is one transaction: it comes in whole or not at all. Coming again brings items up
//! to date and doubles none; the patient's own record stays as the clinic has it.

pub mod fhir;

use crate::access;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart::files::{NewChartFile, set_file};
use crate::chart::store_item::{NewItem, Stored, store_item};
use crate::db::{PatientId, Ts, Tx};
use crate::patients::{self, Demographics, IdKind, Method, NewPatient, SourceId, Who};
use crate::settings;
use crate::text::Lang;
use crate::values::{BirthDate, EmailAddress, PhoneNumber};
use diesel::QueryResult;
use fhir::{ImportedBundle, ImportedChart, ImportedPatient, SkipReason};
use std::collections::{BTreeMap, HashMap};

/// The files of a bundle that lie in storage already: by the place of the chart, and of the item in it.
pub type FilesInStorage = HashMap<(usize, usize), NewChartFile>;

/// What one import, or several, brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// patients that were new
    pub patients: usize,
    /// patients that were there already
    pub known_patients: usize,
    /// new items by kind
    pub items: BTreeMap<&'static str, usize>,
    /// items that were there and say something else now, by kind
    pub changed: BTreeMap<&'static str, usize>,
    /// items that were there and say the same
    pub known_items: usize,
    /// what was left out, by resource type and reason
    pub skipped: BTreeMap<(String, &'static str), usize>,
}

impl Summary {
    /// Adds another's numbers.
    pub fn merge(&mut self, other: Summary) {
        self.patients += other.patients;
        self.known_patients += other.known_patients;
        self.known_items += other.known_items;
        other.items.into_iter().for_each(|(kind, n)| *self.items.entry(kind).or_default() += n);
        other.changed.into_iter().for_each(|(kind, n)| *self.changed.entry(kind).or_default() += n);
        other.skipped.into_iter().for_each(|(what, n)| *self.skipped.entry(what).or_default() += n);
    }

    /// What a bundle holds, as if all of it were new.
    pub fn of(bundle: &ImportedBundle) -> Summary {
        let mut summary = Summary::default();
        summary.skip(&bundle.skipped);
        for chart in &bundle.charts {
            summary.skip(&chart.skipped);
            summary.patients += 1;
            for item in &chart.items {
                *summary.items.entry(item.kind.as_str()).or_default() += 1;
            }
        }
        summary
    }

    /// How many items were written.
    pub fn written(&self) -> usize {
        self.items.values().chain(self.changed.values()).sum()
    }

    fn skip(&mut self, skipped: &fhir::Skipped) {
        for ((what, why), n) in skipped {
            *self.skipped.entry((what.clone(), why.as_str())).or_default() += n;
        }
    }
}

/// Stores one bundle with its files.
///
/// # Errors
/// Those of the database; then nothing of the bundle is kept.
pub fn store(tx: &mut Tx, now: Ts, bundle: &ImportedBundle, files: &FilesInStorage) -> QueryResult<Summary> {
    let mut summary = Summary::default();
    summary.skip(&bundle.skipped);
    let settings = settings::load(tx)?;
    for (at, chart) in bundle.charts.iter().enumerate() {
        summary.skip(&chart.skipped);
        store_chart(tx, now, chart, &settings, &mut summary, |item| files.get(&(at, item)))?;
    }
    Ok(summary)
}

fn store_chart<'a>(
    tx: &mut Tx,
    now: Ts,
    chart: &ImportedChart,
    settings: &settings::Settings,
    summary: &mut Summary,
    file_of: impl Fn(usize) -> Option<&'a NewChartFile>,
) -> QueryResult<()> {
    let source = chart.patient.source.clone().unwrap_or_else(|| patients::UNNAMED.to_owned());
    let key = SourceId { source, id: chart.patient.source_id.clone() };
    let demographics = demographics(&chart.patient, settings);
    let patient = match patients::who(tx, &key, &demographics)? {
        Who::Other(_) => return refuse(chart, SkipReason::OtherPerson, summary),
        Who::Unsure(_) => return refuse(chart, SkipReason::UnsurePerson, summary),
        Who::Known(known) => {
            // two imports of one chart at the same moment take turns
            let known = access::held(tx, known)?;
            summary.known_patients += 1;
            patients::put_source(tx, now, known, &key)?;
            known
        }
        Who::New => {
            summary.patients += 1;
            let new = NewPatient {
                source_key: Some(key),
                demographics,
                portal_access: settings.portal_for_new_patients,
                archived: chart.patient.deceased,
            };
            patients::add(tx, now, Actor::System, &new)?
        }
    };
    for (code, number) in &chart.patient.other_identifiers {
        if let Some(kind) = IdKind::of_v2_0203(code) {
            patients::put_identifiers(tx, patient, kind, number)?;
        }
    }
    let before = summary.written();
    store_items(tx, now, patient, chart, summary, file_of)?;
    if summary.written() > before {
        let entry = Entry::of_patient(Actor::System, Event::PatientsImported, patient, Subject::None);
        audit::append(tx, now, entry.with("fhir"))?;
    }
    Ok(())
}

/// Nothing of this chart is taken: all of it is counted.
fn refuse(chart: &ImportedChart, reason: SkipReason, summary: &mut Summary) -> QueryResult<()> {
    let types = chart.items.iter().map(|item| item.source_id.split(['/', ':', '#']).next().unwrap_or_default());
    for what in std::iter::once("Patient").chain(types) {
        *summary.skipped.entry((what.to_owned(), reason.as_str())).or_default() += 1;
    }
    Ok(())
}

fn store_items<'a>(
    tx: &mut Tx,
    now: Ts,
    patient: PatientId,
    chart: &ImportedChart,
    summary: &mut Summary,
    file_of: impl Fn(usize) -> Option<&'a NewChartFile>,
) -> QueryResult<()> {
    for (at, item) in chart.items.iter().enumerate() {
        // without a source the id alone is the key, as it was for all before sources were told apart
        let key = item.source.as_ref().map(|source| format!("{source}/{}", item.source_id));
        let new = NewItem {
            source_key: key.as_deref().unwrap_or(&item.source_id),
            former_key: key.as_ref().map(|_| item.source_id.as_str()),
            kind: item.kind,
            occurred_at: item.occurred_at.into(),
            title: &item.title,
            author: item.author.as_deref(),
            body: &item.body,
        };
        let stored = store_item(tx, now, patient, &new)?;
        let other_file = set_file(tx, now, stored.id(), file_of(at))?;
        match stored {
            Stored::New(_) => *summary.items.entry(item.kind.as_str()).or_default() += 1,
            Stored::Same(_) if !other_file => summary.known_items += 1,
            Stored::Changed(_) | Stored::Same(_) => *summary.changed.entry(item.kind.as_str()).or_default() += 1,
        }
    }
    Ok(())
}

/// A patient's own language where the pages have it, else the clinic's; told by every road that there is.
fn demographics(patient: &ImportedPatient, settings: &settings::Settings) -> Demographics {
    let language = patient.language.as_deref().and_then(Lang::find).unwrap_or(settings.lang());
    Demographics {
        given_name: patient.given.clone(),
        family_name: patient.family.clone(),
        preferred_name: patient.preferred.clone(),
        birth_date: BirthDate(patient.birth_date),
        health_number: patient.health_number.clone(),
        email: patient.email.as_deref().and_then(EmailAddress::parse),
        phone: patient.phone.as_deref().and_then(|number| PhoneNumber::parse(number, "1")),
        language: language.code().to_owned(),
        method: Method::Both,
    }
}
