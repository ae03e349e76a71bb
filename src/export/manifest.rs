//! `manifest.json`: what the export holds, and the hash of every file, chained. The names here are a published format: see
//! `docs/export.md`.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of the format.
pub const FORMAT: &str = "postern-export";
/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;
/// The file that holds it.
pub const MANIFEST: &str = "manifest.json";
/// The file with the same hashes as `sha256sum` writes them.
pub const SUMS: &str = "SHA256SUMS";

/// Whose records it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// all of the clinic
    Clinic,
    /// one patient, by the number in the clinic's addresses
    Patient(i64),
}

/// How much of each there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// patients
    pub patients: u64,
    /// conversations
    pub conversations: u64,
    /// messages, without notes
    pub messages: u64,
    /// internal notes
    pub notes: u64,
    /// attachments of messages and notes
    pub attachments: u64,
    /// chart items
    pub chart_items: u64,
    /// rows of the audit log
    pub audit_events: u64,
}

/// A file of the clinic that is not in the export, or not as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// the path that it would have
    pub path: String,
    /// why: `waiting` for the virus scanner, `infected`, `missing` or `damaged` in storage
    pub why: String,
}

/// What stands before the list of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub format: String,
    pub version: u32,
    /// the version of the program that made it
    pub program: String,
    /// the moment whose state it holds (RFC 3339)
    pub made_at: String,
    /// a name for the clinic that ids are unique in; it tells nothing else
    pub source: String,
    /// the language of the pages (BCP 47)
    pub language: String,
    pub scope: Scope,
    /// whether internal notes are in it
    pub notes: bool,
    pub counts: Counts,
    pub lacking: Vec<Lacking>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// below the folder, with `/`
    pub path: String,
    /// in bytes
    pub size: u64,
    /// SHA-256 in hexadecimal digits
    pub sha256: String,
    /// see [`link`]
    pub chain: String,
}

/// The whole.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    #[serde(flatten)]
    pub head: Head,
    pub files: Vec<Entry>,
    /// the last link of the chain
    pub top: String,
}

/// The link before the first.
pub(super) fn first_link() -> String {
    HEXLOWER.encode(&Sha256::digest(format!("{FORMAT} {VERSION}\n")))
}

/// The link of a file: a hash over the link before and the file's line, so that no line can be changed, taken out or moved
/// without changing all that follow.
pub(super) fn link(before: &str, sha256: &str, size: u64, path: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(format!("{before} {sha256} {size} {path}\n")))
}

/// The line of `sha256sum` for a file that is compared byte for byte.
pub(super) fn sum_line(sha256: &str, path: &str) -> String {
    format!("{sha256} *{path}\n")
}
