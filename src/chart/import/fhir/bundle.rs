//! Reads a bundle (R4 §2.36) and resolves the references in it.

use std::collections::HashMap;
use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::chart::Chart;
use super::resource::{Header, Resource, TypeOnly};
use super::types::{Reference, single_line};
use super::{FhirError, ImportOptions, ImportedBundle, SkipReason, Skipped};

#[derive(Deserialize)]
struct RawBundle<'a> {
    #[serde(rename = "resourceType", borrow, default)]
    resource_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    entry: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(rename = "fullUrl", default)]
    full_url: Option<String>,
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
}

/// A resource of a bundle.
#[derive(Debug)]
pub(super) struct Entry {
    pub full_url: Option<String>,
    pub id: Option<String>,
    pub resource: Resource,
    /// `subject`, else `patient`.
    subject: Option<Reference>,
}

/// Something left out while reading, until it is known whose it is.
#[derive(Debug)]
struct Left {
    kind: String,
    reason: SkipReason,
    full_url: Option<String>,
    subject: Option<Reference>,
}

/// A bundle in memory: typed resources, the text is gone.
#[derive(Debug)]
pub struct Bundle {
    pub(super) entries: Vec<Entry>,
    left: Vec<Left>,
    by_url: HashMap<String, usize>,
    /// By `Type/id`; none where several resources of different `fullUrl` share it.
    by_type_and_id: HashMap<String, Option<usize>>,
}

/// Takes the JSON of one Bundle of any type (R4 §2.36.1) and gives its resources.
///
/// The whole bundle is held in memory: bound the reader (`Read::take`) where the file isn't trusted.
///
/// # Errors
/// [`FhirError`]: the reader fails, the text is not JSON or not a Bundle, or no Patient is in it. A broken resource is
/// no error: it is counted.
pub fn read_bundle(mut reader: impl Read) -> Result<Bundle, FhirError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(FhirError::Read)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let raw: RawBundle = serde_json::from_slice(text).map_err(|error| place(&error))?;
    let kind = raw.resource_type.and_then(|kind| serde_json::from_str::<String>(kind.get()).ok());
    if kind.as_deref() != Some("Bundle") {
        return Err(FhirError::NotABundle);
    }
    let mut bundle =
        Bundle { entries: Vec::new(), left: Vec::new(), by_url: HashMap::new(), by_type_and_id: HashMap::new() };
    let mut has_patient = false;
    for entry in raw.entry {
        has_patient |= bundle.add(entry);
    }
    if has_patient { Ok(bundle) } else { Err(FhirError::NoPatient) }
}

/// serde_json's own messages may quote the file, so only the place is kept.
fn place(error: &serde_json::Error) -> FhirError {
    let (line, column) = (error.line(), error.column());
    if error.is_data() { FhirError::Shape { line, column } } else { FhirError::Json { line, column } }
}

/// The name of a type as it may be printed: whatever can't be one is "Resource".
fn printable(kind: &str) -> String {
    let plausible = !kind.is_empty() && kind.len() <= 40 && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    if plausible { kind.to_owned() } else { "Resource".to_owned() }
}

impl Bundle {
    /// Takes an entry in; says whether it is a patient.
    fn add(&mut self, json: &RawValue) -> bool {
        let Ok(RawEntry { full_url, resource }) = serde_json::from_str(json.get()) else {
            self.leave("Resource", SkipReason::Malformed, None, None);
            return false;
        };
        // an entry without resource is a deletion or a mere response (R4 §2.36.2)
        let Some(json) = resource.map(RawValue::get) else { return false };
        let Ok(header) = serde_json::from_str::<Header>(json) else {
            let kind = serde_json::from_str::<TypeOnly>(json).map(|only| only.resource_type).unwrap_or_default();
            self.leave(&kind, SkipReason::Malformed, full_url, None);
            return kind == "Patient";
        };
        let kind = header.resource_type.clone().unwrap_or_default();
        let is_patient = kind == "Patient";
        let flaw = (header.is_entered_in_error().then_some(SkipReason::EnteredInError))
            .or_else(|| header.has_modifiers().then_some(SkipReason::UnknownModifier));
        let subject = header.subject.or(header.patient);
        let read = match flaw {
            Some(reason) => Err(reason),
            None if kind.is_empty() => Err(SkipReason::Malformed),
            None => match Resource::read(&kind, json) {
                None => Err(SkipReason::NotMapped),
                Some(Err(_)) => Err(SkipReason::Malformed),
                Some(Ok(resource)) => Ok(resource),
            },
        };
        match read {
            Err(reason) => self.leave(&kind, reason, full_url, subject),
            Ok(resource) => {
                let entry = Entry { full_url, id: header.id.filter(|id| !id.trim().is_empty()), resource, subject };
                if let Err(entry) = self.index(entry) {
                    self.leave(&kind, SkipReason::Duplicate, entry.full_url, entry.subject);
                }
            }
        }
        is_patient
    }

    fn leave(&mut self, kind: &str, reason: SkipReason, full_url: Option<String>, subject: Option<Reference>) {
        self.left.push(Left { kind: printable(kind), reason, full_url, subject });
    }

    /// Keeps an entry, unless it has the address of an earlier one.
    fn index(&mut self, entry: Entry) -> Result<(), Box<Entry>> {
        let position = self.entries.len();
        let key = entry.id.as_ref().map(|id| format!("{}/{id}", entry.resource.kind()));
        match (&entry.full_url, &key) {
            (Some(url), _) if self.by_url.contains_key(url) => return Err(Box::new(entry)),
            (None, Some(key)) if self.by_type_and_id.contains_key(key) => return Err(Box::new(entry)),
            _ => {}
        }
        if let Some(url) = &entry.full_url {
            self.by_url.insert(url.clone(), position);
        }
        if let Some(key) = key {
            self.by_type_and_id.entry(key).and_modify(|known| *known = None).or_insert(Some(position));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Finds what a literal reference means within the bundle (R4 §2.36.4.1): `fullUrl` first, with a relative
    /// reference completed by the base of the referring entry; then `Type/id` where only one resource has it. A
    /// reference to a server finds no resource of another server. Versions (`/_history/…`) are ignored.
    pub(super) fn position(&self, from: Option<&str>, reference: &str) -> Option<usize> {
        let reference = reference.trim();
        let reference = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
        if let Some(position) = self.by_url.get(reference) {
            return Some(*position);
        }
        let known = |key: &str| self.by_type_and_id.get(key).copied().flatten();
        let without_url = |position: &usize| self.entries.get(*position).is_some_and(|entry| entry.full_url.is_none());
        if let Some(uuid) = reference.strip_prefix("urn:uuid:") {
            // no type in the reference: only a patient is looked for, and only one that has no address of its own
            return known(&format!("Patient/{uuid}")).filter(without_url);
        }
        if reference.contains("://") {
            let mut parts = reference.rsplitn(3, '/');
            let (id, kind) = (parts.next()?, parts.next()?);
            return known(&format!("{kind}/{id}")).filter(without_url);
        }
        let base = from.filter(|url| url.contains("://")).and_then(|url| url.rsplitn(3, '/').nth(2));
        let completed = base.and_then(|base| self.by_url.get(&format!("{base}/{reference}")).copied());
        completed.or_else(|| known(reference))
    }

    fn patient_of(&self, full_url: Option<&str>, reference: &Reference) -> Option<usize> {
        let position = self.position(full_url, reference.reference.as_deref()?)?;
        let entry = self.entries.get(position)?;
        matches!(entry.resource, Resource::Patient(_)).then_some(position)
    }

    /// The position of the patient to whom an entry belongs.
    fn owner(&self, entry: &Entry) -> Option<usize> {
        let find = |reference| self.patient_of(entry.full_url.as_deref(), reference);
        if let Some(subject) = &entry.subject {
            return find(subject);
        }
        let mut found = entry.resource.other_subjects().into_iter().filter_map(find);
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }

    /// Gives a chart for each patient whose demographics can be read, and counts what is left out.
    pub fn charts(&self, options: &ImportOptions) -> ImportedBundle {
        let mut result = ImportedBundle::default();
        let mut skipped_of: HashMap<usize, Skipped> = HashMap::new();
        for left in &self.left {
            let owner = left.subject.as_ref().and_then(|subject| self.patient_of(left.full_url.as_deref(), subject));
            let skipped = owner.map_or(&mut result.skipped, |owner| skipped_of.entry(owner).or_default());
            count(skipped, &left.kind, left.reason);
        }
        let owners: Vec<Option<usize>> = self.entries.iter().map(|entry| self.owner(entry)).collect();
        let mut of_patient: HashMap<usize, Vec<usize>> = HashMap::new();
        for ((position, entry), owner) in self.entries.iter().enumerate().zip(&owners) {
            match owner {
                Some(owner) => of_patient.entry(*owner).or_default().push(position),
                None if needs_patient(&entry.resource) => {
                    count(&mut result.skipped, entry.resource.kind(), SkipReason::NoPatient);
                }
                None => {}
            }
        }
        let mut binaries = std::collections::HashSet::new();
        for (position, entry) in self.entries.iter().enumerate() {
            let Resource::Patient(patient) = &entry.resource else { continue };
            let mut skipped = skipped_of.remove(&position).unwrap_or_default();
            let mine = of_patient.remove(&position).unwrap_or_default();
            match patient.demographics(entry, options, &mut skipped) {
                Ok(patient) => {
                    let chart = Chart::new(self, position, &owners, mine, skipped, options);
                    result.charts.push(chart.finish(patient, &mut binaries));
                }
                Err(reason) => {
                    count(&mut result.skipped, "Patient", reason);
                    // the rest of that chart goes with its patient
                    for position in mine.iter().filter_map(|position| self.entries.get(*position)) {
                        if needs_patient(&position.resource) {
                            count(&mut result.skipped, position.resource.kind(), SkipReason::NoPatient);
                        }
                    }
                    for (key, times) in skipped {
                        *result.skipped.entry(key).or_default() += times;
                    }
                }
            }
        }
        for (position, entry) in self.entries.iter().enumerate() {
            if matches!(entry.resource, Resource::Binary(_)) && !binaries.contains(&position) {
                count(&mut result.skipped, "Binary", SkipReason::NotMapped);
            }
        }
        result
    }
}

/// Whether a resource is nothing without a patient.
fn needs_patient(resource: &Resource) -> bool {
    use Resource as R;
    !matches!(
        resource,
        R::Binary(_)
            | R::Goal(_)
            | R::Location(_)
            | R::Medication(_)
            | R::Organization(_)
            | R::Patient(_)
            | R::Practitioner(_)
            | R::PractitionerRole(_)
            | R::Questionnaire(_)
            | R::RelatedPerson(_)
    )
}

pub(super) fn count(skipped: &mut Skipped, what: &str, reason: SkipReason) {
    *skipped.entry((what.to_owned(), reason)).or_default() += 1;
}

impl Entry {
    /// Where its id is valid: the name that the user gave, else the base of a literal address (R4 §2.36.4); none where
    /// the address is a mere number (`urn:uuid:…`), or missing.
    pub fn source(&self, named: Option<&str>) -> Option<String> {
        let address = || {
            let url = self.full_url.as_deref()?.trim();
            let (before, id) = url.rsplit_once('/')?;
            let (base, kind) = before.rsplit_once('/')?;
            let is_server = base.starts_with("http://") || base.starts_with("https://");
            (is_server && !id.is_empty() && kind == self.resource.kind()).then(|| single_line(base, 400))
        };
        named.map(str::to_owned).or_else(address)
    }

    /// The same name in each import: `Type/id`, else the fullUrl, else the type and the place in the file.
    pub fn source_id(&self, position: usize) -> String {
        let kind = self.resource.kind();
        match (&self.id, &self.full_url) {
            (Some(id), _) => format!("{kind}/{}", single_line(id, 200)),
            (None, Some(url)) => single_line(url, 400),
            (None, None) => format!("{kind}#{position}"),
        }
    }
}
