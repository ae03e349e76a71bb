//! The pages of the clinic's settings.

pub mod answer_times;
pub mod audit_log;
pub mod caregivers;
pub mod clinic;
pub mod emr;
pub mod form;
pub mod gateways;
pub mod hours;
pub mod images;
pub mod message_templates;
pub mod notification_preview;
pub mod notification_templates;
pub mod notification_view;
pub mod notifications;
pub mod own_word;
pub mod portal;
pub mod reach;
pub mod records;
pub mod sign_in;
pub mod sync;
pub mod teams;
pub mod users;
