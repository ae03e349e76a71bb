//! Signing in, and the pages of a user's own account.

pub mod away;
pub mod confirmation;
pub mod emr;
pub mod forgotten;
pub mod kept_words;
pub mod keys;
pub mod language;
pub mod not_yours;
pub mod notifications;
pub mod own;
pub mod passkey;
pub mod password;
pub mod provider;
mod refill;
pub mod second_factor;
pub mod second_step;
pub mod session;
pub mod sign_in;
pub mod views;
