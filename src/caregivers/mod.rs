//! FEATURE: caregivers: who reads and answers for a patient, by an own contact and an own proof, from when until when.

mod ages;
mod change;
mod record;

pub use ages::{Outlook, Watched, end_by_age, ending};
pub use change::{NewCaregiver, Refused, add, change, change_own, end, hold};
pub use record::{
    Caregiver, Details, MOST, Relation, at_phone, by_id, current, current_of, has_patients_own, in_order, is_shared,
    named, of_chart, of_visit, one_of_chart,
};
