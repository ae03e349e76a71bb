//! x
#![forbid(unsafe_code)]
pub mod clock;
pub mod db;
pub mod config;
pub mod error;
