//! What works without anybody watching.

mod smtp;
mod texts;
