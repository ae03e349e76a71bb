//! Inbox, conversations and the Outbox.

pub mod closure;
pub mod conversation;
pub mod inbox;
pub mod outbox;
pub mod write;
