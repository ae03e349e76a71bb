//! Sends a message whose moment has come, once over all workers: what is sent, and that it is sent, is one transaction.

use super::finish;
use crate::conversations::{self, Due, DueError, Fields, NotSent};
use crate::db::{DbError, ScheduledId, Tx};
use crate::error::AppError;
use crate::outbox::{self, Job};
use crate::state::AppState;
use crate::storage::StorageError;

pub(super) async fn run(state: &AppState, job: Job, id: ScheduledId) -> Result<(), AppError> {
    let mut done = send(state, &job, id).await;
    if let Err(DueError::Not(why)) = done {
        tracing::warn!(scheduled = %id, why = why.as_str(), "a message did not go out at its moment");
        let (now, held) = (state.clock.now(), job.clone());
        let write = state.db.write(move |tx| while_held(tx, &held, |tx| conversations::not_sent(tx, now, id, why)));
        done = write.await;
    }
    match done {
        Ok(()) => {
            // its notifications wait, or word to its writer
            state.wake.notify_one();
            Ok(())
        }
        // cancelled, or put off since: the job that belongs to its new moment is another claim
        Err(DueError::NotDue) => state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await,
        Err(DueError::Moved) => {
            let now = state.clock.now();
            state.db.write(move |tx| -> Result<(), AppError> { Ok(outbox::hand_back(tx, now, &job)?) }).await
        }
        // not even that it was not sent could be written down: its moment, or the end of the day, comes again
        Err(DueError::Not(why)) => Err(AppError::Internal(why.as_str().into())),
        // tried again, until it is too late for it
        Err(DueError::Db(cause)) => {
            let again = outbox::back_off(state.clock.now(), job.attempts.min(MOST_PAUSE), &state.random);
            state.db.write(move |tx| -> Result<(), DbError> { Ok(outbox::retry(tx, &job, again).map(drop)?) }).await?;
            Err(cause.into())
        }
    }
}

/// The pause between two tries grows to about five minutes.
const MOST_PAUSE: i64 = 7;

/// Does something for a job, and ends the job last: whoever cancels or changes a message locks its row before the job, and so does
/// this. Where the claim was lost meanwhile, nothing of it is kept.
fn while_held(tx: &mut Tx, job: &Job, write: impl FnOnce(&mut Tx) -> Result<(), DueError>) -> Result<(), DueError> {
    if !outbox::is_held(tx, job)? {
        return Err(DueError::NotDue);
    }
    write(tx)?;
    if outbox::finish(tx, job)? { Ok(()) } else { Err(DueError::NotDue) }
}

async fn send(state: &AppState, job: &Job, id: ScheduledId) -> Result<(), DueError> {
    let now = state.clock.now();
    let due = state.db.read(move |conn| conversations::due(conn, now, id)).await?;
    let Due { chart, fields, .. } = due;
    let fields = Fields(&fields);
    let named = (fields.uploads(), fields.items());
    let files = state.intake.picks(&state.db, (now, &state.random), &chart, named, fields.confirmed()).await;
    let files = match files {
        Ok(files) => files.ok_or(DueError::Not(NotSent::FilesGone))?,
        Err(StorageError::Db(cause)) => return Err(DueError::Db(cause)),
        Err(cause) => {
            tracing::error!(%cause, "a chart item could not be attached");
            return Err(DueError::Db(DbError::Gone));
        }
    };
    let (random, job) = (state.random.clone(), job.clone());
    let write =
        state.db.write(move |tx| while_held(tx, &job, |tx| conversations::send_due(tx, now, &random, id, files)));
    write.await
}
