//! What the owners of a clinic see and set.

mod audit_log;
mod sealed_log;
mod told_seals;
