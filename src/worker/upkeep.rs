//! What is done now and then for files: what nobody sent or refers to is removed, and what lies under an old key is
//! sealed anew.

use crate::db::Ts;
use crate::state::AppState;

pub(super) async fn run(state: &AppState, now: Ts) {
    match state.desk.storage.sweep(&state.db, now).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "files that nothing refers to were removed"),
        Err(cause) => tracing::error!(%cause, "files that nothing refers to could not be removed"),
    }
    let mut sealed = 0;
    loop {
        match state.desk.storage.rotate(&state.db, now, &state.random).await {
            Ok(0) => break,
            Ok(count) => sealed += count,
            Err(cause) => {
                tracing::error!(%cause, "files could not be sealed anew");
                break;
            }
        }
    }
    if sealed > 0 {
        tracing::info!(count = sealed, "files were sealed with the present key");
    }
}
