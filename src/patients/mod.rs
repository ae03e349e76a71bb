//! FEATURE: patients: who a chart is about, how they are reached, by what they are known.

mod archive;
mod contact;
pub mod csv_list;
mod distinctions;
mod doubles;
mod health_number;
mod identifiers;
mod known;
mod listed;
mod named;
mod own_word;
mod postal_address;
mod query;
mod record;
mod renewal;
mod search;
mod sources;

pub use archive::{ArchiveReason, archive, bring_back, leave_to, take_back};
pub use contact::{confirm_email, confirm_phone, email_is_shared, phone_is_shared};
pub use distinctions::{Apart, Distinction, distinctions, may_be_one, tell_apart};
pub use doubles::{Doubles, doubles};
pub use health_number::{KnownSystem, known_system};
pub use identifiers::{IdKind, identifiers, masked, move_identifiers, put_identifiers, set_identifiers, with_number};
pub use known::{
    Added, PersonDescription, Recognised, TypedPatient, Who, add_typed, doubles_of, is_mistaken_for, lock_additions,
    recognise,
};
pub use listed::{named_by_lines, patients_by_ids};
pub use named::{Clues, NamedBy, named_any, named_other};
pub use own_word::{OwnWord, own_word, set_own_word};
pub use postal_address::{
    PostalAddress, drop_said_address, follow_postal_address, postal_address, postal_code, set_postal_address,
};
pub use record::{
    Change, Demographics, Method, NewPatient, Patient, add, change_own, every, fill, in_order, merged_records,
    names_of, patient, patient_by_id, patient_if_there, prepare, update,
};
pub use renewal::renew_keys;
pub use search::{Cursor, Found, found_by, reindex, search};
pub use sources::{
    LISTS, SourceId, UNNAMED, by_source, deleted_mark, has_other_record, marks_of, note_standing, put_source,
    source_row, was_deleted,
};
