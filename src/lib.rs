//! Postern: secure messages from a clinic to its patients.
//!
//! A function that returns `QueryResult`, or an error that holds one, fails as the database fails; only further errors are
//! told in a doc comment of its own.
//!
#![doc = include_str!("../docs/architecture.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
// a cut inside a character panics: text is taken apart by what gives an `Option`
#![cfg_attr(not(test), deny(clippy::string_slice))]

pub mod access;
pub mod administration;
pub mod app;
pub mod attachments;
pub mod audit;
pub mod backup;
pub mod broadcasts;
pub mod caregivers;
pub mod chart;
pub mod cli;
pub mod clinic;
pub mod clock;
pub mod config;
pub mod conversations;
pub mod db;
pub mod delivery;
pub mod demo;
pub mod emr;
pub mod emr_sources;
pub mod error;
pub mod export;
pub mod hooks;
pub mod http;
pub mod live;
pub mod merging;
pub mod message_templates;
pub mod metrics;
pub mod notifications;
pub mod outbox;
pub mod patients;
pub mod portal;
pub mod portal_entry;
pub mod portal_links;
pub mod provider;
pub mod records;
pub mod scan;
pub mod search;
pub mod settings;
pub mod slow_hash;
pub mod state;
pub mod storage;
pub mod sync;
pub mod teams;
pub mod text;
pub mod threads;
pub mod traces;
pub mod users;
pub mod values;
pub mod worker;
pub mod write_back;
