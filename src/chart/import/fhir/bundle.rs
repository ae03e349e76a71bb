//! Reads a bundle (R4 §2.36) and resolves the references in it.

use std::collections::HashMap;
use std::io::Read;

use time::OffsetDateTime;

use super::chart::{Chart, name_of};
use super::read::{Found, Reopen};
use super::resource::{Header, Holder, Resource, read_one};
use super::types::{Reference, non_empty, single_line};
use super::unread::unread;
use super::{FhirError, ImportOptions, ImportedBundle, SkipReason, Skipped};
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
    /// the position of the resource that contains it (R4 §2.4.2.4)
    pub within: Option<usize>,
    /// the page that its source made of it (R4 §2.4.2.2)
    pub narrative: Option<String>,
    /// its files, where storage holds them
    pub files: Vec<KeptFile>,
    /// those of its fields that have no place in an item
    pub unread: Vec<&'static str>,
    kept_source: Option<String>,
}

/// The order of stored resources: by date, then name, then key.
type Sorted = (Option<OffsetDateTime>, Option<String>, Option<String>);

/// A resource that was left out, before its patient is known.
#[derive(Debug)]
struct Left {
    kind: String,
    reason: SkipReason,
    full_url: Option<String>,
    subject: Option<Reference>,
}

/// A bundle in memory, as typed resources without the text of the file.
#[derive(Debug, Default)]
pub struct Bundle {
    pub(super) entries: Vec<Entry>,
    left: Vec<Left>,
    by_url: HashMap<String, usize>,
    /// By `Type/id`; `None` where several resources of different `fullUrl` share it.
    by_type_and_id: HashMap<String, Option<usize>>,
    /// By the position of the outer resource and the local id.
    contained: HashMap<(usize, String), usize>,
    /// The patient of every resource that is not shared: stored resources are assigned to their patient already.
    only_patient: Option<usize>,
    owned: Vec<bool>,
}

/// A resource as it is stored.
#[derive(Debug, Clone)]
pub struct Kept {
    /// the row that stores it
    pub row: i64,
    /// the source within which its id is valid
    pub source: String,
    /// its address in the file
    pub full_url: Option<String>,
    /// the resource, as JSON
    pub json: String,
    /// since when its source has withdrawn it
    pub withdrawn: Option<Ts>,
    /// it was withdrawn before it was ever sent
    pub unseen: bool,
    /// it came with this import
    pub fresh: bool,
    /// whether it belongs to no patient
    pub shared: bool,
    /// its files, in the order of their numbers
    pub files: Vec<KeptFile>,
}

/// A file of a stored resource.
#[derive(Debug, Clone)]
pub struct KeptFile {
    /// the media type of its content; empty where that is not certain
    pub media_type: String,
    /// why the file is missing
    pub flaw: Option<SkipReason>,
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

/// Reads a file that fits into memory (forms: see [`super::read`]) and gives its resources.
///
/// # Errors
/// [`FhirError`]: the reader fails, the text is not JSON or not FHIR R4, or no Patient is in it. A broken resource is
/// no error: it is counted.
pub fn read_bundle(mut reader: impl Read) -> Result<Bundle, FhirError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(FhirError::Read)?;
    read_file(&bytes)
}

/// Does the same for a file that can be read more than once. All of it is held in memory.
///
/// # Errors
/// See [`read_bundle`].
pub fn read_file(source: &dyn Reopen) -> Result<Bundle, FhirError> {
    let mut bundle = Bundle::default();
    let mut has_patient = false;
    super::read::check(source)?;
    super::read::resources(source, &mut |found| has_patient |= bundle.add(found))?;
    if has_patient { Ok(bundle) } else { Err(FhirError::NoPatient) }
}

/// The name of a type as it may be printed: a text that can't be such a name becomes "Resource".
pub(super) fn printable(kind: &str) -> String {
    let plausible = !kind.is_empty() && kind.len() <= 40 && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    if plausible { kind.to_owned() } else { "Resource".to_owned() }
}

impl Bundle {
    /// A bundle of the resources that are stored of one patient, with the shared ones that they name.
    pub fn of_kept(kept: Vec<Kept>) -> Bundle {
        let mut read: Vec<(Sorted, Entry, Option<String>, bool)> = Vec::new();
        for it in kept {
            let Ok((kind, header)) = Header::read(&it.json) else { continue };
            let Some(Ok(resource)) = Resource::read(&kind, &it.json) else { continue };
            let mut entry = Entry::new(it.full_url, header, resource);
            (entry.withdrawn, entry.unseen) = (it.withdrawn, it.unseen);
            (entry.fresh, entry.row) = (it.fresh, Some(it.row));
            (entry.files, entry.kept_source) = (it.files, Some(it.source));
            entry.unread = unread(&entry.resource, &it.json);
            let order = (entry.resource.when(), name_of(&entry.resource), entry.address().key());
            // a chart may be long: the text is kept only where it is read once more
            let holder = it.json.contains("\"contained\"").then_some(it.json);
            read.push((order, entry, holder, !it.shared));
        }
        // in an order of their own: the order in a file means nothing
        read.sort_by(|a, b| a.0.cmp(&b.0));
        let mut bundle = Bundle::default();
        for (_, entry, holder, owned) in read {
            let is_patient = owned && matches!(entry.resource, Resource::Patient(_));
            if let Ok(position) = bundle.index(entry) {
                holder.iter().for_each(|json| bundle.contain(position, json));
                bundle.owned.resize(bundle.entries.len(), owned);
                if is_patient {
                    bundle.only_patient = Some(position);
                }
            }
        }
        bundle
    }

    /// Adds an entry; gives whether it is a patient.
    fn add(&mut self, found: Found) -> bool {
        if found.broken {
            self.leave("Resource", SkipReason::Malformed, None, None);
            return false;
        }
        let Some(json) = found.json else { return false };
        let (kind, read) = read_one(json.get());
        match read {
            Err((reason, subject)) => self.leave(&kind, reason, found.full_url, subject),
            Ok((header, resource)) => {
                let mut entry = Entry::new(found.full_url, header, resource);
                entry.unread = unread(&entry.resource, json.get());
                match self.index(entry) {
                    Ok(position) => self.contain(position, json.get()),
                    Err(entry) => self.leave(&kind, SkipReason::Duplicate, entry.full_url, entry.subject),
                }
            }
        }
        kind == "Patient"
    }

    /// Adds the resources that a resource contains.
    fn contain(&mut self, outer: usize, json: &str) {
        let Ok(holder) = serde_json::from_str::<Holder>(json) else { return };
        for raw in holder.contained {
            let Ok((kind, header)) = Header::read(raw.get()) else { continue };
            let (Some(id), Some(Ok(resource))) = (header.id.clone(), Resource::read(&kind, raw.get())) else {
                continue;
            };
            // its fields do not mean what they say
            if header.has_modifiers() {
                continue;
            }
            let is_error = header.is_entered_in_error();
            let mut entry = Entry::new(None, header, resource);
            entry.unread = unread(&entry.resource, raw.get());
            let Some(holder) = self.entries.get(outer) else { continue };
            (entry.within, entry.fresh, entry.row) = (Some(outer), holder.fresh, holder.row);
            entry.withdrawn = holder.withdrawn.or_else(|| is_error.then(|| OffsetDateTime::UNIX_EPOCH.into()));
            entry.files = holder.files.clone();
            entry.kept_source = holder.kept_source.clone();
            self.contained.insert((outer, id), self.entries.len());
            self.entries.push(entry);
        }
    }

    /// The position of the resource that a local reference (`#id`) names.
    pub(super) fn local(&self, from: usize, id: &str) -> Option<usize> {
        let outer = self.entries.get(from)?.within.unwrap_or(from);
        self.contained.get(&(outer, id.to_owned())).copied()
    }

    fn leave(&mut self, kind: &str, reason: SkipReason, full_url: Option<String>, subject: Option<Reference>) {
        self.left.push(Left { kind: printable(kind), reason, full_url, subject });
    }

    /// Adds an entry, unless an earlier one has its address.
    pub(super) fn index(&mut self, entry: Entry) -> Result<usize, Box<Entry>> {
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
        Ok(position)
    }

    /// Finds the resource of the bundle that a literal reference names (R4 §2.36.4.1): `fullUrl` first, with a relative
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
            // the reference has no type: it can only name a patient, and only one that has no address of its own
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
    fn owner(&self, position: usize, entry: &Entry) -> Option<usize> {
        if let Some(outer) = entry.within {
            return self.entries.get(outer).and_then(|holder| self.owner(outer, holder));
        }
        if self.only_patient.is_some() {
            let owned = self.owned.get(position).copied().unwrap_or_default();
            return self.only_patient.filter(|_| owned && needs_patient(&entry.resource));
        }
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
        let owners: Vec<Option<usize>> =
            self.entries.iter().enumerate().map(|(position, entry)| self.owner(position, entry)).collect();
        let mut of_patient: HashMap<usize, Vec<usize>> = HashMap::new();
        for ((position, entry), owner) in self.entries.iter().enumerate().zip(&owners) {
            if entry.within.is_some() {
                continue;
            }
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
            for field in &entry.unread {
                count(&mut skipped, &format!("Patient.{field}"), SkipReason::NotMapped);
            }
            let read = patient.demographics(entry, options, &mut skipped);
            if self.only_patient.is_some() {
                // the survey of the files has counted these parts already
                skipped.clear();
            }
            match read {
                Ok(patient) => {
                    let chart = Chart::new(self, position, &owners, mine, skipped, options);
                    result.charts.push(chart.finish(patient, &mut binaries));
                }
                Err(reason) => {
                    count(&mut result.skipped, "Patient", reason);
                    // the rest of that chart is left out too
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
            if matches!(entry.resource, Resource::Binary(_)) && entry.fresh && !binaries.contains(&position) {
                count(&mut result.skipped, "Binary", SkipReason::NotMapped);
            }
        }
        result
    }
}

/// Whether a resource makes no sense without a patient.
pub(super) fn needs_patient(resource: &Resource) -> bool {
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
            within: None,
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
