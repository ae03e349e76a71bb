//! x
#![forbid(unsafe_code)]
pub mod clock;
pub mod db;
pub mod config;
pub mod error;
pub mod text;
pub mod values;
pub mod settings; pub mod access; pub mod audit; pub mod outbox;