//! FEATURE: files on messages. They are accepted ([`FileIntake::begin`]) as uploads of one user for one patient, or
//! frozen from the chart ([`FileIntake::freeze`]); they become attachments in the transaction that sends the message
//! ([`attach()`]); they are served only with a message that the reader may see ([`Attachment`]).

mod accept;
mod attach;
mod compound;
mod freeze;
mod imports;
mod kinds;
mod media;
mod names;
mod rows;
mod scanning;
mod to_chart;
mod to_many;
mod uploads;
mod words;

pub use accept::{AcceptError, Receiving, Refusal};
pub use attach::{AttachError, Pick, Picks, Sender, attach};
pub use freeze::Frozen;
pub use imports::{ImportError, Note, Stretch, Stretching, Together};
pub use kinds::{Policy, shown_as};
pub use names::clean_name;
pub use rows::{Attachment, Content, TakenBack, contents, for_patient, for_user, of_messages, taken_back};
pub use scanning::{enqueue_scans, found_infected, to_scan};
pub use to_chart::{ToChart, add_to_chart};
pub use to_many::{Shared, free_of_many, hold_for_many, let_go, scans_of_shared, shared};
pub use uploads::{
    Goal, Suspect, Upload, hand_over, hold_uploads, pending, pending_for_many, release_uploads, remove, sweep,
};
pub use words::{COMMAND as READ_WORDS, DRAWN, DRAWN_AS, LookedAt, read as read_words, read_list, read_picture};

use crate::config::Files;
use crate::scan::Scanner;
use crate::storage::Storage;
use words::WordReader;

/// Where files are accepted: the storage, what the clinic takes, and the virus scanner.
pub struct FileIntake {
    /// where the files are stored
    pub storage: Storage,
    /// which files are taken
    pub policy: Policy,
    /// looks for viruses, where one is configured
    pub scanner: Option<Scanner>,
    /// reads files for the names of patients
    words: WordReader,
}

impl FileIntake {
    /// Opens the storage and reads what may be attached.
    ///
    /// # Errors
    /// One line that names the key of the configuration.
    pub fn open(files: &Files) -> Result<FileIntake, String> {
        let storage = Storage::open(files).map_err(|e| format!("storage.folder: {e}: name another folder"))?;
        Ok(FileIntake {
            storage,
            policy: Policy::from_config(files)?,
            scanner: files.scanner.as_ref().map(Scanner::new),
            words: files.reader.clone().map_or_else(WordReader::by_this_program, WordReader::by),
        })
    }
}
