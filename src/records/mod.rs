//! FEATURE: how long records are kept: legal holds, what is due by the clinic's periods, and the deletion of a record, which
//! leaves proof and no data. Nothing is deleted by itself.

mod delete;
mod due;
mod hold;

pub use delete::{DeleteError, DeletedRecord, contents, delete, deleted};
pub use due::{DueRecord, MOST_DUE, due, is_due};
pub use hold::{Hold, HoldError, held, hold, lift};
