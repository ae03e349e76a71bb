//! Keeps the index of messages up to date: new ones a moment after they were written, older ones in the pauses between. The
//! sending of a message has no part in it.

use super::supervise::Stop;
use crate::db::DbError;
use crate::search;
use crate::state::AppState;
use std::time::Duration;

/// How often the worker looks for messages that are not in the index.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two transactions others write.
const PAUSE: Duration = Duration::from_millis(50);

/// Reads messages into the index until it is asked to stop.
pub(super) async fn keep_indexing(state: &AppState, stop: &Stop) {
    loop {
        let now = state.clock.now();
        let is_to_do = state.db.read(move |conn| -> Result<_, DbError> { Ok(search::is_to_do(conn, now)?) });
        let more = match is_to_do.await {
            Ok(false) => false,
            Ok(true) => some(state).await.unwrap_or_else(|cause| {
                tracing::error!(%cause, "messages could not be read for the search");
                false
            }),
            Err(cause) => {
                tracing::warn!(%cause, "it could not be seen whether messages wait to be read for the search");
                false
            }
        };
        if !stop.pause(if more { PAUSE } else { LOOK_EVERY }).await {
            return;
        }
    }
}

/// Reads some messages into the index; says whether more wait.
async fn some(state: &AppState) -> Result<bool, DbError> {
    let now = state.clock.now();
    state.db.write(move |tx| -> Result<_, DbError> { Ok(search::index_some(tx, now)?) }).await
}

/// Reads all messages that wait into the index; gives in how many transactions. For tests, and for a demo that begins with
/// its messages.
pub async fn all(state: &AppState) -> Result<usize, DbError> {
    let mut times = 1;
    while some(state).await? {
        times += 1;
    }
    Ok(times)
}
