//! What patients are told, when, and in whose words.

mod browser;
mod secrecy;
mod templates;
