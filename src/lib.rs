//! x
#![forbid(unsafe_code)]
pub mod clock;
pub mod db;
pub mod config;
pub mod error;
pub mod text;
pub mod values;
pub mod settings; pub mod access; pub mod audit; pub mod outbox;pub mod slow_hash; pub mod delivery; pub mod users;
pub mod chart; pub mod notifications; pub mod portal_entry;
pub mod conversations;
pub mod http; pub mod state;
pub mod worker;
pub mod clinic; pub mod portal; pub mod demo; pub mod app;
