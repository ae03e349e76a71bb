//! The whole way, as people go it.

mod browser;
mod crash;
mod whole_path;
