//! Files: storage, uploads, attachments.

mod another_patient;
mod browser;
mod bucket;
mod commands;
mod crash;
mod from_chart;
mod opened;
mod samples;
mod scan;
mod storage;
mod uploads;
