//! What patients can do, and what they cannot.

mod portal_rules;
