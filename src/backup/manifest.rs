//! The manifest of a backup: a line of JSON, and a line with its hash, or its seal by a key.

use super::BackupError;
use crate::db::{SecretKey, Ts};
use crate::storage::Part;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// The format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
/// Bound into the seal, so that it is valid for manifests only.
const PURPOSE: &[u8] = b"postern backup manifest 1";

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// the format of the backup
    pub format: u32,
    /// the version of the program that made it
    pub program: String,
    /// the moment whose state it holds (RFC 3339)
    pub made_at: String,
    /// the migrations that made the database's tables
    pub steps: Vec<String>,
    /// the rows
    pub tables: Vec<TablePart>,
    /// how many files belong to it
    pub files: u64,
    /// names of files that were missing or damaged in storage
    pub missing: Vec<String>,
}

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePart {
    /// the table
    pub table: String,
    /// the columns that the values of a line belong to, in order
    pub columns: Vec<String>,
    /// how many rows
    pub rows: u64,
    /// the last id that the database gave out
    pub last_number: Option<i64>,
    /// the file that holds the rows
    pub part: Part,
}

impl Manifest {
    /// The name of the manifest of a backup of this moment.
    pub fn name(now: Ts) -> String {
        let form = format_description!("[year]-[month]-[day]T[hour]-[minute]-[second].[subsecond digits:6]Z.json");
        now.get().format(form).unwrap_or_else(|_| format!("{}.json", now.micros()))
    }

    /// A moment as the manifest writes it (RFC 3339).
    pub fn moment(now: Ts) -> String {
        now.get().format(&Rfc3339).unwrap_or_default()
    }

    /// The manifests of a folder, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with("Z.json") && !name.starts_with('.') {
                all.push(path);
            }
        }
        all.sort();
        Ok(all)
    }

    /// Writes the manifest, whole or not at all, and durably.
    pub(super) fn write(&self, folder: &Path, name: &str, key: Option<&SecretKey>) -> io::Result<()> {
        let line = serde_json::to_string(self)?;
        let seal = match key {
            None => format!("sha256 {}", HEXLOWER.encode(&Sha256::digest(line.as_bytes()))),
            Some(key) => {
                let seal = key.seal(&[PURPOSE, line.as_bytes()]);
                format!("hmac-sha256 {} {}", key.id(), HEXLOWER.encode(&seal))
            }
        };
        let mut file = tempfile::Builder::new().prefix(".").suffix(".part").tempfile_in(folder)?;
        file.write_all(format!("{line}\n{seal}\n").as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(folder.join(name)).map_err(|cause| cause.error)?;
        File::open(folder)?.sync_all()
    }

    /// Reads a manifest. `keys` are those that may have sealed it.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn read(path: &Path, keys: &[SecretKey]) -> Result<Manifest, BackupError> {
        let damaged = || BackupError::Damaged(path.display().to_string());
        let text = fs::read_to_string(path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => BackupError::NoBackup(path.display().to_string()),
            io::ErrorKind::InvalidData => damaged(),
            _ => cause.into(),
        })?;
        let mut lines = text.lines();
        let (line, seal) = lines.next().zip(lines.next()).ok_or_else(damaged)?;
        let whole = match seal.split(' ').collect::<Vec<_>>()[..] {
            ["sha256", hash] => HEXLOWER.encode(&Sha256::digest(line.as_bytes())) == hash,
            ["hmac-sha256", id, seal] => {
                let key = keys.iter().find(|key| key.id() == id);
                let key = key.ok_or_else(|| crate::storage::StorageError::NoKey(id.to_owned()))?;
                let seal = HEXLOWER.decode(seal.as_bytes()).map_err(|_| damaged())?;
                key.is_seal(&seal, &[PURPOSE, line.as_bytes()])
            }
            _ => false,
        };
        if !whole {
            return Err(damaged());
        }
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_str(line).map_err(|_| damaged())?;
        if format > FORMAT {
            return Err(BackupError::Newer);
        }
        serde_json::from_str(line).map_err(|_| damaged())
    }
}
