//! The files of the clinic: each beside the pages, and once more in a Binary.

use super::super::ExportError;
use super::super::manifest::Lacking;
use super::Export;
use crate::storage::{Blob, NotServed, StorageError};
use data_encoding::BASE64;
use std::io::{self, Read, Write};

/// Bytes that are encoded at once: a multiple of three, so that base64 has no gaps.
const CHUNK: u64 = 48 * 1024;

impl Export {
    /// Copies a file into the folder, and into a Binary; `false` where it may not go out or is not there.
    pub(super) fn file(
        &mut self,
        place: &str,
        binary: &str,
        media_type: &str,
        blob: &Blob,
    ) -> Result<bool, ExportError> {
        let mut lacks = |why: &str| self.lacking.push(Lacking { path: place.to_owned(), why: why.to_owned() });
        let served = match self.storage.served(blob.clone()) {
            Ok(served) => served,
            Err(NotServed::Waiting) => {
                lacks("waiting");
                return Ok(false);
            }
            Err(NotServed::Infected) => {
                lacks("infected");
                return Ok(false);
            }
        };
        if self.folder.take(place, &blob.sha256)? {
            let copy = self.folder.open(place)?;
            self.binary(binary, media_type, copy)?;
            return Ok(true);
        }
        let mut reading = match self.storage.read_now(&served, 0..served.size()) {
            Ok(reading) => reading,
            Err(StorageError::Missing(_)) => {
                lacks("missing");
                return Ok(false);
            }
            Err(cause) => return Err(cause.into()),
        };
        let mut output = self.folder.file(place)?;
        let mut piece = Vec::new();
        loop {
            piece.clear();
            // what fails here is the file; what fails in writing is the folder
            match (&mut reading).take(CHUNK).read_to_end(&mut piece) {
                Ok(0) => break,
                Ok(_) => output.write_all(&piece)?,
                Err(cause) if matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                    self.folder.forget(output)?;
                    lacks("damaged");
                    return Ok(false);
                }
                Err(cause) => return Err(cause.into()),
            }
        }
        if self.folder.end(output)? != blob.sha256 {
            lacks("damaged");
        }
        let copy = self.folder.open(place)?;
        self.binary(binary, media_type, copy)?;
        Ok(true)
    }

    /// Writes a Binary piece by piece: the file may be large.
    pub(super) fn binary(&mut self, id: &str, media_type: &str, mut from: impl Read) -> Result<(), ExportError> {
        let to = &mut self.resources.binary;
        let media_type = serde_json::to_string(media_type.split(';').next().unwrap_or_default().trim())?;
        write!(to, "{{\"resourceType\":\"Binary\",\"id\":\"{id}\",\"contentType\":{media_type},\"data\":\"")?;
        let mut piece = Vec::new();
        loop {
            piece.clear();
            if (&mut from).take(CHUNK).read_to_end(&mut piece)? == 0 {
                return Ok(to.write_all(b"\"}\n")?);
            }
            to.write_all(BASE64.encode(&piece).as_bytes())?;
        }
    }
}
