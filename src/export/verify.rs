//! `verify`: whether an export is what its manifest says. It needs no clinic: `docs/export.md` says how others do the same.

use super::folder::LOCK;
use super::manifest::{Entry, FORMAT, MANIFEST, Manifest, SUMS, VERSION, first_link, link, sum_line};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// Something that is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Flaw {
    /// a file is not there
    #[error("missing: {0}")]
    Missing(String),
    /// a file has another content
    #[error("changed: {0}")]
    Changed(String),
    /// a file is there that does not belong to it
    #[error("additional: {0}")]
    Additional(String),
    /// a file cannot be read
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// the chain does not hold from this file on
    #[error("changed: manifest.json, from the line of {0} on")]
    Chain(String),
    /// the manifest is another one than it was
    #[error("changed: manifest.json: its SHA-256 is {0}")]
    Other(String),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// files, and their bytes
    pub files: (u64, u64),
    /// SHA-256 of the manifest
    pub manifest: String,
    /// see [`super::source_of`]
    pub source: String,
    /// when it was made (RFC 3339)
    pub made_at: String,
    /// what is not as it should be, by name
    pub flaws: Vec<Flaw>,
}

/// Why it could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no export.
    #[error("{0} holds no export: its manifest.json cannot be read: {1}")]
    NoExport(String, io::Error),
    /// The manifest is not one.
    #[error("manifest.json of {0} is damaged, or no manifest of an export")]
    NotOne(String),
    /// It is of another format.
    #[error("the export was made by a newer Postern: check it with that version")]
    Newer,
}

/// The folder with the resources of an export, where the folder holds one.
pub fn fhir_of(folder: &Path) -> Option<PathBuf> {
    let mut beginning = String::new();
    let manifest = File::open(folder.join(MANIFEST)).ok()?;
    manifest.take(64).read_to_string(&mut beginning).ok()?;
    beginning.starts_with(&format!("{{\"format\":\"{FORMAT}\"")).then(|| folder.join("fhir"))
}

/// Whether the folder holds the resources of an export, by the clinic's own one: they may have been copied without the manifest.
pub fn is_of_export(fhir: &Path) -> bool {
    let mut first = String::new();
    let Ok(file) = File::open(fhir.join("Organization.ndjson")) else { return false };
    if BufReader::new(file.take(64 * 1024)).read_line(&mut first).is_err() {
        return false;
    }
    let clinic: Option<serde_json::Value> = serde_json::from_str(&first).ok();
    clinic.is_some_and(|it| it.get("id").and_then(|id| id.as_str()) == Some("clinic"))
}

/// Checks an export. `known`: the SHA-256 that its manifest had when it was made, as the export told it or the audit log tells
/// it. Without it only what was changed without changing the manifest shows.
///
/// # Errors
/// See [`VerifyError`].
pub fn verify(folder: &Path, known: Option<&str>) -> Result<Checked, VerifyError> {
    let shown = || folder.display().to_string();
    let text = fs::read(folder.join(MANIFEST)).map_err(|cause| VerifyError::NoExport(shown(), cause))?;
    let sha256 = HEXLOWER.encode(&Sha256::digest(&text));
    #[derive(serde::Deserialize)]
    struct Outline {
        format: String,
        version: u32,
    }
    let outline: Outline = serde_json::from_slice(&text).map_err(|_| VerifyError::NotOne(shown()))?;
    if outline.format != FORMAT {
        return Err(VerifyError::NotOne(shown()));
    }
    if outline.version > VERSION {
        return Err(VerifyError::Newer);
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| VerifyError::NotOne(shown()))?;
    drop(text);
    let mut flaws = Vec::new();
    if known.is_some_and(|known| !known.trim().eq_ignore_ascii_case(&sha256)) {
        flaws.push(Flaw::Other(sha256.clone()));
    }
    flaws.extend(broken_link(&manifest));
    let (mut bytes, mut sums) = (0, Sha256::new());
    for entry in &manifest.files {
        bytes += entry.size;
        sums.update(sum_line(&entry.sha256, &entry.path));
        flaws.extend(flaw_of(folder, entry));
    }
    sums.update(sum_line(&sha256, MANIFEST));
    match hash_of(&folder.join(SUMS)) {
        Ok((hash, _)) if hash == sums.finalize().to_vec() => {}
        Ok(_) => flaws.push(Flaw::Changed(SUMS.to_owned())),
        Err(cause) => flaws.push(unread(&cause, SUMS)),
    }
    let mut told: HashSet<&str> = manifest.files.iter().map(|entry| entry.path.as_str()).collect();
    told.extend([MANIFEST, SUMS]);
    additional(folder, "", &told, &mut flaws);
    flaws.sort();
    let files = (manifest.files.len() as u64, bytes);
    let (source, made_at) = (manifest.head.source, manifest.head.made_at);
    Ok(Checked { files, manifest: sha256, source, made_at, flaws })
}

fn broken_link(manifest: &Manifest) -> Option<Flaw> {
    let mut last = first_link();
    for entry in &manifest.files {
        last = link(&last, &entry.sha256, entry.size, &entry.path);
        if last != entry.chain {
            return Some(Flaw::Chain(entry.path.clone()));
        }
    }
    (last != manifest.top).then(|| Flaw::Chain(MANIFEST.to_owned()))
}

fn unread(cause: &io::Error, path: &str) -> Flaw {
    match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Flaw::Missing(path.to_owned()),
        _ => Flaw::Unreadable(path.to_owned()),
    }
}

fn flaw_of(folder: &Path, entry: &Entry) -> Option<Flaw> {
    let path = Path::new(&entry.path);
    // a manifest from elsewhere must not lead out of the folder
    let is_within = !entry.path.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_within {
        return Some(Flaw::Chain(entry.path.clone()));
    }
    match hash_of(&folder.join(path)) {
        Ok((hash, size)) if size == entry.size && HEXLOWER.encode(&hash) == entry.sha256 => None,
        Ok(_) => Some(Flaw::Changed(entry.path.clone())),
        Err(cause) => Some(unread(&cause, &entry.path)),
    }
}

/// The hash and the size of a file; a link to one is no file of the export.
fn hash_of(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let (mut hash, mut file) = (Sha256::new(), BufReader::with_capacity(64 * 1024, File::open(path)?));
    let size = io::copy(&mut file, &mut hash)?;
    Ok((hash.finalize().to_vec(), size))
}

/// Adds what is in the folder and not told of.
fn additional(folder: &Path, below: &str, told: &HashSet<&str>, flaws: &mut Vec<Flaw>) {
    let Ok(entries) = fs::read_dir(folder.join(below)) else {
        flaws.push(Flaw::Unreadable(if below.is_empty() { ".".to_owned() } else { below.to_owned() }));
        return;
    };
    for entry in entries {
        let Ok(entry) = entry else {
            flaws.push(Flaw::Unreadable(below.to_owned()));
            continue;
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => additional(folder, &path, told, flaws),
            _ if told.contains(path.as_str()) => {}
            // an export that was killed in its last moment leaves its lock, which is empty
            Ok(kind) if path == LOCK && kind.is_file() && entry.metadata().is_ok_and(|lock| lock.len() == 0) => {}
            _ => flaws.push(Flaw::Additional(path)),
        }
    }
}
