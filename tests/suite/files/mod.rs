//! Files: storage, uploads, attachments.

pub mod another_patient;
mod browser;
mod bucket;
mod commands;
mod crash;
mod from_chart;
mod guard_in_browser;
mod limits;
mod moved;
pub mod opened;
mod pictures;
mod ranges;
pub mod samples;
mod scan;
mod storage;
pub mod uploads;
mod words;
