//! The audit log, and its seals.

mod audit_log;
mod sealed_log;
mod told_seals;
