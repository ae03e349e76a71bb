//! Inbox, conversations and the Outbox.

pub mod assign_many;
pub mod assignment;
pub mod call;
pub mod closure;
pub mod conversation;
pub mod inbox;
pub mod letter;
pub mod live;
pub mod marks;
pub mod outbox;
pub mod participants;
pub mod print;
pub mod recall;
pub mod record;
pub mod scheduled;
pub mod search;
pub mod write;
