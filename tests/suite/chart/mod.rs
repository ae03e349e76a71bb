//! Charts and what comes into them.

mod document;
mod fhir;
pub mod items;
