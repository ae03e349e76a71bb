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
    if let Err(Fault::Due(DueError::Not(why))) = done {
        tracing::warn!(scheduled = %id, why = why.as_str(), "a message did not go out at its moment");
        let (now, held) = (state.clock.now(), job.clone());
        let write = state.db.write(move |tx| while_held(tx, &held, |tx| conversations::not_sent(tx, now, id, why)));
        done = write.await.map_err(Fault::Due);
    }
    match done {
        Ok(()) => {
            // its notifications wait, or word to its writer
            state.wake.notify_one();
            Ok(())
        }
        // cancelled, or put off since: the job that belongs to its new moment is another claim
        Err(Fault::Due(DueError::NotDue)) => state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await,
        Err(Fault::Due(DueError::Moved)) => {
            let now = state.clock.now();
            state.db.write(move |tx| -> Result<(), AppError> { Ok(outbox::hand_back(tx, now, &job)?) }).await
        }
        // not even that it was not sent could be written down: its moment, or the end of the day, comes again
        Err(Fault::Due(DueError::Not(why))) => Err(AppError::Internal(why.as_str().into())),
        // tried again, until it is too late for it
        Err(Fault::Due(DueError::Db(cause))) => again(state, job, cause.into()).await,
        Err(Fault::Files(cause)) => again(state, job, cause.into()).await,
    }
}

/// Puts the job off after a fault, and gives the fault back to be logged as what it is.
async fn again(state: &AppState, job: Job, cause: AppError) -> Result<(), AppError> {
    let again = outbox::back_off(state.clock.now(), job.attempts.min(MOST_PAUSE), &state.random);
    state.db.write(move |tx| -> Result<(), DbError> { Ok(outbox::retry(tx, &job, again).map(drop)?) }).await?;
    Err(cause)
}

/// Why nothing was sent.
enum Fault {
    /// the verb says so, or the database failed
    Due(DueError),
    /// a file could not be had or made
    Files(StorageError),
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

async fn send(state: &AppState, job: &Job, id: ScheduledId) -> Result<(), Fault> {
    let now = state.clock.now();
    let due = state.db.read(move |conn| conversations::due(conn, now, id)).await.map_err(Fault::Due)?;
    let Due { chart, fields, .. } = due;
    let fields = Fields(&fields);
    let named = (fields.uploads(), fields.items());
    let files = state.intake.picks(&state.db, (now, &state.random), &chart, named, fields.confirmed()).await;
    let files = match files {
        Ok(files) => files.ok_or(Fault::Due(DueError::Not(NotSent::FilesGone)))?,
        Err(StorageError::Db(cause)) => return Err(Fault::Due(DueError::Db(cause))),
        Err(cause) => return Err(Fault::Files(cause)),
    };
    let (random, job) = (state.random.clone(), job.clone());
    let write =
        state.db.write(move |tx| while_held(tx, &job, |tx| conversations::send_due(tx, now, &random, id, files)));
    write.await.map_err(Fault::Due)
}
