//! Signing in and what a user sets for themself.

pub mod language;
pub mod not_yours;
pub mod notifications;
pub mod password;
pub mod sign_in;
