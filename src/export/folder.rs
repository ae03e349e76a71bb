//! The folder that is written: under another name until it is whole. Every file is hashed as it is written. What a killed export had
//! copied of the clinic's files is taken over by the next one, each after a look at its hash; all else is made anew, so that an
//! export holds one moment.

use super::ExportError;
use super::manifest::{Entry, Head, MANIFEST, SUMS, first_link, link, sum_line};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the name of an unfinished export ends with.
const PART: &str = ".part";
/// Held while an export is written; by it an unfinished one is known.
pub(super) const LOCK: &str = ".lock";
/// The entries of the manifest, until it is written.
const ENTRIES: &str = ".entries";
/// The files that a killed export had copied, a folder for each patient.
const BEFORE: &str = ".before";
/// The folder of patients, and within each that of their files.
const PATIENTS: &str = "patients";
const FILES: &str = "files";
/// Bytes that are hashed at once.
const PIECE: usize = 64 * 1024;

/// An export that is not finished. Dropped, it removes what it wrote.
pub(super) struct Unfinished {
    to: PathBuf,
    part: PathBuf,
    _lock: File,
    entries: BufWriter<File>,
    sums: BufWriter<File>,
    files: u64,
    bytes: u64,
    last: String,
    is_done: bool,
}

/// A file that is being written.
pub(super) struct Output {
    path: String,
    file: BufWriter<File>,
    hash: Sha256,
    size: u64,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(BufWriter::with_capacity(64 * 1024, file))
}

fn finished(mut file: BufWriter<File>) -> io::Result<()> {
    file.flush()?;
    // a full disk may say so only now
    file.get_ref().sync_data()
}

impl Unfinished {
    /// Begins an export that is to be the folder `to`.
    ///
    /// # Errors
    /// Where there is something already, or nothing can be written there.
    pub fn begin(to: &Path) -> Result<Unfinished, ExportError> {
        let shown = |path: &Path| path.display().to_string();
        let unusable = |path: &Path, cause: io::Error| match ExportError::from(cause) {
            ExportError::Storage(crate::storage::StorageError::Io(cause)) => ExportError::Folder(shown(path), cause),
            other => other,
        };
        if fs::symlink_metadata(to).is_ok() {
            return Err(ExportError::Exists(shown(to)));
        }
        let Some(name) = to.file_name() else { return Err(ExportError::Exists(shown(to))) };
        let mut part_name = name.to_owned();
        part_name.push(PART);
        let part = to.with_file_name(part_name);
        let make = |path: &Path| fs::DirBuilder::new().mode(0o700).create(path);
        let taken_over = match make(&part) {
            Ok(()) => None,
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Some(take_over(&part)?),
            Err(cause) => return Err(unusable(&part, cause)),
        };
        let begun = (|| -> io::Result<_> {
            let lock = match taken_over {
                Some(lock) => lock,
                None => locked(&part)?,
            };
            Ok((lock, create(&part.join(ENTRIES))?, create(&part.join(SUMS))?))
        })();
        let (lock, entries, sums) = begun.map_err(|cause| {
            // only what is empty, or ours, goes: see `take_over`
            let _ = fs::remove_dir_all(&part);
            unusable(&part, cause)
        })?;
        let (to, last) = (to.to_owned(), first_link());
        Ok(Unfinished { to, part, _lock: lock, entries, sums, files: 0, bytes: 0, last, is_done: false })
    }

    /// Begins a file at this path below the folder: letters of ASCII, digits, `-`, `.` and `/`, so that every system and
    /// `sha256sum` take it as it is.
    pub fn file(&self, path: &str) -> io::Result<Output> {
        let place = self.part.join(path);
        if let Some(parent) = place.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        Ok(Output { path: path.to_owned(), file: create(&place)?, hash: Sha256::new(), size: 0 })
    }

    /// Ends a file; gives its hash.
    pub fn end(&mut self, output: Output) -> Result<Vec<u8>, ExportError> {
        let Output { path, file, hash, size } = output;
        finished(file)?;
        let hash = hash.finalize().to_vec();
        self.list(path, &hash, size)?;
        Ok(hash)
    }

    /// Adds a file to the list of the manifest.
    fn list(&mut self, path: String, hash: &[u8], size: u64) -> Result<(), ExportError> {
        let sha256 = HEXLOWER.encode(hash);
        self.last = link(&self.last, &sha256, size, &path);
        self.sums.write_all(sum_line(&sha256, &path).as_bytes())?;
        let entry = Entry { path, size, sha256, chain: self.last.clone() };
        let comma = if self.files > 0 { ",\n" } else { "" };
        self.entries.write_all(format!("{comma}{}", serde_json::to_string(&entry)?).as_bytes())?;
        (self.files, self.bytes) = (self.files + 1, self.bytes + size);
        Ok(())
    }

    /// Takes the file for this path that a killed export had copied, where its content is this one. Says whether there is one.
    pub fn take(&mut self, path: &str, sha256: &[u8]) -> Result<bool, ExportError> {
        let mut parts = path.split('/');
        let (Some(PATIENTS), Some(patient), Some(FILES), Some(name)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Ok(false);
        };
        let copied = self.part.join(BEFORE).join(patient).join(name);
        let mut file = match File::open(&copied) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(cause) => return Err(cause.into()),
        };
        let (hash, size) = hashed(&mut file)?;
        // it was cut off, or is another one by now: it is copied anew
        if hash != sha256 {
            return Ok(false);
        }
        // whoever copied it may have died before it was on the disk
        file.sync_data()?;
        let place = self.part.join(path);
        if let Some(parent) = place.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        fs::rename(copied, place)?;
        self.list(path.to_owned(), &hash, size)?;
        Ok(true)
    }

    /// Writes a whole file.
    pub fn whole(&mut self, path: &str, text: &str) -> Result<(), ExportError> {
        let mut output = self.file(path)?;
        output.write_all(text.as_bytes())?;
        self.end(output).map(drop)
    }

    /// Removes a file that was begun and is not to be in the export.
    pub fn forget(&self, output: Output) -> io::Result<()> {
        let place = self.part.join(&output.path);
        drop(output);
        fs::remove_file(place)
    }

    /// Opens a file that was ended.
    pub fn open(&self, path: &str) -> io::Result<File> {
        File::open(self.part.join(path))
    }

    /// How many files were ended, and their bytes.
    pub fn size(&self) -> (u64, u64) {
        (self.files, self.bytes)
    }

    /// Writes the manifest; gives its hash.
    pub fn seal(&mut self, head: &Head) -> Result<String, ExportError> {
        self.entries.flush()?;
        let head = serde_json::to_string(head)?;
        let mut manifest = Output {
            path: MANIFEST.to_owned(),
            file: create(&self.part.join(MANIFEST))?,
            hash: Sha256::new(),
            size: 0,
        };
        let head = head.strip_suffix('}').unwrap_or(&head);
        manifest.write_all(format!("{head},\n\"files\":[\n").as_bytes())?;
        io::copy(&mut File::open(self.part.join(ENTRIES))?, &mut manifest)?;
        manifest.write_all(format!("\n],\n\"top\":\"{}\"}}\n", self.last).as_bytes())?;
        finished(manifest.file)?;
        let sha256 = HEXLOWER.encode(&manifest.hash.finalize());
        self.sums.write_all(sum_line(&sha256, MANIFEST).as_bytes())?;
        self.sums.flush()?;
        self.sums.get_ref().sync_data()?;
        Ok(sha256)
    }

    /// Gives the folder its name.
    pub fn publish(mut self) -> Result<(), ExportError> {
        fs::remove_file(self.part.join(ENTRIES))?;
        absent_or(fs::remove_dir_all(self.part.join(BEFORE)))?;
        sync_folders(&self.part)?;
        // renaming onto an empty folder that came meanwhile replaces it, onto anything else fails
        fs::rename(&self.part, &self.to)?;
        self.is_done = true;
        // only now: without the lock nobody would know a `.part` for an unfinished export
        if let Err(cause) = fs::remove_file(self.to.join(LOCK)) {
            tracing::warn!(%cause, "the lock of a finished export could not be removed");
        }
        File::open(&self.to)?.sync_all()?;
        let parent = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        Ok(File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_done
            && let Err(cause) = fs::remove_dir_all(&self.part)
        {
            tracing::warn!(%cause, "an unfinished export could not be removed");
        }
    }
}

/// Writes the names within a folder, and within those below it, to the disk.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Does not mind that what was to be done with it is not there.
fn absent_or(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The hash and the size of a file.
fn hashed(file: &mut File) -> io::Result<(Vec<u8>, u64)> {
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok((hash.finalize().to_vec(), size));
        }
        hash.update(piece.get(..count).unwrap_or_default());
        size += count as u64;
    }
}

/// Makes the lock of a new export, and holds it.
fn locked(part: &Path) -> io::Result<File> {
    let lock = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(part.join(LOCK))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(TryLockError::Error(cause)) => Err(cause),
        Ok(()) => Ok(lock),
    }
}

/// Takes over what a killed export left behind: the files that it had copied are set aside, and all else goes. Gives its lock, which
/// is held. Killed in the middle of this, too, there is nothing that the next one would not take over.
fn take_over(part: &Path) -> Result<File, ExportError> {
    let in_the_way = || ExportError::InTheWay(part.display().to_string());
    let is_folder = fs::symlink_metadata(part)?.is_dir();
    let lock = fs::OpenOptions::new().write(true).open(part.join(LOCK)).ok().filter(|_| is_folder);
    let lock = lock.ok_or_else(in_the_way)?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(ExportError::Busy),
        Err(TryLockError::Error(cause)) => return Err(cause.into()),
        Ok(()) => {}
    }
    for entry in fs::read_dir(part)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if name == LOCK || name == BEFORE {
            continue;
        }
        if !entry.file_type()?.is_dir() {
            fs::remove_file(&path)?;
            continue;
        }
        if name == PATIENTS {
            set_aside(&path, &part.join(BEFORE))?;
        }
        fs::remove_dir_all(&path)?;
    }
    Ok(lock)
}

/// Moves the files of each patient from one folder into another.
fn set_aside(patients: &Path, to: &Path) -> io::Result<()> {
    for patient in fs::read_dir(patients)? {
        let patient = patient?;
        // a patient without files
        let Ok(files) = fs::read_dir(patient.path().join(FILES)) else { continue };
        let place = to.join(patient.file_name());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&place)?;
        for file in files {
            let file = file?;
            if file.file_type()?.is_file() {
                fs::rename(file.path(), place.join(file.file_name()))?;
            }
        }
    }
    Ok(())
}
