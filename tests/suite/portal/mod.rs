//! The patient's way in, and what a patient may do.

mod answers;
mod entry;
mod information;
mod portal_rules;
mod replies;
mod sessions;
mod without_link;
