//! A resource of a bundle, with its addresses.

use super::KeptFile;
use super::resource::{Header, Resource};
use super::types::{Reference, non_empty, single_line};
use crate::db::Ts;

/// A resource of a bundle.
#[derive(Debug)]
pub(super) struct Entry {
    pub full_url: Option<String>,
    pub id: Option<String>,
    pub resource: Resource,
    /// `subject`, else `patient`.
    pub subject: Option<Reference>,
    /// since when its source has withdrawn it; then only its name is still shown
    pub withdrawn: Option<Ts>,
    /// it was withdrawn before it was ever sent: its key is all that is known of it
    pub unseen: bool,
    /// it came with this import, and was not stored before
    pub fresh: bool,
    /// the row that stores it
    pub row: Option<i64>,
    /// the page that its source made of it (R4 §2.4.2.2)
    pub narrative: Option<String>,
    /// its files, where storage holds them
    pub files: Vec<KeptFile>,
    /// those of its fields that have no place in an item
    pub unread: Vec<&'static str>,
    /// the source that it was stored under
    pub kept_source: Option<String>,
}

/// How a resource is addressed, for the references to it and from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address<'a> {
    pub full_url: Option<&'a str>,
    pub id: Option<&'a str>,
    pub kind: &'a str,
}

impl Address<'_> {
    /// The source within which its id is valid: the name that the user gave, else the base of a literal address (R4
    /// §2.36.4); `None` where the address is a mere number (`urn:uuid:…`), or missing.
    pub fn source(&self, named: Option<&str>) -> Option<String> {
        let address = || {
            let (before, id) = self.full_url?.trim().rsplit_once('/')?;
            let (base, kind) = before.rsplit_once('/')?;
            let is_server = base.starts_with("http://") || base.starts_with("https://");
            (is_server && !id.is_empty() && kind == self.kind).then(|| single_line(base, 400))
        };
        named.map(str::to_owned).or_else(address)
    }

    /// A name that is the same in each import: `Type/id`, else the address.
    pub fn key(&self) -> Option<String> {
        let id = self.id.map(|id| format!("{}/{}", self.kind, single_line(id, 200)));
        id.or_else(|| self.full_url.map(|url| single_line(url, 400)))
    }
}

impl Entry {
    /// A resource that was just read.
    pub fn new(full_url: Option<String>, header: Header, resource: Resource) -> Entry {
        Entry {
            full_url,
            id: header.id.filter(|id| !id.trim().is_empty()),
            resource,
            subject: header.subject.or(header.patient),
            withdrawn: None,
            unseen: false,
            fresh: true,
            row: None,
            narrative: header.text.and_then(|text| text.div),
            files: Vec::new(),
            unread: Vec::new(),
            kept_source: None,
        }
    }

    /// The resource's addresses.
    pub fn address(&self) -> Address<'_> {
        Address { full_url: self.full_url.as_deref(), id: self.id.as_deref(), kind: self.resource.kind() }
    }

    /// The source within which its id is valid.
    pub fn source(&self, named: Option<&str>) -> Option<String> {
        self.kept_source.clone().or_else(|| self.address().source(named))
    }

    /// The id of a patient in the patient's source.
    pub fn own_id(&self) -> Option<String> {
        let id = self.id.as_deref().and_then(non_empty).or_else(|| self.full_url.as_deref().and_then(non_empty))?;
        Some(single_line(&id, 400))
    }

    /// A name that is the same in each import: `Type/id`, else the fullUrl, else the type and the position in the file.
    pub fn source_id(&self, position: usize) -> String {
        self.address().key().unwrap_or_else(|| format!("{}#{position}", self.resource.kind()))
    }
}

/// Whether a resource of this type makes no sense without a patient.
pub(super) fn needs_patient(kind: &str) -> bool {
    !matches!(
        kind,
        "Binary"
            | "Goal"
            | "Location"
            | "Medication"
            | "Organization"
            | "Patient"
            | "Practitioner"
            | "PractitionerRole"
            | "Questionnaire"
            | "RelatedPerson"
    )
}

/// The name of a type as it may be printed: a text that can't be such a name becomes "Resource".
pub(super) fn printable(kind: &str) -> String {
    let plausible = !kind.is_empty() && kind.len() <= 40 && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    if plausible { kind.to_owned() } else { "Resource".to_owned() }
}
