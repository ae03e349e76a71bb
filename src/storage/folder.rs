//! A folder on this machine: `ab/abcd…-random` for each file, `incoming/` for those that are being written.

use super::blob_store::{BlobStore, Ready};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::NamedTempFile;

#[derive(Clone)]
pub struct Folder(PathBuf);

const INCOMING: &str = "incoming";

impl Folder {
    pub fn open(path: &Path) -> io::Result<Folder> {
        // no other user of this machine may read the files
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path.join(INCOMING))?;
        let folder = Folder(path.to_owned());
        // a folder that cannot be written is found now, not at the first upload
        folder.check()?;
        Ok(folder)
    }

    /// An existing folder, only to read.
    pub fn there(path: &Path) -> Folder {
        Folder(path.to_owned())
    }

    /// The size of a file; `None` where there is none.
    pub fn size(&self, name: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.at(name)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            found => Ok(Some(found?.len())),
        }
    }

    /// The names of all files.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for folder in fs::read_dir(&self.0)? {
            let folder = folder?;
            if folder.file_name().len() == 2 && folder.file_type()?.is_dir() {
                for file in fs::read_dir(folder.path())? {
                    names.extend(file?.file_name().into_string());
                }
            }
        }
        Ok(names)
    }

    /// A file, to be read from its beginning.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        File::open(self.at(name))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file to write to; it is removed with its handle.
    pub fn spool(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix("").rand_bytes(16).tempfile_in(self.0.join(INCOMING))
    }

    /// Removes files that a process left when it died before `before`; `None`: nobody is writing now, so all are
    /// removed.
    pub fn sweep(&self, before: Option<SystemTime>) -> io::Result<usize> {
        let mut swept = 0;
        for entry in fs::read_dir(self.0.join(INCOMING))? {
            let entry = entry?;
            // a file that has disappeared meanwhile belongs to a process that finished
            let modified = entry.metadata().and_then(|meta| meta.modified());
            if modified.is_ok_and(|at| before.is_none_or(|before| at < before)) {
                match fs::remove_file(entry.path()) {
                    Ok(()) => swept += 1,
                    // the others can still be removed
                    Err(cause) => tracing::error!(%cause, "what a process left when it died could not be removed"),
                }
            }
        }
        Ok(swept)
    }

    /// Names are of letters, digits and one dash; any other character is dropped, so that no name leads out of the
    /// folder.
    fn at(&self, name: &str) -> PathBuf {
        let safe: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        self.0.join(safe.get(..2).unwrap_or("00")).join(safe)
    }
}

impl BlobStore for Folder {
    /// Durable when it returns: the content was synced while it was spooled, and the folders are synced here.
    fn put(&self, ready: Ready, name: &str) -> io::Result<()> {
        let path = self.at(name);
        let Some(parent) = path.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
        match fs::DirBuilder::new().mode(0o700).create(parent) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
            // also where the folder existed: another process may have made it a moment ago, and not have synced it yet
            _ => File::open(&self.0)?.sync_all()?,
        }
        ready.file.persist_noclobber(&path).map_err(|e| e.error)?;
        File::open(parent)?.sync_all()
    }

    fn get(&self, name: &str, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let mut file = fs::OpenOptions::new().read(true).open(self.at(name))?;
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Box::new(file.take(range.end - range.start)))
    }

    fn has(&self, name: &str) -> io::Result<bool> {
        self.at(name).try_exists()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.at(name)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    fn check(&self) -> io::Result<()> {
        tempfile::tempfile_in(self.0.join(INCOMING)).map(drop)
    }
}
