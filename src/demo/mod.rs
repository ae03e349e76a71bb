//! The demo: a complete clinic with imported charts, and a mailbox where the patients' emails and texts arrive.
//! Its routes exist under `postern demo` only, which listens on loopback only.

mod mailbox_page;
pub mod people;

pub use mailbox_page::routes;
