//! FEATURE: patients and their charts.

mod contact;
pub mod document;
mod files;
mod identifiers;
pub mod import;
pub mod item;
mod item_terms;
mod items;
mod named;
mod patients;
mod search;
mod store_item;
mod tallies;

pub use contact::{confirm_email, confirm_phone, email_is_shared, phone_is_shared};
pub use files::{ChartFile, NewChartFile, file, file_sizes, insert_file, set_file};
pub use identifiers::{IdKind, identifiers, masked, set_identifiers, the_one};
pub use item::{Block, Caption, Datum, Flag, ItemBody, ItemKind, Label, ResultRow};
pub use items::{Counts, Item, ItemFilter, ItemRow, MOST_CHOSEN, chosen, counts, item, item_of, items};
pub use named::{Clues, NamedBy, named_other};
pub use patients::{
    Change, Demographics, Method, NewPatient, Patient, add, by_source, change_own, every, patient, patient_by_id,
    patient_if_there, update,
};
pub use search::{Cursor, reindex, search};
pub use store_item::{NewItem, Stored, store_item};
