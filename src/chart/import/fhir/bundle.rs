//! Reads a bundle (R4 §2.36) and resolves the references in it.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::io::Read;

use time::OffsetDateTime;

use super::chart::{Desk, State, make, name_of};
use super::entry::{Entry, needs_patient, printable};
use super::read::{Found, Reopen};
use super::resource::{Resource, read_one};
use super::shelf::{Kept, Shelf, Slot, Slots, contained};
use super::types::Reference;
use super::unread::unread;
use super::{
    Emptied, FhirError, ImportOptions, ImportedBundle, ImportedChart, ImportedItem, ImportedPatient, SkipReason,
    Skipped,
};

/// A part of a chart, in the order in which a chart is made.
#[derive(Debug)]
pub enum Part {
    /// a chart begins: whose it is
    Patient(ImportedPatient),
    /// an item of it, with the position of its resource
    Item(usize, ImportedItem),
    /// the chart ends: the items of which nothing is left, and what was left out of it
    End(Vec<Emptied>, Skipped),
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

/// The resources of a bundle, as typed resources without the text of the file.
#[derive(Debug, Default)]
pub struct Bundle {
    pub(super) slots: Slots,
    left: Vec<Left>,
    by_url: HashMap<String, usize>,
    /// By `Type/id`; `None` where several resources of different `fullUrl` share it.
    by_type_and_id: HashMap<String, Option<usize>>,
    /// By the position of the outer resource and the local id.
    contained: HashMap<(usize, String), usize>,
    /// The patient of every resource that is not shared: stored resources are assigned to their patient already.
    only_patient: Option<usize>,
}

/// The resources that are stored of one patient, with the shared ones that they name, before they are a bundle.
#[derive(Debug, Default)]
pub struct Gathered {
    slots: Slots,
    read: Vec<Noted>,
}

/// What is known of a stored resource before it has its position.
#[derive(Debug)]
struct Noted {
    order: Sorted,
    full_url: Option<String>,
    id: Option<String>,
    slot: Slot,
    /// local id and place of each resource that it contains
    inner: Vec<(String, Slot)>,
}

/// Reads a file that fits into memory (forms: see [`super::read`]) and gives its resources.
///
/// # Errors
/// [`FhirError`]: the reader fails, the text is not JSON or not FHIR R4, or no Patient is in it. A broken resource is
/// no error: it is counted.
pub fn read_bundle(mut reader: impl Read) -> Result<Bundle, FhirError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(FhirError::Read)?;
    read_files(&[&bytes])
}

/// Does the same for files that can be read more than once and come together, such as one for each type of resource: a Patient
/// has to be in one of them. All of it is held in memory.
///
/// # Errors
/// See [`read_bundle`].
pub fn read_files(sources: &[&dyn Reopen]) -> Result<Bundle, FhirError> {
    let mut bundle = Bundle::default();
    let mut has_patient = false;
    for source in sources {
        super::read::check(*source)?;
        super::read::resources(*source, &mut |found| has_patient |= bundle.add(found))?;
    }
    if has_patient { Ok(bundle) } else { Err(FhirError::NoPatient) }
}

impl Gathered {
    /// Adds a stored resource. Whether it is also held depends on how much was added before.
    pub fn add(&mut self, kept: &Kept) {
        let Some(entry) = kept.entry() else { return };
        let order = (entry.resource.when(), name_of(&entry.resource), entry.address().key());
        let (full_url, id) = (entry.full_url.clone(), entry.id.clone());
        let inner = contained(&entry, &kept.json);
        let is_held = kept.row == 0 || self.slots.has_room_for(kept.json.len());
        let place = |entry: Entry, owned| {
            let slot = Slot::of(&entry, owned);
            if is_held {
                slot.hold(entry);
            }
            slot
        };
        let slot = place(entry, !kept.shared);
        let inner = inner.into_iter().map(|(id, entry)| (id, place(entry, false))).collect();
        self.read.push(Noted { order, full_url, id, slot, inner });
    }

    /// The bundle of all that was added.
    pub fn bundle(mut self) -> Bundle {
        // in an order of their own: the order in a file means nothing
        self.read.sort_by(|a, b| a.order.cmp(&b.order));
        let mut bundle = Bundle { slots: self.slots, ..Bundle::default() };
        for Noted { full_url, id, slot, inner, .. } in self.read {
            let is_patient = slot.owned && slot.kind == "Patient";
            if let Ok(position) = bundle.index(full_url, id, slot) {
                for (id, slot) in inner {
                    bundle.contain(position, id, slot);
                }
                if is_patient {
                    bundle.only_patient = Some(position);
                }
            }
        }
        bundle
    }
}

impl Bundle {
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
                let slot = Slot::of(&entry, false);
                match self.index(entry.full_url.clone(), entry.id.clone(), slot) {
                    Ok(position) => {
                        for (id, inner) in contained(&entry, json.get()) {
                            let slot = Slot::of(&inner, false);
                            slot.hold(inner);
                            self.contain(position, id, slot);
                        }
                        if let Some(slot) = self.slots.get(position) {
                            slot.hold(entry);
                        }
                    }
                    Err(_) => self.leave(&kind, SkipReason::Duplicate, entry.full_url, entry.subject),
                }
            }
        }
        kind == "Patient"
    }

    /// Adds a resource that another one contains, right behind it.
    fn contain(&mut self, outer: usize, id: String, slot: Slot) {
        self.contained.insert((outer, id), self.slots.len());
        self.slots.push(slot.inside(outer));
    }

    /// The position of the resource that a local reference (`#id`) names.
    pub(super) fn local(&self, from: usize, id: &str) -> Option<usize> {
        let outer = self.slots.get(from)?.within.unwrap_or(from);
        self.contained.get(&(outer, id.to_owned())).copied()
    }

    fn leave(&mut self, kind: &str, reason: SkipReason, full_url: Option<String>, subject: Option<Reference>) {
        self.left.push(Left { kind: printable(kind), reason, full_url, subject });
    }

    /// Adds a resource under its addresses, unless an earlier one has them.
    pub(super) fn index(&mut self, full_url: Option<String>, id: Option<String>, slot: Slot) -> Result<usize, Slot> {
        let position = self.slots.len();
        let key = id.map(|id| format!("{}/{id}", slot.kind));
        match (&full_url, &key) {
            (Some(url), _) if self.by_url.contains_key(url) => return Err(slot),
            (None, Some(key)) if self.by_type_and_id.contains_key(key) => return Err(slot),
            _ => {}
        }
        if let Some(url) = full_url {
            self.by_url.insert(url, position);
        }
        if let Some(key) = key {
            self.by_type_and_id.entry(key).and_modify(|known| *known = None).or_insert(Some(position));
        }
        self.slots.push(slot);
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
        let without_url = |position: &usize| self.slots.get(*position).is_some_and(|slot| !slot.has_url);
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
        (self.slots.get(position)?.kind == "Patient").then_some(position)
    }

    /// The position of the patient to whom a resource belongs.
    fn owner(&self, position: usize) -> Option<usize> {
        let slot = self.slots.get(position)?;
        if let Some(outer) = slot.within {
            return self.owner(outer);
        }
        if self.only_patient.is_some() {
            return self.only_patient.filter(|_| slot.owned && needs_patient(slot.kind));
        }
        let entry = slot.held()?;
        let find = |reference| self.patient_of(entry.full_url.as_deref(), reference);
        if let Some(subject) = &entry.subject {
            return find(subject);
        }
        let mut found = entry.resource.other_subjects().into_iter().filter_map(find);
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }

    /// Gives a chart for each patient whose demographics can be read, and counts what is left out.
    pub fn charts(mut self, options: &ImportOptions) -> ImportedBundle {
        let mut charts: Vec<ImportedChart> = Vec::new();
        let mut items: Vec<(usize, ImportedItem)> = Vec::new();
        let Ok(skipped) = self.walk::<Infallible>(None, options, &mut |part| {
            match part {
                Part::Patient(patient) => {
                    let (items, skipped, emptied) = Default::default();
                    charts.push(ImportedChart { patient, items, skipped, emptied });
                }
                Part::Item(position, item) => items.push((position, item)),
                Part::End(emptied, skipped) => {
                    items.sort_by(|(left, a), (right, b)| (a.occurred_at, left).cmp(&(b.occurred_at, right)));
                    let items = std::mem::take(&mut items).into_iter().map(|(_, item)| item).collect();
                    if let Some(chart) = charts.last_mut() {
                        (chart.items, chart.skipped, chart.emptied) = (items, skipped, emptied);
                    }
                }
            }
            Ok(())
        });
        ImportedBundle { charts, skipped }
    }

    /// Makes a chart for each patient whose demographics can be read, and gives each part of it to `sink` as soon as it
    /// is made; then gives what belongs to none of the charts. Stored resources that are not held come from the shelf.
    ///
    /// # Errors
    /// The first one of `sink`, which ends the work.
    pub fn walk<E>(
        &mut self,
        shelf: Option<&dyn Shelf>,
        options: &ImportOptions,
        sink: &mut dyn FnMut(Part) -> Result<(), E>,
    ) -> Result<Skipped, E> {
        let mut all = Skipped::new();
        let mut skipped_of: HashMap<usize, Skipped> = HashMap::new();
        for left in &self.left {
            let owner = left.subject.as_ref().and_then(|subject| self.patient_of(left.full_url.as_deref(), subject));
            let skipped = owner.map_or(&mut all, |owner| skipped_of.entry(owner).or_default());
            count(skipped, &left.kind, left.reason);
        }
        let owners: Vec<Option<usize>> = (0..self.slots.len()).map(|position| self.owner(position)).collect();
        let mut of_patient: HashMap<usize, Vec<usize>> = HashMap::new();
        for ((position, slot), owner) in self.slots.iter().enumerate().zip(&owners) {
            if slot.within.is_some() {
                continue;
            }
            match owner {
                Some(owner) => of_patient.entry(*owner).or_default().push(position),
                None if needs_patient(slot.kind) => count(&mut all, slot.kind, SkipReason::NoPatient),
                None => {}
            }
        }
        let patients = self.slots.iter().enumerate().filter(|(_, slot)| slot.kind == "Patient");
        let patients: Vec<usize> = patients.map(|(position, _)| position).collect();
        let mut binaries = HashSet::new();
        for position in patients {
            let Some(entry) = self.slots.entry(position, shelf) else { continue };
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
                    sink(Part::Patient(patient))?;
                    let desk = Desk { patient: position, owners: &owners, source: options.source.as_deref(), shelf };
                    let mut state = State::beginning_with(skipped);
                    make(self, &desk, &mine, &mut state, sink)?;
                    binaries.extend(state.binaries);
                    sink(Part::End(state.emptied, state.skipped))?;
                }
                Err(reason) => {
                    count(&mut all, "Patient", reason);
                    // the rest of that chart is left out too
                    for slot in mine.iter().filter_map(|position| self.slots.get(*position)) {
                        if needs_patient(slot.kind) {
                            count(&mut all, slot.kind, SkipReason::NoPatient);
                        }
                    }
                    for (key, times) in skipped {
                        *all.entry(key).or_default() += times;
                    }
                }
            }
        }
        for (position, slot) in self.slots.iter().enumerate() {
            if slot.kind == "Binary" && slot.fresh && !binaries.contains(&position) {
                count(&mut all, "Binary", SkipReason::NotMapped);
            }
        }
        Ok(all)
    }
}

pub(super) fn count(skipped: &mut Skipped, what: &str, reason: SkipReason) {
    *skipped.entry((what.to_owned(), reason)).or_default() += 1;
}
