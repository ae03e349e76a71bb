//! Charts and what comes into them.

mod fhir;
pub mod items;
