//! FEATURE: patients and their charts.

pub mod import;
pub mod item;
mod items;
mod patients;
mod search;

pub use item::{Block, Caption, Datum, Flag, ItemBody, ItemKind, Label, ResultRow};
pub use items::{Item, ItemFilter, ItemRow, NewItem, add_item, item, items};
pub use patients::{
    Change, Demographics, Method, NewPatient, Patient, add, by_source, every, patient, patient_by_id, update,
};
pub use search::{Cursor, reindex, search};
