//! Writing a message: drafts, templates, the Alert that repairs, the preview; then the same in a browser.

mod browser;
mod cleaner;
mod drafts;
mod preview;
mod repair;
mod templates;
