//! FEATURE: keeps the charts as an EMR has them. A round reads every type of record, page by page ([`run`]): the first one
//! all of them, each later one what has changed since. What a page holds is stored as an import stores it, together with
//! how far the round came, so that a round that is killed at any point goes on where it was; the charts are made of what is
//! stored, each once. One process at a time works at the rounds of a source: it holds a lease on their row.

mod charts;
mod deletions;
mod differences;
mod export;
mod fields;
mod files;
mod freshness;
mod page;
mod progress;
mod round;
mod source;

pub use differences::{Chosen, Difference, Rules, choose, differences, rules, save_rules};
pub use fields::{Field, Rule};
pub use freshness::{Freshness, freshness};
pub use progress::{Left, Progress, Round, Trouble, Wanted, ask, is_due, lacking, left_out, let_go, progress, round};
pub use round::{Outcome, Parts, run};
pub use source::{Export, Refusal, Source};

/// The types of records that are asked for, in this order: whose charts they are comes first, then what the others name.
pub const KINDS: [&str; 22] = [
    "Patient",
    "Organization",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "RelatedPerson",
    "Medication",
    "Questionnaire",
    "Goal",
    "Encounter",
    "Condition",
    "Procedure",
    "Immunization",
    "MedicationRequest",
    "Observation",
    "DiagnosticReport",
    "ServiceRequest",
    "QuestionnaireResponse",
    "DocumentReference",
    "Communication",
    "CarePlan",
    "Invoice",
];
