//! FEATURE: patients and their charts.

mod contact;
pub mod import;
pub mod item;
mod items;
mod patients;
mod search;

pub use contact::{confirm_email, confirm_phone, email_is_shared, phone_is_shared};
pub use item::{Block, Caption, Datum, Flag, ItemBody, ItemKind, Label, ResultRow};
pub use items::{Item, ItemFilter, ItemRow, NewItem, add_item, item, items};
pub use patients::{
    Change, Demographics, Method, NewPatient, Patient, add, by_source, every, patient, patient_by_id, update,
};
pub use search::{Cursor, reindex, search};
