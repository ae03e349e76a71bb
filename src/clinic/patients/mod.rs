//! Patients and their charts.

pub mod archiving;
pub mod caregivers;
pub mod caregivers_ending;
pub mod chart;
pub mod deletion;
pub mod demographics;
pub mod differences;
pub mod doubles;
pub mod hold;
pub mod import;
pub mod list;
pub mod merging;
pub mod new;
pub mod own_word;
pub mod portal_lock;
pub mod postal_address;
pub mod reach;
pub mod searches;
