//! The patient's way in, and what a patient may do.

mod entry;
mod replies;
