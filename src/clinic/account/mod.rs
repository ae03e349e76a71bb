//! Signing in and what a user sets for themself.

pub mod language;
pub mod notifications;
pub mod password;
pub mod sign_in;
