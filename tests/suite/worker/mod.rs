//! What works without anybody watching.

mod kannel;
mod outbox;
mod smtp;
mod texts;
