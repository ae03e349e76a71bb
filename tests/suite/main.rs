//! Every test of Postern: one binary, so that the program is linked once. Run it by `tests/run`.

// the program gets time and randomness as values; its tests wait for real servers and browsers
#![allow(clippy::disallowed_methods)]

mod at_rest;
mod backups;
mod broadcasts;
mod chart;
mod composing;
mod conversations;
mod emr;
mod exports;
mod files;
mod invariants;
mod journeys;
mod live;
mod notifications;
mod patients;
mod portal;
mod settings;
mod speed;
mod support;
mod sync;
mod users;
mod worker;
