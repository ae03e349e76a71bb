//! Notifications: which are sent, when, and with which wording.

pub mod browser;
mod calls;
mod calls_browser;
mod last_rungs;
mod letters;
mod letters_browser;
mod outbox_browser;
mod own_word;
mod plans;
mod secrecy;
mod shared_address;
mod templates;
