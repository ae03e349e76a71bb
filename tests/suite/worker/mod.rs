//! What is sent, by real servers where there are some.

mod smtp;
