//! What is held of a bundle's resources while charts are made of them: all of a file, but of stored resources only so
//! many as are needed, so that memory does not grow with the length of a chart.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::SkipReason;
use super::entry::Entry;
use super::resource::{Header, Holder, Resource};
use super::unread::unread;
use crate::db::Ts;

/// The most text of stored resources that is held as typed resources, in bytes. A usual chart is smaller: it is read
/// once, and stays.
const MOST_HELD: usize = 4 * 1024 * 1024;
/// The most resources that are fetched at once.
const AT_ONCE: usize = 50;
/// As much text as is fetched at once, in bytes, by the length of those that were fetched before.
const TEXT_AT_ONCE: usize = 1024 * 1024;

/// How many texts to fetch at once, where so many had so many bytes.
pub fn at_once(count: usize, bytes: usize) -> usize {
    match count {
        0 => 5,
        count => (TEXT_AT_ONCE / (bytes / count).max(1)).clamp(1, AT_ONCE),
    }
}

/// Where stored resources can be had again.
pub trait Shelf {
    /// The resources of these rows, in any order. One that cannot be had is missing from them.
    fn fetch(&self, rows: &[i64]) -> Vec<Kept>;
}

/// A resource as it is stored.
#[derive(Debug, Clone)]
pub struct Kept {
    /// the row that stores it; 0: none does
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

impl Kept {
    /// The resource, without those that it contains; `None` where it cannot be read.
    pub(super) fn entry(&self) -> Option<Entry> {
        let (kind, header) = Header::read(&self.json).ok()?;
        let resource = Resource::read(&kind, &self.json)?.ok()?;
        let mut entry = Entry::new(self.full_url.clone(), header, resource);
        (entry.withdrawn, entry.unseen) = (self.withdrawn, self.unseen);
        (entry.fresh, entry.row) = (self.fresh, Some(self.row));
        (entry.files, entry.kept_source) = (self.files.clone(), Some(self.source.clone()));
        entry.unread = unread(&entry.resource, &self.json);
        Some(entry)
    }
}

/// The resources that a resource contains (R4 §2.4.2.4), each with its local id.
pub(super) fn contained(outer: &Entry, json: &str) -> Vec<(String, Entry)> {
    // most resources contain none; this is the cheapest check
    if !json.contains("\"contained\"") {
        return Vec::new();
    }
    let holder: Holder = serde_json::from_str(json).unwrap_or_default();
    let read = holder.contained.into_iter().filter_map(|raw| {
        let (kind, header) = Header::read(raw.get()).ok()?;
        let (id, resource) = (header.id.clone()?, Resource::read(&kind, raw.get())?.ok()?);
        // its fields do not mean what they say
        if header.has_modifiers() {
            return None;
        }
        let is_error = header.is_entered_in_error();
        let mut entry = Entry::new(None, header, resource);
        entry.unread = unread(&entry.resource, raw.get());
        (entry.fresh, entry.row) = (outer.fresh, outer.row);
        entry.withdrawn = outer.withdrawn.or_else(|| is_error.then(|| time::OffsetDateTime::UNIX_EPOCH.into()));
        entry.files = outer.files.clone();
        entry.kept_source = outer.kept_source.clone();
        Some((id, entry))
    });
    read.collect()
}

/// What is always known of a resource, and the resource where it is held.
#[derive(Debug)]
pub(super) struct Slot {
    /// its type
    pub kind: &'static str,
    /// whether the file gives it an address
    pub has_url: bool,
    pub fresh: bool,
    pub is_withdrawn: bool,
    /// an encounter that has a place in time
    pub starts: bool,
    /// it was assigned to the patient when it was stored
    pub owned: bool,
    /// the position of the resource that contains it
    pub within: Option<usize>,
    /// the row from which it can be fetched again; 0: from none
    row: i64,
    held: OnceLock<Box<Entry>>,
}

impl Slot {
    /// The place of a resource, not holding it yet.
    pub fn of(entry: &Entry, owned: bool) -> Slot {
        Slot {
            kind: entry.resource.kind(),
            has_url: entry.full_url.is_some(),
            fresh: entry.fresh,
            is_withdrawn: entry.withdrawn.is_some(),
            starts: matches!(&entry.resource, Resource::Encounter(it) if it.start().is_some()),
            owned,
            within: None,
            row: entry.row.unwrap_or_default(),
            held: OnceLock::new(),
        }
    }

    /// The same, inside the resource at this position.
    pub fn inside(self, outer: usize) -> Slot {
        Slot { within: Some(outer), ..self }
    }

    /// The resource, if it is held.
    pub fn held(&self) -> Option<&Entry> {
        self.held.get().map(Box::as_ref)
    }

    /// Holds the resource, if it is not held yet.
    pub fn hold(&self, entry: Entry) {
        self.held.get_or_init(|| Box::new(entry));
    }
}

/// The resources of a bundle by their positions.
#[derive(Debug, Default)]
pub(super) struct Slots {
    all: Vec<Slot>,
    /// the text of the held resources that can be fetched again, in bytes
    weight: AtomicUsize,
    /// how many were fetched, and their text in bytes
    fetched: AtomicUsize,
    fetched_text: AtomicUsize,
}

impl Slots {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn push(&mut self, slot: Slot) {
        self.all.push(slot);
    }

    pub fn get(&self, position: usize) -> Option<&Slot> {
        self.all.get(position)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.all.iter()
    }

    /// Whether this much more text may be held; counts it if so.
    pub fn has_room_for(&mut self, text: usize) -> bool {
        let weight = self.weight.get_mut();
        let fits = *weight + text <= MOST_HELD;
        *weight += if fits { text } else { 0 };
        fits
    }

    /// The resource at a position: the held one, else it is fetched.
    pub fn entry(&self, position: usize, shelf: Option<&dyn Shelf>) -> Option<&Entry> {
        self.fetch([position], shelf);
        self.all.get(position)?.held()
    }

    /// Fetches those of these resources that are not held.
    pub fn fetch(&self, positions: impl IntoIterator<Item = usize>, shelf: Option<&dyn Shelf>) {
        let missing = positions.into_iter().filter_map(|position| {
            let slot = self.all.get(position).filter(|slot| slot.held().is_none())?;
            // a contained resource comes with the outer one
            Some((slot.row, slot.within.unwrap_or(position)))
        });
        let missing: BTreeMap<i64, usize> = missing.collect();
        let Some(shelf) = shelf.filter(|_| !missing.is_empty()) else { return };
        let rows: Vec<i64> = missing.keys().copied().collect();
        let mut rows = rows.as_slice();
        while !rows.is_empty() {
            let (now, rest) = rows.split_at_checked(self.at_once()).unwrap_or((rows, &[]));
            rows = rest;
            shelf.fetch(now).into_iter().for_each(|kept| self.take(&kept, &missing));
        }
    }

    fn at_once(&self) -> usize {
        at_once(self.fetched.load(Ordering::Relaxed), self.fetched_text.load(Ordering::Relaxed))
    }

    fn take(&self, kept: &Kept, missing: &BTreeMap<i64, usize>) {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.fetched_text.fetch_add(kept.json.len(), Ordering::Relaxed);
        if let (Some(position), Some(entry)) = (missing.get(&kept.row), kept.entry()) {
            self.weight.fetch_add(kept.json.len(), Ordering::Relaxed);
            let inner = contained(&entry, &kept.json).into_iter().map(|(_, entry)| entry);
            for (entry, slot) in std::iter::once(entry).chain(inner).zip(self.all.iter().skip(*position)) {
                slot.hold(entry);
            }
        }
    }

    /// Fetches the first of these resources if it is not held, and those after it on the same way.
    pub fn fetch_ahead(&self, positions: &[usize], shelf: Option<&dyn Shelf>) {
        let is_missing = |position: &usize| self.all.get(*position).is_some_and(|slot| slot.held().is_none());
        if positions.first().is_some_and(is_missing) {
            self.fetch(positions.iter().copied().take(self.at_once()), shelf);
        }
    }

    /// Lets go of resources that can be fetched again, if too many are held.
    pub fn make_room(&mut self) {
        if *self.weight.get_mut() <= MOST_HELD {
            return;
        }
        *self.weight.get_mut() = 0;
        for slot in self.all.iter_mut().filter(|slot| slot.row != 0) {
            slot.held = OnceLock::new();
        }
    }
}
