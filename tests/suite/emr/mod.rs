//! The clinic's EMRs: how they are configured, connected and asked, and what they open.

mod browser;
mod calls;
mod configured;
mod connection;
mod launch;
mod launch_browser;
mod writing;
