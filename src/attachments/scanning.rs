//! What the virus scanner says of files: it is asked at once, and again by the worker until it answers.

use super::FileIntake;
use super::accept::{AcceptError, Refusal};
use super::uploads::traced;
use crate::audit::{self, Actor, Event, Subject};
use crate::db::schema::{attachments, chart_files, chart_items, conversations, uploads};
use crate::db::{BlobId, ChartItemId, Conn, ConversationId, PatientId, Ts, Tx, UploadId};
use crate::outbox::{self, JobKind, Task};
use crate::scan::{ScanError, Verdict};
use crate::storage::{self, Blob, Scan, Spooled, StorageError};
use diesel::prelude::*;

/// The most files that have a job at once: when the scanner is away for days, the table of jobs stays small.
const JOBS: i64 = 100;

impl FileIntake {
    /// Scans a file that has just been uploaded, while its sender waits. A file with a virus is refused; a file that
    /// the scanner cannot look at now is taken and waits.
    pub(super) async fn scan_incoming(&self, spooled: Spooled) -> Result<(Spooled, Scan), AcceptError> {
        let Some(scanner) = &self.scanner else { return Ok((spooled, Scan::NotScanned)) };
        let (scanner, storage) = (scanner.in_haste(), self.storage.clone());
        let scan = tokio::task::spawn_blocking(move || {
            let verdict = match storage.read_spooled(&spooled) {
                Ok(mut reading) => scanner.scan(&mut reading),
                Err(cause) => Err(ScanError::Source(std::io::Error::other(cause.to_string()))),
            };
            (spooled, verdict)
        });
        let (spooled, verdict) = scan.await.map_err(|_| StorageError::from(std::io::Error::other("a scan died")))?;
        match verdict {
            Ok(Verdict::Clean) => Ok((spooled, Scan::Clean)),
            Ok(Verdict::Infected(_)) => Err(Refusal::Infected.into()),
            // a file that is too large for the scanner would wait for ever
            Err(cause @ ScanError::TooLarge) => {
                tracing::warn!(%cause, "a file was refused");
                Err(Refusal::NotScannable.into())
            }
            Err(cause) => {
                tracing::warn!(%cause, "a file waits to be scanned");
                Ok((spooled, Scan::Waiting))
            }
        }
    }

    /// What the scanner says of a waiting content; `None` where no scanner is configured (any more).
    ///
    /// # Errors
    /// Where the scanner or the storage does not answer: ask again later.
    pub async fn scan(&self, blob: Blob) -> Result<Option<Verdict>, ScanError> {
        let Some(scanner) = self.scanner.clone() else { return Ok(None) };
        let storage = self.storage.clone();
        let scan = tokio::task::spawn_blocking(move || {
            let reading = storage.read_to_check(&blob);
            let mut reading = reading.map_err(|e| ScanError::Source(std::io::Error::other(e.to_string())))?;
            scanner.scan(&mut reading).map(Some)
        });
        scan.await.map_err(|_| ScanError::Failed("a scan died".into()))?
    }

    /// Adjusts the state of all files to whether there is a scanner: where one was added, every file waits for it;
    /// where it was removed, none does. Gives how many files changed.
    pub fn want_scans(&self, tx: &mut Tx) -> QueryResult<usize> {
        if self.scanner.is_some() { storage::want_scans(tx) } else { storage::want_no_scans(tx) }
    }
}

/// Gives waiting files a job each, as many as there may be at once.
pub fn enqueue_scans(tx: &mut Tx, now: Ts) -> QueryResult<()> {
    let have = outbox::tasks(tx, JobKind::ScanFile, JOBS)?;
    let room = JOBS as usize - have.len();
    // up to this many of the waiting files may have a job already
    let waiting = if room > 0 { storage::waiting(tx, JOBS)? } else { Vec::new() };
    for id in waiting.into_iter().filter(|id| !have.contains(&Task::ScanFile(*id))).take(room) {
        outbox::enqueue(tx, now, Task::ScanFile(id), now)?;
    }
    Ok(())
}

/// A content, if it still waits for the scanner.
pub fn to_scan(conn: &mut Conn, id: BlobId) -> QueryResult<Option<Blob>> {
    let blob = storage::blob(conn, id).optional()?;
    Ok(blob.filter(|blob| blob.scan == Scan::Waiting))
}

/// Records that a virus was found in a content: it is removed, and each place that uses it gets an audit row. Gives the
/// conversations in which its senders are to be told.
pub fn found_infected(tx: &mut Tx, now: Ts, id: BlobId, virus: &str) -> QueryResult<Vec<ConversationId>> {
    storage::set_scan(tx, now, id, Scan::Infected)?;
    let unsent: Vec<(UploadId, Option<PatientId>)> =
        uploads::table.filter(uploads::blob_id.eq(id)).select((uploads::id, uploads::patient_id)).load(tx.conn())?;
    let sent: Vec<(i64, ConversationId, PatientId)> = attachments::table
        .inner_join(conversations::table.on(conversations::id.eq(attachments::conversation_id)))
        .filter(attachments::blob_id.eq(id))
        .order(attachments::conversation_id)
        .select((attachments::id, attachments::conversation_id, conversations::patient_id))
        .load(tx.conn())?;
    let in_charts: Vec<(ChartItemId, PatientId)> = chart_files::table
        .inner_join(chart_items::table)
        .filter(chart_files::blob_id.eq(id))
        .select((chart_files::item_id, chart_items::patient_id))
        .load(tx.conn())?;
    let unsent = unsent.into_iter().map(|(upload, patient)| (patient, Subject::Upload(upload)));
    let unsent = unsent.chain(in_charts.into_iter().map(|(item, patient)| (Some(patient), Subject::ChartItem(item.0))));
    let sent_in = sent.iter().map(|(attachment, _, patient)| (Some(*patient), Subject::Attachment(*attachment)));
    let places = unsent.chain(sent_in);
    for (patient, subject) in places {
        audit::append(tx, now, traced(Actor::System, Event::VirusFound, patient, subject).with(virus))?;
    }
    let mut conversations: Vec<ConversationId> = sent.into_iter().map(|(_, conversation, _)| conversation).collect();
    conversations.dedup();
    Ok(conversations)
}
