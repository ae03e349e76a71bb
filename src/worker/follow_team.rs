//! Brings the conversations of a team in step with who belongs to it, one in each transaction: nothing else waits for a team that has
//! very many.

use super::finish;
use crate::conversations;
use crate::db::{DbError, TeamId, lock_row};
use crate::error::AppError;
use crate::outbox::{self, Job};
use crate::state::AppState;
use std::time::{Duration, Instant};

/// A round ends by then, well before its claim does.
const LONGEST_ROUND: Duration = Duration::from_secs(20);

pub(super) async fn run(state: &AppState, job: Job, team: TeamId) -> Result<(), AppError> {
    let (now, begun) = (state.clock.now(), Instant::now());
    let read = state.db.read(move |conn| -> Result<_, DbError> { Ok(conversations::to_follow(conn, now, team)?) });
    let Some(mut next) = read.await? else {
        return state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await;
    };
    let mut done = 0;
    for one in next.these.iter().copied() {
        if begun.elapsed() > LONGEST_ROUND {
            break;
        }
        let now = state.clock.now();
        let write = state.db.write(move |tx| -> Result<_, DbError> {
            conversations::follow_team(tx, now, team, one)?;
            Ok(())
        });
        write.await?;
        done += 1;
    }
    next.is_end &= done == next.these.len();
    next.these.truncate(done);
    let (now, is_end) = (state.clock.now(), next.is_end);
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        // whoever changes the team holds it before it enqueues this job anew
        lock_row(tx, "teams", team.0)?;
        if is_end {
            return finish(tx, &job, |tx| conversations::followed(tx, now, team, &next));
        }
        // whoever has changed the team meanwhile has enqueued it anew, and this claim is void
        if outbox::retry(tx, &job, now)? {
            conversations::followed(tx, now, team, &next)?;
        }
        Ok(())
    });
    write.await?;
    if !is_end {
        state.wake.notify_one();
    }
    Ok(())
}
