//! Charts from other systems. What comes is kept resource by resource ([`stage`]), and each patient's chart is made of all
//! that is kept of them ([`derive()`]): coming again brings items up to date and doubles none, a later file takes nothing
//! away that its source does not itself withdraw, and the order and pieces of files make no difference. The patient's own
//! record stays as the clinic has it, but for the end of its use.

mod derive;
pub mod fhir;
mod programs;
mod resources;

pub use derive::{derive, judge};
pub use programs::{is_program, is_typed_as_program};
pub use resources::{PlacedFile, Staged, stage};

use crate::patients::UNNAMED;
use fhir::{ImportedBundle, SkipReason};
use std::collections::BTreeMap;

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
    /// items that their source has taken back, by kind
    pub withdrawn: BTreeMap<&'static str, usize>,
    /// records that are only kept now, as their source says
    pub archived: usize,
    /// records that are in use again, as their source says
    pub brought_back: usize,
    /// files that are one page of several
    pub further_pages: usize,
    /// what was left out, by resource type and reason
    pub skipped: BTreeMap<(String, &'static str), usize>,
}

impl Summary {
    /// Adds another's numbers.
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

    /// What a bundle holds, as if all of it were new.
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

    /// How many items were written.
    pub fn written(&self) -> usize {
        self.items.values().chain(self.changed.values()).chain(self.withdrawn.values()).sum()
    }

    /// Adds one that was left out.
    pub fn left_out(&mut self, what: &str, why: SkipReason) {
        *self.skipped.entry((what.to_owned(), why.as_str())).or_default() += 1;
    }

    /// Adds what was left out.
    pub fn skip(&mut self, skipped: &fhir::Skipped) {
        for ((what, why), n) in skipped {
            *self.skipped.entry((what.clone(), why.as_str())).or_default() += n;
        }
    }
}

/// By what an item is known in its chart. Without a source the id alone is the key, as it was for all before sources were
/// told apart; what is its patient's alone is one of these.
fn item_key(source: &str, id: &str) -> String {
    let is_unnamed = source.strip_prefix(UNNAMED).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    if is_unnamed { id.to_owned() } else { format!("{source}/{id}") }
}
