//! The opening hours; the audit log, and its seals.

mod audit_log;
pub mod hours;
mod hours_browser;
mod one_place;
mod sealed_log;
mod told_seals;
