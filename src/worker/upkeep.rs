//! What is done now and then: files that nobody sent or refers to are removed, and what lies under an old key is sealed
//! anew; texts that came in long ago are forgotten.

use crate::attachments;
use crate::db::{DbError, Ts};
use crate::notifications;
use crate::state::AppState;

/// All of it, as of this moment. What fails is logged, and done the next time.
pub async fn run(state: &AppState, now: Ts) {
    forget_texts(state, now).await;
    files(state, now).await;
}

async fn forget_texts(state: &AppState, now: Ts) {
    loop {
        let some = state.db.write(move |tx| -> Result<_, DbError> { Ok(notifications::forget_texts(tx, now)?) });
        match some.await {
            Ok(0) => return,
            Ok(count) => tracing::info!(count, "texts that came in long ago were forgotten"),
            Err(cause) => return tracing::error!(%cause, "texts that came in long ago could not be forgotten"),
        }
    }
}

async fn files(state: &AppState, now: Ts) {
    loop {
        let sweep = state.db.write(move |tx| -> Result<_, DbError> { Ok(attachments::sweep(tx, now)?) });
        match sweep.await {
            Ok(0) => break,
            Ok(count) => tracing::info!(count, "uploads that were never sent were removed"),
            Err(cause) => {
                tracing::error!(%cause, "uploads that were never sent could not be removed");
                break;
            }
        }
    }
    let desk = state.desk.clone();
    match state.db.write(move |tx| -> Result<_, DbError> { Ok(desk.want_scans(tx)?) }).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, scanner = state.desk.scanner.is_some(), "files changed with the scanner"),
        Err(cause) => tracing::error!(%cause, "files could not be put before the virus scanner"),
    }
    match state.desk.storage.sweep(&state.db, now).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "files that nothing refers to were removed"),
        Err(cause) => tracing::error!(%cause, "files that nothing refers to could not be removed"),
    }
    match state.desk.storage.rotate(&state.db, now, &state.random).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "files were sealed with the present key"),
        Err(cause) => tracing::error!(%cause, "files could not be sealed anew"),
    }
}
