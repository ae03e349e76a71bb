//! FEATURE: files on messages. They are accepted ([`Desk::begin`]) as uploads of one user for one patient, or frozen
//! from the chart ([`Desk::freeze`]); they become attachments in the transaction that sends the message ([`attach`]);
//! they go out only through a message that the asker may see ([`Attachment`]).

mod accept;
mod attach;
mod freeze;
mod kinds;
mod names;
mod rows;
mod uploads;

pub use accept::{AcceptError, Receiving, Refusal};
pub use attach::{AttachError, Pick, Picks, Sender, attach};
pub use freeze::Frozen;
pub use kinds::Policy;
pub use names::clean_name;
pub use rows::{Attachment, Content, for_patient, for_user, note_opened, of_messages};
pub use uploads::{Upload, pending, remove, sweep};

use crate::config::Files;
use crate::storage::Storage;

/// Where files are accepted: the storage, and what the clinic takes.
pub struct Desk {
    /// the files
    pub storage: Storage,
    /// what is taken
    pub policy: Policy,
}

impl Desk {
    /// Opens the storage and reads what may be attached.
    ///
    /// # Errors
    /// One line that names the key of the configuration.
    pub fn open(files: &Files) -> Result<Desk, String> {
        let storage = Storage::open(files).map_err(|e| format!("storage.folder: {e}: name another folder"))?;
        Ok(Desk { storage, policy: Policy::of(files)? })
    }
}
