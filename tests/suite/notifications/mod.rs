//! Notifications: which are sent, when, and with which wording.

pub mod browser;
mod outbox_browser;
mod plans;
mod secrecy;
mod shared_address;
mod templates;
