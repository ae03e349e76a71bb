//! FEATURE: the work of a clinic's owners: its settings, its images, users who leave, the audit log. Each verb requires
//! the right for it and writes its own audit row.

mod audit_log;
mod clinic;
mod hours;
mod images;
mod leaving;

pub use audit_log::{AuditLog, audit_log, audit_log_exported, audit_log_viewed};
pub use clinic::{Part, prepare, save_caregiver_ages, save_own_word, save_reach, save_settings};
pub use hours::save_hours;
pub use images::{LARGEST_IMAGE, NotTaken, made_anew, set_image};
pub use leaving::{Heir, LeaveError, OpenWork, deactivate_user, may_take_over, open_work};
