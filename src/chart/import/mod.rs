//! Charts from other systems. Every resource is stored as it comes ([`stage`]), and each patient's chart is made from
//! all resources stored of them ([`derive()`]): a repeated import updates items and duplicates none, a later file
//! removes only what its source withdraws, and the order and pieces of files make no difference. The clinic's own
//! record of the patient stays as it is, except that a source can end its use.

mod derive;
pub mod fhir;
mod programs;
mod resources;

pub use derive::{derive, judge, refuse_deleted, said_of};
pub use programs::{is_program, is_typed_as_program};
pub use resources::{PlacedFile, Staged, stage, stored_keys, without_unchanged};

use crate::patients::UNNAMED;
use fhir::{ImportedBundle, SkipReason};
use std::collections::BTreeMap;

/// The result of one import, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// patients who were added
    pub patients: usize,
    /// patients whom the clinic had already
    pub known_patients: usize,
    /// new items by kind
    pub items: BTreeMap<&'static str, usize>,
    /// items that were there with other content, by kind
    pub changed: BTreeMap<&'static str, usize>,
    /// items that were there with the same content
    pub known_items: usize,
    /// items that their source withdrew, by kind
    pub withdrawn: BTreeMap<&'static str, usize>,
    /// records that the source put out of use, so that they are archived
    pub archived: usize,
    /// archived records that the source put into use again
    pub brought_back: usize,
    /// files that are one page of several
    pub further_pages: usize,
    /// what was left out, by resource type and reason
    pub skipped: BTreeMap<(String, &'static str), usize>,
}

impl Summary {
    /// Adds the numbers of another summary.
    pub fn merge(&mut self, other: Summary) {
        self.patients += other.patients;
        self.known_patients += other.known_patients;
        self.known_items += other.known_items;
        self.archived += other.archived;
        self.brought_back += other.brought_back;
        self.further_pages += other.further_pages;
        other.withdrawn.into_iter().for_each(|(kind, n)| *self.withdrawn.entry(kind).or_default() += n);
        other.items.into_iter().for_each(|(kind, n)| *self.items.entry(kind).or_default() += n);
        other.changed.into_iter().for_each(|(kind, n)| *self.changed.entry(kind).or_default() += n);
        other.skipped.into_iter().for_each(|(what, n)| *self.skipped.entry(what).or_default() += n);
    }

    /// The summary of a bundle as if all of it were new.
    pub fn from_bundle(bundle: &ImportedBundle) -> Summary {
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

    /// How many items were added, changed or withdrawn.
    pub fn written(&self) -> usize {
        self.items.values().chain(self.changed.values()).chain(self.withdrawn.values()).sum()
    }

    /// Counts one part that was left out.
    pub fn left_out(&mut self, what: &str, why: SkipReason) {
        *self.skipped.entry((what.to_owned(), why.as_str())).or_default() += 1;
    }

    /// Adds the counts of parts that were left out.
    pub fn skip(&mut self, skipped: &fhir::Skipped) {
        for ((what, why), n) in skipped {
            *self.skipped.entry((what.clone(), why.as_str())).or_default() += n;
        }
    }
}

/// The key of an item in its chart: the source and the id. Without a source it is the id alone, as it was for all items
/// before sources were told apart; a source that only stands for one patient counts as none.
fn item_key(source: &str, id: &str) -> String {
    let is_unnamed = source.strip_prefix(UNNAMED).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    if is_unnamed { id.to_owned() } else { format!("{source}/{id}") }
}
