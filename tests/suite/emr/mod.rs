//! The clinic's EMRs: how they are configured, connected and asked.

mod browser;
mod calls;
mod configured;
mod connection;
