//! Taking in a file while it is uploaded.

use super::kinds::{Inspection, Kind};
use super::uploads::{self, Goal, Upload};
use super::{FileIntake, LookedAt, clean_name};
use crate::clock::Random;
use crate::db::{Db, DbError, Ts};
use crate::patients;
use crate::storage::{Incoming, StorageError};
use crate::text_enum;

text_enum! {
    /// Why a file was not taken; the page says each in words.
    pub enum Refusal {
        /// it has no name
        NoName = "no_name",
        /// files of its kind are not taken
        Kind = "kind",
        /// it is not what its name says
        Content = "content",
        /// there is nothing in it
        Empty = "empty",
        /// it is larger than one file may be
        TooLarge = "too_large",
        /// with the others it is more than one message may carry
        TooMuch = "too_much",
        /// it did not arrive whole
        Broken = "broken",
        /// there is no room for it
        Full = "full",
        /// a virus was found in it
        Infected = "infected",
        /// it is larger than the virus scanner takes
        NotScannable = "not_scannable",
        /// the storage does not answer
        Away = "away",
    }
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The file is refused, for this reason.
    #[error("the file was refused")]
    Refused(Refusal),
    /// The file could not be written.
    #[error(transparent)]
    Storage(StorageError),
}

impl AcceptError {
    /// The reason that the page shows. After a failure of the program another try may succeed; its cause is in the log.
    pub fn refusal(self) -> Refusal {
        match self {
            AcceptError::Refused(why) => why,
            AcceptError::Storage(StorageError::Db(cause)) if cause.is_full() => Refusal::Full,
            AcceptError::Storage(StorageError::Db(_)) => {
                tracing::error!("the database did not take a file");
                Refusal::Away
            }
            AcceptError::Storage(cause) => {
                tracing::error!(%cause, "a file was not taken");
                Refusal::Away
            }
        }
    }
}

impl From<Refusal> for AcceptError {
    fn from(why: Refusal) -> Self {
        AcceptError::Refused(why)
    }
}

impl From<StorageError> for AcceptError {
    fn from(cause: StorageError) -> Self {
        match cause {
            StorageError::Full => AcceptError::Refused(Refusal::Full),
            StorageError::Away(cause) => {
                tracing::error!(%cause, "a file was refused");
                AcceptError::Refused(Refusal::Away)
            }
            other => AcceptError::Storage(other),
        }
    }
}

impl From<DbError> for AcceptError {
    fn from(cause: DbError) -> Self {
        AcceptError::Storage(cause.into())
    }
}

/// A file that is being uploaded. When it is dropped unfinished, nothing of it is kept.
pub struct Receiving {
    name: String,
    kind: &'static Kind,
    incoming: Incoming,
    inspection: Inspection,
    size: u64,
    limit: u64,
}

impl FileIntake {
    /// Begins to take a file of this name, of at most `room` bytes.
    ///
    /// # Errors
    /// Where files of its kind are not taken: this is known before its first byte is read.
    pub async fn begin(&self, random: &Random, given_name: &str) -> Result<Receiving, AcceptError> {
        let name = clean_name(given_name);
        if name.is_empty() {
            return Err(Refusal::NoName.into());
        }
        let kind = self.policy.kind_of(&name).ok_or(Refusal::Kind)?;
        let incoming = self.storage.incoming_unknown(random).await?;
        Ok(Receiving {
            name,
            kind,
            incoming,
            inspection: Inspection::default(),
            size: 0,
            limit: self.policy.largest_file,
        })
    }
}

impl Receiving {
    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// Where the file gets too large, or cannot be written.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), AcceptError> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(Refusal::TooLarge.into());
        }
        self.inspection.at(bytes);
        Ok(self.incoming.push(bytes).await?)
    }

    /// Ends the upload: the file is checked, scanned, stored, and written down as this user's upload for this goal. What names any
    /// patient is marked where it is for many; where it is for one, what names another.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub async fn finish(self, intake: &FileIntake, db: &Db, now: Ts, goal: &Goal) -> Result<Upload, AcceptError> {
        if self.size == 0 {
            return Err(Refusal::Empty.into());
        }
        if !self.inspection.is(self.kind) {
            return Err(Refusal::Content.into());
        }
        let scanned = intake.scan_incoming(self.incoming.finish().await?).await;
        if matches!(scanned, Err(AcceptError::Refused(Refusal::Infected))) {
            let (user, patient) = goal.owner();
            db.write(move |tx| -> Result<_, DbError> { Ok(uploads::note_infected(tx, now, user, patient)?) }).await?;
        }
        let (spooled, scan) = scanned?;
        let (spooled, clues, looked_at) = intake.clues(spooled, &self.name, self.kind, now).await?;
        let looked_at = if self.inspection.is_locked() { LookedAt::Locked } else { looked_at };
        let asked = goal.again();
        let suspect = db.read(move |conn| -> Result<_, DbError> {
            Ok(match &asked {
                Goal::Patient(chart) => patients::named_other(conn, chart, &clues)?,
                Goal::Many(user) => patients::named_any(conn, user, &clues)?,
            })
        });
        // when the lookup fails, the file is still taken, marked as one that was not looked at
        let (suspect, looked_at) = match suspect.await {
            Ok(suspect) => (suspect, looked_at),
            Err(_) => {
                tracing::error!("whom a file names could not be looked up");
                (None, LookedAt::Failed)
            }
        };
        let placed = intake.storage.put(db, now, spooled).await?;
        let (user, patient) = goal.owner();
        let new = uploads::NewUpload {
            user,
            patient,
            name: self.name,
            media_type: self.kind.media_type,
            placed,
            scan,
            suspect,
            looked_at,
        };
        let added = db.write(move |tx| -> Result<_, DbError> { Ok(uploads::add(tx, now, &new)?) }).await?;
        added.ok_or_else(|| Refusal::Infected.into())
    }
}
