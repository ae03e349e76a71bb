//! What patients are told, when, and in whose words.

pub mod browser;
mod outbox_browser;
mod plans;
mod secrecy;
mod shared_address;
mod templates;
