//! Copies the state of the audit log to places outside the database: to a file, into the program's log, and to the
//! owners by mail.

use crate::audit::{self, Heads};
use crate::db::{DbError, SecretKey, Ts};
use crate::state::AppState;
use crate::users;
use std::io::{BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Copies to each configured place. A copy that fails is logged, and made the next time.
pub(super) async fn tell(state: &AppState, now: Ts) {
    let Some(key) = &state.config.audit_key else { return };
    tell_file(state, now).await;
    if state.config.audit_seals_in_log || state.config.audit_seals_by_mail {
        store_seals(state, now, key).await;
    }
    if state.config.audit_seals_by_mail {
        match state.db.write(move |tx| -> Result<_, DbError> { Ok(users::tell_seal(tx, now)?) }).await {
            Ok(0) => {}
            Ok(owners) => tracing::info!(owners, "the seal of the audit log is mailed"),
            Err(cause) => tracing::error!(%cause, "the seal of the audit log could not be mailed"),
        }
    }
}

/// Makes the seals that are due. A seal reveals nothing of the audit log's content, so it may stand in the program's
/// log.
async fn store_seals(state: &AppState, now: Ts, key: &SecretKey) {
    loop {
        let key = key.clone();
        match state.db.write(move |tx| -> Result<_, DbError> { Ok(audit::seal_next(tx, now, &key)?) }).await {
            Ok(None) => return,
            Ok(Some(seal)) if state.config.audit_seals_in_log => tracing::info!(%seal, "the audit log was sealed"),
            Ok(Some(_)) => {}
            Err(cause) => return tracing::error!(%cause, "the audit log could not be sealed"),
        }
    }
}

/// Writes to a file how far the audit log has come.
async fn tell_file(state: &AppState, now: Ts) {
    let (Some(path), Some(key)) = (state.config.audit_heads.clone(), state.config.audit_key.clone()) else { return };
    let mut before = match tokio::task::spawn_blocking({
        let path = path.clone();
        move || last_line(&path)
    })
    .await
    {
        Ok(Ok(line)) => line,
        Ok(Err(cause)) => return tracing::error!(%cause, "audit.heads_file cannot be read"),
        Err(cause) => return tracing::error!(%cause, "audit.heads_file could not be read"),
    };
    loop {
        let (key, earlier) = (key.clone(), before.clone());
        let next =
            state.db.read(move |conn| -> Result<_, DbError> { Ok(Heads::next(conn, now, &key, earlier.as_ref())?) });
        let line = match next.await {
            Ok(None) => return,
            Ok(Some(line)) => line,
            Err(cause) => return tracing::error!(%cause, "the ends of the audit log could not be read"),
        };
        let (path, words) = (path.clone(), line.clone());
        match tokio::task::spawn_blocking(move || add_line(&path, &words)).await {
            Ok(Ok(())) => before = Some(line),
            Ok(Err(cause)) => return tracing::error!(%cause, "audit.heads_file cannot be written"),
            Err(cause) => return tracing::error!(%cause, "audit.heads_file could not be written"),
        }
    }
}

/// The last line of the file; `None` where there is none yet.
fn last_line(path: &Path) -> std::io::Result<Option<Heads>> {
    let file = match std::fs::File::open(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut last = None;
    for line in std::io::BufReader::new(file).lines() {
        let line = Heads::read(&line?);
        last = Some(line.ok_or_else(|| std::io::Error::other("a line is not one of Postern's"))?);
    }
    Ok(last)
}

/// Adds a line, and waits until it is on the disk.
fn add_line(path: &Path, line: &Heads) -> std::io::Result<()> {
    let mut words = serde_json::to_string(line)?;
    words.push('\n');
    let mut file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(words.as_bytes())?;
    file.sync_all()
}
