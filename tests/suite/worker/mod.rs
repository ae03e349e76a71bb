//! The worker: sending, reports and returned mail.

mod all_kinds;
mod config;
mod drain;
mod findings;
mod fleet;
mod forgetting;
mod kannel;
mod killed;
mod lanes;
mod late_answers;
mod mail_system;
mod metrics;
mod outbox;
mod returned;
mod smtp;
mod spam;
mod store;
mod texts;
mod told;
mod traces;
mod webhooks;
