//! Patients and their charts.

pub mod chart;
pub mod demographics;
pub mod import;
pub mod list;
pub mod portal_lock;
pub mod reach;
