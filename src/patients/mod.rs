//! FEATURE: patients: who a chart is about, how they are reached, by what they are known.

mod contact;
pub mod csv_list;
mod identifiers;
mod named;
mod record;
mod search;
mod sources;

pub use contact::{confirm_email, confirm_phone, email_is_shared, phone_is_shared};
pub use identifiers::{IdKind, identifiers, masked, put_identifiers, set_identifiers, the_one};
pub use named::{Clues, NamedBy, named_other};
pub use record::{
    Change, Demographics, Method, NewPatient, Patient, add, change_own, every, patient, patient_by_id,
    patient_if_there, update,
};
pub use search::{Cursor, reindex, search};
pub use sources::{LISTS, SourceId, UNNAMED, Who, by_source, put_source, who};
