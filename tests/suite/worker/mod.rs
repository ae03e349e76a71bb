//! What works without anybody watching.

mod config;
mod drain;
mod kannel;
mod mail_system;
mod outbox;
mod smtp;
mod spam;
mod texts;
