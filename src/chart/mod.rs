//! FEATURE: patients and their charts.

pub mod import;
mod item;
mod items;
mod patients;
mod search;

pub use item::{Block, Flag, ItemBody, ItemKind, Label, ResultRow};
pub use items::{Item, ItemRow, ItemFilter, item, items};
pub use patients::{Change, Demographics, Method, NewPatient, Patient, add, patient, patient_by_id, update};
pub use search::{Cursor, search};
