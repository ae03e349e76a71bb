//! The tools of the tests: clinics, browsers, pages, and the servers that a clinic talks to.

pub mod app;
pub mod browser;
pub mod clamd;
pub mod demo;
pub mod emr;
pub mod gateways;
pub mod html;
pub mod mail;
pub mod mail_system;
pub mod oidc;
pub mod peers;
pub mod postgres;
pub mod program;
pub mod s3;
pub mod world;
