//! Prepares the resources of a file for storing: each with its source, its key and its patient.

use std::collections::{BTreeMap, HashMap};

use super::bundle::{Bundle, count};
use super::entry::{Address, Entry, needs_patient, printable};
use super::read::Found;
use super::resource::{Header, Resource, read_one};
use super::shelf::Slot;
use super::slim::slim;
use super::types::{Reference, single_line};
use super::unread::unread;
use super::version::other_release;
use super::when::moment;
use super::{ImportOptions, ImportedPatient, SkipReason, Skipped};
use crate::db::Ts;
use crate::emr::OWN_SYSTEM;
use crate::patients::{SourceId, UNNAMED};

/// A resource that is ready to be stored.
#[derive(Debug)]
pub struct Prepared {
    /// the server's base address, the name that the user gave, or a placeholder for a source that has neither
    pub source: String,
    /// `Type/id` within the source, else the whole address
    pub key: String,
    /// its address in the file
    pub full_url: Option<String>,
    /// its type
    pub kind: String,
    /// its patient; `None` for a resource of nobody, such as a practitioner
    pub owner: Option<SourceId>,
    /// the resource on one line, its files taken out
    pub json: String,
    /// when its source last changed it, as the source says
    pub updated_at: Option<Ts>,
    /// whether its source withdraws it
    pub withdrawn: bool,
    /// base64 of its files, with the type that the record declares for each
    pub files: Vec<(String, Option<String>)>,
}

/// What is done with an entry of a file.
#[derive(Debug)]
pub enum Taken {
    /// the resource is to be stored
    Ready(Box<Prepared>),
    /// it is left out: its type, and why
    Skipped(String, SkipReason),
    /// an entry without a resource
    Nothing,
}

/// The patients of files that come together: all are known before anything of theirs is stored.
#[derive(Debug, Default)]
pub struct Survey {
    /// a resource of another release of FHIR is left out by itself, and does not refuse its file
    pub(super) is_one_by_one: bool,
    index: Bundle,
    ids: Vec<SourceId>,
    /// the patients whose demographics can be read
    pub people: BTreeMap<(String, String), ImportedPatient>,
    /// patients whose record cannot be read, and why
    pub unreadable: BTreeMap<(String, String), SkipReason>,
    /// patients of whom nothing is stored, and why
    pub refused: HashMap<SourceId, SkipReason>,
    /// parts of the patients' records that are left out
    pub skipped: Skipped,
}

fn pair(id: &SourceId) -> (String, String) {
    (id.source.clone(), id.id.clone())
}

/// The identifier by which an export of Postern names a caregiver.
const CAREGIVER: &str = "\"urn:postern:caregiver\"";

/// Whether an id is unique in the whole world (RFC 9562).
fn is_uuid(id: &str) -> bool {
    let parts: Vec<&str> = id.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Survey {
    /// A survey of what a server sends by itself: nobody is there to correct a file, so an odd resource is left out alone.
    pub fn one_by_one() -> Survey {
        Survey { is_one_by_one: true, ..Survey::default() }
    }

    /// Notes the patient, if the resource is one.
    pub(super) fn look_at(&mut self, found: &Found, options: &ImportOptions) {
        let Some(json) = &found.json else { return };
        // most resources are not patients; this is the cheapest check
        if !json.get().contains("\"Patient\"") {
            return;
        }
        let (kind, Ok((header, resource))) = read_one(json.get()) else { return };
        let Resource::Patient(patient) = &resource else { return };
        let mut skipped = Skipped::new();
        for field in unread(&resource, json.get()) {
            count(&mut skipped, &format!("Patient.{field}"), SkipReason::NotMapped);
        }
        let entry = Entry::new(found.full_url.clone(), header, Resource::Patient(Box::default()));
        let id = SourceId {
            source: entry.source(options.source.as_deref()).unwrap_or_else(|| UNNAMED.to_owned()),
            id: entry.own_id().unwrap_or_default(),
        };
        match patient.demographics(&entry, options, &mut skipped) {
            Ok(person) => {
                self.people.entry(pair(&id)).or_insert(person);
            }
            Err(reason) => {
                self.unreadable.entry(pair(&id)).or_insert(reason);
            }
        }
        debug_assert_eq!(kind, "Patient");
        let slot = Slot::of(&entry, false);
        if self.index.index(entry.full_url, entry.id, slot).is_ok() {
            self.ids.push(id);
            for (what, times) in skipped {
                *self.skipped.entry(what).or_default() += times;
            }
        }
    }

    /// The patient whom a reference names: one of these files, else one whom the source may have sent before.
    fn owner(&self, from: &Address, reference: &Reference, options: &ImportOptions) -> Option<SourceId> {
        let reference = reference.reference.as_deref()?.trim();
        if let Some(position) = self.index.position(from.full_url, reference) {
            return self.ids.get(position).cloned();
        }
        let named = options.source.clone();
        if let Some(id) = reference.strip_prefix("urn:uuid:") {
            let source = named.unwrap_or_else(|| UNNAMED.to_owned());
            return is_uuid(id).then(|| SourceId { source, id: id.to_owned() });
        }
        let reference = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
        let mut parts = reference.rsplitn(3, '/');
        let (id, kind, base) = (parts.next()?, parts.next()?, parts.next());
        if kind != "Patient" || id.is_empty() {
            return None;
        }
        let source = match (named, base) {
            (Some(named), _) => named,
            (None, Some(base)) => base.to_owned(),
            (None, None) => from.source(None).unwrap_or_else(|| UNNAMED.to_owned()),
        };
        // an id without a source says nothing of a patient who is not in these files
        (source != UNNAMED || is_uuid(id)).then(|| SourceId { source, id: id.to_owned() })
    }

    /// Prepares a resource, or gives the reason why it is left out.
    pub(super) fn prepare(&self, found: Found, options: &ImportOptions) -> Taken {
        if found.broken {
            return Taken::Skipped("Resource".to_owned(), SkipReason::Malformed);
        }
        let Some(json) = found.json else {
            return found.deleted.map_or(Taken::Nothing, |deleted| self.deleted(&deleted, options));
        };
        let json = json.get();
        if self.is_one_by_one && other_release(json).is_some() {
            return Taken::Skipped(printable(&super::kind_of(json)), SkipReason::Malformed);
        }
        // most resources are not: the first check is cheap
        if json.contains(OWN_SYSTEM) && Header::read(json).is_ok_and(|(_, header)| header.is_written_back()) {
            return Taken::Nothing;
        }
        let (kind, header, resource) = match read_one(json) {
            (kind, Ok((header, resource))) => (kind, header, resource),
            (kind, Err((SkipReason::EnteredInError, _))) => match Header::read(json) {
                Ok((_, header)) if Resource::is_read(&kind) => {
                    return self.withdrawn(found.full_url, &kind, header, options);
                }
                _ => return Taken::Skipped(printable(&kind), SkipReason::EnteredInError),
            },
            (kind, Err((reason, _))) => return Taken::Skipped(printable(&kind), reason),
        };
        // a caregiver of another clinic's: no import gives anybody access, and nothing else is known of them
        if kind == "RelatedPerson" && json.contains(CAREGIVER) {
            return Taken::Skipped(kind, SkipReason::NotMapped);
        }
        let updated_at = header.updated_at();
        let entry = Entry::new(found.full_url, header, resource);
        let owner = match &entry.resource {
            Resource::Patient(_) => {
                let source = entry.source(options.source.as_deref()).unwrap_or_else(|| UNNAMED.to_owned());
                Some(SourceId { source, id: entry.own_id().unwrap_or_default() })
            }
            resource if needs_patient(resource.kind()) => match self.owner_of(&entry, options) {
                Some(owner) => Some(owner),
                None => return Taken::Skipped(kind, SkipReason::NoPatient),
            },
            _ => None,
        };
        if let Some(reason) = owner.as_ref().and_then(|owner| self.refused.get(owner)) {
            return Taken::Skipped(kind, *reason);
        }
        if kind == "Patient"
            && let Some(reason) = owner.as_ref().and_then(|owner| self.unreadable.get(&pair(owner)))
        {
            return Taken::Skipped(kind, *reason);
        }
        let Some(slim) = slim(json) else { return Taken::Skipped(kind, SkipReason::TooDeep) };
        let key = entry.address().key().unwrap_or_else(|| format!("{kind}#{}", digest(&slim.json)));
        let source = self.source(&entry.address(), owner.as_ref(), options);
        Taken::Ready(Box::new(Prepared {
            source,
            key,
            full_url: entry.full_url.map(|url| single_line(&url, 500)),
            kind,
            owner,
            json: slim.json,
            updated_at,
            withdrawn: false,
            files: slim.files,
        }))
    }

    /// The source within which the id of a resource is valid. A resource without an address has its patient's source.
    fn source(&self, from: &Address, owner: Option<&SourceId>, options: &ImportOptions) -> String {
        if let Some(source) = from.source(options.source.as_deref()) {
            return source;
        }
        let one = || self.ids.first().filter(|first| self.ids.iter().all(|id| id == *first));
        match owner.or_else(one) {
            Some(owner) if owner.source == UNNAMED => format!("{UNNAMED}:{}", owner.id),
            Some(owner) => owner.source.clone(),
            None => UNNAMED.to_owned(),
        }
    }

    fn owner_of(&self, entry: &Entry, options: &ImportOptions) -> Option<SourceId> {
        let from = entry.address();
        if let Some(subject) = &entry.subject {
            return self.owner(&from, subject, options);
        }
        let others = entry.resource.other_subjects();
        let mut found = others.into_iter().filter_map(|reference| self.owner(&from, reference, options));
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }

    fn withdrawn(&self, full_url: Option<String>, kind: &str, header: Header, options: &ImportOptions) -> Taken {
        let from = Address { full_url: full_url.as_deref(), id: header.id.as_deref(), kind };
        let subject = header.subject.as_ref().or(header.patient.as_ref());
        let owner = match subject {
            // of somebody who is not known it is nobody's: it must not reach what the only patient here has under that id
            Some(subject) => match self.owner(&from, subject, options) {
                Some(owner) => Some(owner),
                None => return Taken::Skipped(kind.to_owned(), SkipReason::NoPatient),
            },
            None => self.ids.first().filter(|_| self.ids.len() == 1).cloned(),
        };
        if let Some(reason) = owner.as_ref().and_then(|owner| self.refused.get(owner)) {
            return Taken::Skipped(kind.to_owned(), *reason);
        }
        let Some(key) = from.key() else { return Taken::Skipped(kind.to_owned(), SkipReason::EnteredInError) };
        let source = self.source(&from, owner.as_ref(), options);
        let updated_at = header.updated_at();
        Taken::Ready(Box::new(Prepared {
            source,
            key,
            full_url,
            kind: kind.to_owned(),
            owner,
            json: String::new(),
            updated_at,
            withdrawn: true,
            files: Vec::new(),
        }))
    }

    /// Takes a deletion on the server as a withdrawal.
    fn deleted(&self, address: &str, options: &ImportOptions) -> Taken {
        let mut parts = address.rsplitn(3, '/');
        let (Some(id), Some(kind)) = (parts.next(), parts.next()) else { return Taken::Nothing };
        if !Resource::is_read(kind) {
            return Taken::Nothing;
        }
        // the clinic decides whether it keeps a patient's record: a deletion at the source is reported, not followed
        if kind == "Patient" {
            return Taken::Skipped("Patient".to_owned(), SkipReason::Deleted);
        }
        let header = Header { id: Some(id.to_owned()), ..Header::default() };
        let full_url = parts.next().filter(|base| base.contains("://")).map(|base| format!("{base}/{kind}/{id}"));
        self.withdrawn(full_url, kind, header, options)
    }
}

/// A key for a resource that has none: made from its content.
fn digest(json: &str) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(json)).chars().take(32).collect()
}

impl Header {
    fn updated_at(&self) -> Option<Ts> {
        let text = self.meta.as_ref()?.last_updated.as_deref()?;
        moment(text).map(|moment| moment.at.into())
    }
}
