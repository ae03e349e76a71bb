//! Sends the next of a message to many patients: a few at a time, so that nothing else waits for it.

use super::finish;
use crate::broadcasts::{self, Next, OneError, StopReason};
use crate::db::{BroadcastId, DbError, RecipientId, Ts};
use crate::error::AppError;
use crate::outbox::{self, Job};
use crate::state::AppState;
use std::time::Instant;
use time::Duration;

/// Between two rounds. A round begins at most [`broadcasts::AT_ONCE`] conversations.
const PAUSE: Duration = Duration::seconds(1);
/// Until the virus scanner is asked about again: it looks at the files in jobs of its own.
const SCAN: Duration = Duration::seconds(5);
/// After something failed that concerns no single patient.
const AFTER_FAILURE: Duration = Duration::seconds(30);
/// A round ends by then, well before its claim does.
const LONGEST_ROUND: std::time::Duration = std::time::Duration::from_secs(20);

/// What became of one patient's.
enum Step {
    /// it was begun, or it is written down that it is not
    Done,
    /// it does not go out any more, or another worker has the job
    Over,
}

pub(super) async fn run(state: &AppState, job: Job, id: BroadcastId) -> Result<(), AppError> {
    let (now, begun) = (state.clock.now(), Instant::now());
    let next = state.db.read(move |conn| -> Result<_, DbError> { Ok(broadcasts::next(conn, now, id)?) }).await?;
    let these = match next {
        Next::Over => return end(state, job).await,
        Next::Crowded => return again(state, job, now.plus(PAUSE)).await,
        Next::Scanning => return again(state, job, now.plus(SCAN)).await,
        Next::Infected => {
            stop(state, id, StopReason::Files).await?;
            return end(state, job).await;
        }
        Next::These(these) if these.is_empty() => {
            let write = state.db.write(move |tx| -> Result<_, DbError> { Ok(broadcasts::end_if_empty(tx, now, id)?) });
            write.await?;
            return end(state, job).await;
        }
        Next::These(these) => these,
    };
    let mut failed = None;
    for one in these {
        if begun.elapsed() > LONGEST_ROUND {
            break;
        }
        match step(state, &job, (id, one)).await {
            Ok(Step::Done) => {}
            Ok(Step::Over) => return end(state, job).await,
            // whatever is wrong with one does not keep it from the others
            Err(cause) => failed = Some(cause),
        }
    }
    // their notifications wait
    state.wake.notify_one();
    let pause = if failed.is_some() { AFTER_FAILURE } else { PAUSE };
    let now = state.clock.now();
    again(state, job, now.plus(pause)).await?;
    failed.map_or(Ok(()), |cause| Err(cause.into()))
}

async fn step(state: &AppState, job: &Job, (id, one): (BroadcastId, RecipientId)) -> Result<Step, DbError> {
    let (now, random, held) = (state.clock.now(), state.random.clone(), job.clone());
    let write = state.db.write(move |tx| -> Result<(), OneError> {
        // another worker that has the job begins its own round
        if !outbox::is_held(tx, &held)? {
            return Err(OneError::Over);
        }
        broadcasts::send_one(tx, now, &random, id, one).map(drop)
    });
    let done = match write.await {
        Err(OneError::Not(why)) => {
            let write = state.db.write(move |tx| broadcasts::not_sent(tx, now, id, one, &why));
            write.await
        }
        Err(OneError::Writer) => {
            tracing::warn!(broadcast = %id, "a message to many was stopped: its sender may not send any more");
            stop(state, id, StopReason::Writer).await?;
            Err(OneError::Over)
        }
        Err(OneError::Files) => {
            tracing::warn!(broadcast = %id, "a message to many was stopped: a file of it cannot be sent");
            stop(state, id, StopReason::Files).await?;
            Err(OneError::Over)
        }
        done => done,
    };
    match done {
        Ok(()) | Err(OneError::Passed) => Ok(Step::Done),
        Err(OneError::Db(cause)) => Err(cause),
        Err(OneError::Over | OneError::Writer | OneError::Files | OneError::Not(_)) => Ok(Step::Over),
    }
}

async fn stop(state: &AppState, id: BroadcastId, why: StopReason) -> Result<(), DbError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, DbError> { Ok(broadcasts::stop_unsent(tx, now, id, why)?) });
    write.await
}

async fn again(state: &AppState, job: Job, at: Ts) -> Result<(), AppError> {
    state.db.write(move |tx| -> Result<_, AppError> { Ok(outbox::retry(tx, &job, at).map(drop)?) }).await
}

async fn end(state: &AppState, job: Job) -> Result<(), AppError> {
    state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await
}
