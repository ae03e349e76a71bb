//! Has the virus scanner check files that wait for it: files that came while it did not answer, and all that were
//! stored before a scanner was configured. It has a lane of its own, so that a slow scanner delays no message.

use super::finish;
use super::supervise::Stop;
use crate::attachments;
use crate::db::{BlobId, DbError};
use crate::error::AppError;
use crate::outbox::{self, Job};
use crate::scan::Verdict;
use crate::state::AppState;
use crate::storage::{self, Scan};
use crate::threads;
use std::time::Duration;

/// How often files without a job are searched for. Most are scanned as they come in, and never get here.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A scanner that does not answer is tried again after 2 to 3 minutes at most: people wait for these files.
const LONGEST_BACK_OFF: i64 = 6;

/// Gives waiting files their jobs, until it is asked to stop.
pub(super) async fn keep_enqueueing(state: &AppState, stop: &Stop) {
    loop {
        let now = state.clock.now();
        let enqueue = state.db.write(move |tx| -> Result<_, DbError> { Ok(attachments::enqueue_scans(tx, now)?) });
        if let Err(cause) = enqueue.await {
            tracing::error!(%cause, "files could not be put before the virus scanner");
        }
        if !stop.pause(LOOK_EVERY).await {
            return;
        }
    }
}

pub(super) async fn run(state: &AppState, job: Job, id: BlobId) -> Result<(), AppError> {
    let now = state.clock.now();
    let found = state.db.read(move |conn| -> Result<_, AppError> { Ok(attachments::to_scan(conn, id)?) });
    let Some(blob) = found.await? else {
        return state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await;
    };
    let sha256 = blob.sha256.clone();
    match state.intake.scan(blob).await {
        Ok(verdict) => {
            let infected = matches!(verdict, Some(Verdict::Infected(_)));
            let write = state.db.write(move |tx| {
                finish(tx, &job, |tx| {
                    // SQLite gives the id of a removed content again: the verdict must not count for another content
                    if attachments::to_scan(tx, id)?.is_none_or(|now| now.sha256 != sha256) {
                        return Ok(());
                    }
                    match verdict {
                        Some(Verdict::Infected(virus)) => {
                            for conversation in attachments::found_infected(tx, now, id, &virus)? {
                                threads::ask_attention_for_file(tx, conversation)?;
                            }
                            Ok(())
                        }
                        Some(Verdict::Clean) => storage::set_scan(tx, now, id, Scan::Clean),
                        None => storage::set_scan(tx, now, id, Scan::NotScanned),
                    }
                })
            });
            write.await?;
            if infected {
                tracing::warn!(blob = %id, "a virus was found in a file, and the file removed");
                remove_now(state).await;
            }
            Ok(())
        }
        Err(cause) => {
            tracing::warn!(%cause, blob = %id, "a file waits to be scanned");
            let later = outbox::back_off(now, job.attempts.min(LONGEST_BACK_OFF), &state.random);
            state.db.write(move |tx| Ok(outbox::retry(tx, &job, later).map(drop)?)).await
        }
    }
}

/// Removes an infected file from the storage at once, not with the next sweep.
async fn remove_now(state: &AppState) {
    if let Err(cause) = state.intake.storage.sweep(&state.db, state.clock.now()).await {
        tracing::error!(%cause, "an infected file could not be removed from the storage yet");
    }
}
