//! The whole way, as people go it.

mod browser;
mod crash;
mod database_killed;
mod whole_path;
