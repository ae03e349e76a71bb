//! FEATURE: backups of the whole clinic, database and files, of either database for either database.
//!
//! A folder holds any number of backups: a manifest for each, named by its moment, and `files/`, which they share. There lie
//! the rows of each table as a compressed part of its own, and the files of the clinic, byte for byte as they lie in
//! storage; what an earlier backup brought there is not copied again. The manifest is written last, under its name only
//! when it is whole and on the disk: whatever ends a backup before leaves files that no manifest names, which the next one
//! removes. Parts and manifest are sealed with `storage.key` where there is one.

mod make;
mod manifest;
mod mirror;
mod relocate;
mod restore;

pub use make::{Made, last, make};
pub use manifest::{Manifest, TablePart};
pub use mirror::{Fetched, Mirrored, fetch, folder_of, is_in, last_mirrored, mirror, tell_mirrored};
pub use relocate::{RelocateError, Relocated, Step, relocate};
pub use restore::{Backup, Checked, Restored};

use crate::audit::Broken;
use crate::db::DbError;
use crate::db::copying::FillError;
use crate::storage::StorageError;

/// Tables whose rows are no part of a backup: what would let somebody in whom the clinic has let out since, what
/// is true of a running program only, and the index of messages, which the worker makes anew.
pub const LEFT_OUT: [&str; 14] = [
    "sessions",
    "claim_tokens",
    "passcodes",
    "password_links",
    "pending_sign_ins",
    "authenticator_setups",
    "passkey_challenges",
    "provider_visits",
    "emr_newcomers",
    "stray_files",
    "worker_looks",
    "search_words",
    "search_postings",
    "search_progress",
];

/// Why there is no backup, or why it was not restored. Nothing of it is there then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another process makes one.
    #[error("another backup into this folder is under way: wait for its end")]
    Busy,
    /// The program ends.
    #[error("the backup was stopped before its end")]
    Stopped,
    /// The folder that backups are to go to cannot be used.
    #[error("the folder {0} cannot be used: {1}: name one that this user may write to")]
    Folder(String, std::io::Error),
    /// The folder has none.
    #[error("{0} holds no backup: name the folder that `postern backup` was given, or one of its .json files")]
    NoBackup(String),
    /// What lies there is not what was written.
    #[error("the backup is damaged: {0}: restore an older one, by the name of its .json file")]
    Damaged(String),
    /// It is of another format.
    #[error("the backup was made by a newer Postern: install that version")]
    Newer,
    /// There is something where the backup is to go.
    #[error("database_url: {0}: a backup is restored into an empty one only; name a new file or database")]
    NotEmpty(FillError),
    /// The log of the clinic does not hold.
    #[error("the audit log in the backup was tampered with: {0}")]
    Audit(Broken),
    /// The database could not be filled.
    #[error("{0}")]
    Fill(FillError),
    /// Files could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<FillError> for BackupError {
    fn from(cause: FillError) -> BackupError {
        match cause {
            FillError::NotEmpty(_) => BackupError::NotEmpty(cause),
            cause => BackupError::Fill(cause),
        }
    }
}

crate::from_database!(BackupError);

impl From<std::io::Error> for BackupError {
    fn from(cause: std::io::Error) -> BackupError {
        BackupError::Storage(cause.into())
    }
}

impl From<tokio::task::JoinError> for BackupError {
    fn from(_: tokio::task::JoinError) -> BackupError {
        BackupError::Db(DbError::Gone)
    }
}
