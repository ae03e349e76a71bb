//! Files: storage, uploads, attachments.

mod samples;
mod storage;
mod uploads;
