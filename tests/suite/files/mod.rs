//! Files: storage, uploads, attachments.

mod browser;
mod from_chart;
mod samples;
mod storage;
mod uploads;
