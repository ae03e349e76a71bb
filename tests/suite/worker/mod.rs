//! What works without anybody watching.

mod kannel;
mod mail_system;
mod outbox;
mod smtp;
mod texts;
