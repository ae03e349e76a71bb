//! The rules of the house: a rule without a test here is not held.
