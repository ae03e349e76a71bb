//! Writing a message: drafts, templates, the Alert with its form, the preview; then the same in a browser.

mod browser;
mod cleaner;
mod conversation;
mod drafts;
mod keyboard;
mod links;
mod newer_messages;
mod pasting;
mod preview;
mod repair;
mod templates;
