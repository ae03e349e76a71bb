//! What a round asks.

use crate::emr::{Accept, Emr, EmrError, Verb};
use std::io::Read;
use std::time::Duration;

/// A server that speaks FHIR R4.
pub trait Source: Send + Sync {
    /// its name, as imports know it
    fn name(&self) -> &str;

    /// The resource or bundle at `target`, a path below the server's base or a `next` link of its own: at most `limit`
    /// bytes. It may block.
    ///
    /// # Errors
    /// See [`Refusal`].
    fn get(&self, target: &str, limit: u64) -> Result<Vec<u8>, Refusal>;

    /// Asks for all records of these types (words with commas between them) as files, as the Bulk Data guide has it: the
    /// address that tells of them, or `None` where the server makes no such files.
    ///
    /// # Errors
    /// See [`Refusal`].
    fn start_export(&self, _kinds: &str) -> Result<Option<String>, Refusal> {
        Ok(None)
    }

    /// How far an export is.
    ///
    /// # Errors
    /// See [`Refusal`]; [`Refusal::Refused`] where the server does not know it any more.
    fn look_at_export(&self, _address: &str, _limit: u64) -> Result<Export, Refusal> {
        Err(Refusal::Refused(404))
    }

    /// Opens a file of an export, to be read as it comes.
    ///
    /// # Errors
    /// See [`Refusal`].
    fn open(&self, _address: &str) -> Result<Box<dyn Read + Send>, Refusal> {
        Err(Refusal::Refused(404))
    }

    /// Tells the server that the files of an export are read.
    fn end_export(&self, _address: &str) {}

    /// Between which minutes of the clinic's day all records may be read; `None`: at any time.
    fn quiet_hours(&self) -> Option<(i64, i64)>;
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// the list of its files
    Ready(Vec<u8>),
    /// the server is still making them: it is to be asked again after this time
    Waiting(Duration),
}

/// Where a server does not say when to ask again for an export.
const ASK_AGAIN: Duration = Duration::from_secs(20);

/// Why a server did not give what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// it does not answer
    Away,
    /// it asks to come back after this time
    Later(Duration),
    /// it refused, with this status
    Refused(u16),
    /// the sync may not read this
    NotAllowed,
    /// the answer is larger than what is read
    TooLarge,
    /// the answer is not FHIR
    Untrue,
}

impl Refusal {
    /// Whether another type of record may be read all the same.
    pub(super) fn is_of_one_kind(self) -> bool {
        match self {
            Refusal::Refused(status) => status < 500,
            Refusal::NotAllowed | Refusal::TooLarge => true,
            Refusal::Away | Refusal::Later(_) | Refusal::Untrue => false,
        }
    }
}

impl Refusal {
    /// Whether one thing cannot be had, now and later: it is not there, may not be read, or is on another server, to which no
    /// token goes.
    pub(super) fn is_gone(self) -> bool {
        self.is_of_one_kind() || self == Refusal::Untrue
    }
}

impl From<EmrError> for Refusal {
    fn from(cause: EmrError) -> Refusal {
        match cause {
            EmrError::Away(_) => Refusal::Away,
            EmrError::Later(pause) => Refusal::Later(pause),
            EmrError::Refused { status, .. } => Refusal::Refused(status),
            EmrError::NotAllowed(_) => Refusal::NotAllowed,
            EmrError::TooLarge => Refusal::TooLarge,
            EmrError::Untrue(_) => Refusal::Untrue,
        }
    }
}

impl Source for Emr {
    fn name(&self) -> &str {
        Emr::name(self)
    }

    fn get(&self, target: &str, limit: u64) -> Result<Vec<u8>, Refusal> {
        Ok(Emr::get(self, target, Accept::FhirJson, limit)?.body)
    }

    fn start_export(&self, kinds: &str) -> Result<Option<String>, Refusal> {
        let target = format!("$export?_type={kinds}");
        let answer = self.send(Verb::Get, &target, &[("prefer", "respond-async")], &[])?;
        Ok(answer.content_location.filter(|_| answer.status == 202))
    }

    fn look_at_export(&self, address: &str, limit: u64) -> Result<Export, Refusal> {
        let answer = Emr::get(self, address, Accept::FhirJson, limit)?;
        Ok(match answer.status {
            202 => Export::Waiting(answer.retry_after.unwrap_or(ASK_AGAIN)),
            _ => Export::Ready(answer.body),
        })
    }

    fn open(&self, address: &str) -> Result<Box<dyn Read + Send>, Refusal> {
        Ok(Emr::open(self, address, Accept::Ndjson)?)
    }

    fn end_export(&self, address: &str) {
        // a server that keeps them longer does no harm
        drop(self.send(Verb::Delete, address, &[], &[]));
    }

    fn quiet_hours(&self) -> Option<(i64, i64)> {
        self.config().quiet_hours
    }
}
