//! What works without anybody watching.

mod outbox;
mod smtp;
mod texts;
