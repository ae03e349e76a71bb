//! FEATURE: what changes is told to the browsers of the clinic at once, by server-sent events (HTML, "Server-sent events").
//!
//! Each process follows the audit log, in which every change leaves a row: `follow` reads the rows that come, `changes` says
//! what they mean to an open page, and [`Live`] sends that to those who listen. An event holds kinds and ids alone; what has
//! changed is fetched by the page's script from the ordinary routes, each with its own proof. Nothing here is stored.

mod answering;
mod changes;
mod follow;
mod listeners;

pub use answering::{ANSWERING_FOR, tell_answering};
pub use changes::Kind;
pub use follow::{may_listen, run};
pub use listeners::{BEAT, Listening, Live, NotNow};
