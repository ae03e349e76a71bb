//! The patient's way in, and what a patient may do.

mod entry;
mod portal_rules;
mod replies;
mod without_link;
