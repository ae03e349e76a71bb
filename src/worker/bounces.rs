//! Reads the mailbox that mail comes back to, where one is configured.

use crate::db::DbError;
use crate::delivery::bounce;
use crate::delivery::imap::{self, Keep};
use crate::notifications;
use crate::state::AppState;

/// Visits the mailbox from time to time. Ends never; the caller stops it.
pub(super) async fn keep_reading(state: &AppState) {
    let Some(bounces) = state.config.bounces.as_ref().filter(|bounces| bounces.imap.is_some()) else {
        return std::future::pending().await;
    };
    loop {
        if let Err(cause) = read(state).await {
            tracing::warn!(%cause, "the mailbox for returned mail could not be read");
        }
        tokio::time::sleep(bounces.every).await;
    }
}

/// One visit to the mailbox; gives how many mails there were. Nothing where none is configured.
///
/// # Errors
/// Why the mailbox could not be read.
pub async fn read(state: &AppState) -> Result<usize, String> {
    let Some(bounces) = &state.config.bounces else { return Ok(0) };
    let Some(imap) = &bounces.imap else { return Ok(0) };
    imap::visit(imap, |raw| async move {
        let Some(bounce) = bounce::parse(&raw, &bounces.address) else { return Ok(Keep::Leave) };
        let now = state.clock.now();
        let write = state.db.write(move |tx| -> Result<_, DbError> { Ok(notifications::bounced(tx, now, &bounce)?) });
        write.await.map_err(|e| e.to_string())?;
        Ok(Keep::Remove)
    })
    .await
}
