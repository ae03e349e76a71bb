//! Where files lie: in one place, or in two while they move from one to the other. New files go to the first, and what it
//! does not have yet is read from the second; so nobody notices which files have moved.

use super::blob_store::{BlobStore, Ready};
use super::bucket::Bucket;
use super::folder::Folder;
use crate::config::{Files, KeepIn};
use std::io::{self, Read};
use std::ops::Range;

pub struct Places {
    pub first: Box<dyn BlobStore>,
    /// where files may still lie; `None`: nowhere else
    pub second: Option<Box<dyn BlobStore>>,
}

impl Places {
    pub fn of(files: &Files, folder: &Folder) -> io::Result<Places> {
        let folder: Box<dyn BlobStore> = Box::new(folder.clone());
        let Some(bucket) = &files.bucket else { return Ok(Places { first: folder, second: None }) };
        let bucket: Box<dyn BlobStore> = Box::new(Bucket::new(bucket)?);
        Ok(match files.keep_in {
            KeepIn::Bucket => Places { first: bucket, second: Some(folder) },
            KeepIn::Folder => Places { first: folder, second: Some(bucket) },
        })
    }
}

impl BlobStore for Places {
    fn put(&self, ready: Ready, name: &str) -> io::Result<()> {
        self.first.put(ready, name)
    }

    fn get(&self, name: &str, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let found = self.first.get(name, range.clone());
        // also where the first place is away, or does not tell what it lacks
        match (&self.second, found) {
            (Some(second), Err(cause)) => match second.get(name, range.clone()) {
                Ok(found) => Ok(found),
                Err(other) if cause.kind() == io::ErrorKind::NotFound => match other.kind() {
                    // it may have moved between the two looks
                    io::ErrorKind::NotFound => self.first.get(name, range),
                    // it may lie there: it is not missing, it cannot be had now
                    _ => Err(other),
                },
                Err(_) => Err(cause),
            },
            (_, found) => found,
        }
    }

    fn has(&self, name: &str) -> io::Result<bool> {
        let first = self.first.has(name);
        match &self.second {
            Some(second) if !matches!(first, Ok(true)) => match (second.has(name)?, first) {
                (true, _) => Ok(true),
                (false, first) => first,
            },
            _ => first,
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.first.remove(name)?;
        self.second.as_ref().map_or(Ok(()), |second| second.remove(name))
    }

    fn check(&self) -> io::Result<()> {
        self.first.check()
    }
}
