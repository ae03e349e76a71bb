//! FEATURE: how long records are kept: legal holds, which records are due by the clinic's periods, and deletion, which
//! leaves a proof and no data. Nothing is deleted automatically.

mod delete;
mod due;
mod hold;

pub use delete::{DeleteError, DeletedRecord, contents, delete, deleted, scheduled_to};
pub use due::{DueRecord, MOST_DUE, due, is_due};
pub use hold::{Hold, HoldError, held, hold, lift};
