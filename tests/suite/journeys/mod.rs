//! The whole path from message to reply, as people take it.

mod browser;
mod crash;
mod database_killed;
mod demo;
mod pictures;
mod whole_path;
