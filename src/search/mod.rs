//! FEATURE: messages are found by the words of their conversation's title, of their text, of internal notes and of the names
//! of their files.
//!
//! Where text is sealed, so are the words of the index (`db::sealed::terms`); what is shown of a message is read from the
//! message itself. No send pays for it: the worker reads each message a moment after it was written.

mod candidates;
mod find;
mod index;
mod words;

pub use find::{Found, Hit, Search, find};
pub use index::{behind, hold, index_some, is_to_do};

use crate::text_enum;

text_enum! {
    /// Where a word stands.
    pub enum Part {
        /// in the title of the conversation
        Title = "title",
        /// in a message
        Message = "message",
        /// in an internal note
        Note = "note",
        /// in the name of an attachment
        File = "file",
    }
}

impl Part {
    /// As a bit of the index.
    const fn bit(self) -> i64 {
        match self {
            Part::Title => 1,
            Part::Message => 2,
            Part::Note => 4,
            Part::File => 8,
        }
    }
}
