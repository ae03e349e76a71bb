//! FEATURE: one patient's record, or the whole clinic's, as a folder that needs no Postern: pages of HTML to read, FHIR R4 for
//! other systems, and a manifest by which anybody can prove that nothing was changed. `docs/export.md` describes the format.
//!
//! The folder is written under another name and gets its own when it is whole and on the disk. Memory does not grow with the
//! number of records or the size of files, but for the names of the patients and the messages of one conversation.

mod fhir;
mod folder;
mod make;
mod manifest;
mod pages;
mod verify;

pub use make::{Made, Wanted, make, source_of};
pub use manifest::{Counts, FORMAT, Lacking, MANIFEST, SUMS, Scope, VERSION};
pub use verify::{Checked, Flaw, VerifyError, fhir_of, is_of_export, verify};

use crate::db::DbError;
use crate::storage::StorageError;
use std::io;

/// Why there is no export. Nothing of it is there then.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The folder cannot be used.
    #[error("the folder {0} cannot be used: {1}: name one that this user may write to")]
    Folder(String, io::Error),
    /// There is something where the export is to go.
    #[error("{0} is there already: name a folder that is not")]
    Exists(String),
    /// There is something that is not an unfinished export.
    #[error("{0} is there, and is no unfinished export: move it away, or name another folder")]
    InTheWay(String),
    /// Another process makes one.
    #[error("another export into this folder is under way: wait for its end")]
    Busy,
    /// There is no room.
    #[error("the disk of the folder is full: nothing was left there; make room, or name a folder on another disk")]
    Full,
    /// There is no such patient.
    #[error("there is no patient {0}")]
    NoPatient(i64),
    /// A page could not be made.
    #[error("a page could not be made: {0}")]
    Page(#[from] askama::Error),
    /// A resource could not be written.
    #[error("a resource could not be written: {0}")]
    Json(#[from] serde_json::Error),
    /// The folder or storage failed.
    #[error(transparent)]
    Storage(StorageError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(ExportError);

impl From<io::Error> for ExportError {
    fn from(cause: io::Error) -> ExportError {
        StorageError::from(cause).into()
    }
}

impl From<StorageError> for ExportError {
    fn from(cause: StorageError) -> ExportError {
        match cause {
            StorageError::Full => ExportError::Full,
            other => ExportError::Storage(other),
        }
    }
}
