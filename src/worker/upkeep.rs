//! Regular upkeep: ends the access of parents at the age that the clinic has set, removes old texts, mails and files that nothing
//! refers to, seals with the present key what is under an old one, copies the audit log's seals, and makes backups.

use super::audit_seals;
use crate::attachments;
use crate::backup::{self, BackupError};
use crate::caregivers;
use crate::db::{Db, DbError, Ts, sealed};
use crate::notifications;
use crate::state::AppState;
use crate::storage::Mirror;
use crate::users::{self, Vault};

/// Does all upkeep that is due at `now`. A part that fails is logged, and done the next time.
pub async fn run(state: &AppState, now: Ts) {
    access_of_parents(state, now).await;
    forget_texts(state, now).await;
    forget_account_mails(state, now).await;
    audit_seals::tell(state, now).await;
    texts_under_other_keys(state).await;
    checkpoint(state).await;
    files(state, now).await;
    back_up(state, now).await;
    mirror_backups(state, now).await;
}

/// Makes a backup where backups are configured and the last one is old enough. Another instance's backup counts too.
async fn back_up(state: &AppState, now: Ts) {
    let Some(wanted) = &state.config.backup else { return };
    let last = match state.db.read(|conn| -> Result<_, DbError> { Ok(backup::last(conn)?) }).await {
        Ok(last) => last,
        Err(cause) => return tracing::error!(%cause, "no backup was made: the audit log could not be read"),
    };
    if last.is_some_and(|last| now.since(last) < wanted.every) {
        return;
    }
    let (files, storage) = (&state.config.files, &state.intake.storage);
    let (keys, every_key) = (files.key.as_ref(), files.keys());
    match backup::make(&state.db, storage, &wanted.folder, (keys, &every_key), now, &state.random).await {
        Ok(made) if made.manifest.missing.is_empty() => tracing::info!(name = made.name, "a backup was made"),
        Ok(made) => tracing::error!(
            name = made.name,
            lacking = made.manifest.missing.len(),
            "a backup was made, without files that are missing or damaged in storage"
        ),
        Err(BackupError::Busy) => tracing::info!("another process makes a backup"),
        Err(cause) => tracing::error!(%cause, "no backup was made"),
    }
}

/// Copies the backups into the bucket, where the newest is on this machine and was not copied yet.
async fn mirror_backups(state: &AppState, now: Ts) {
    let Some((wanted, bucket)) =
        state.config.backup.as_ref().and_then(|wanted| Some((wanted, wanted.bucket.as_ref()?)))
    else {
        return;
    };
    let lasts = state.db.read(|conn| -> Result<_, DbError> { Ok((backup::last(conn)?, backup::last_mirrored(conn)?)) });
    let made = match lasts.await {
        Ok((Some(made), mirrored)) if mirrored.is_none_or(|mirrored| mirrored < made) => made,
        Ok(_) => return,
        Err(cause) => return tracing::error!(%cause, "no backup was copied: the audit log could not be read"),
    };
    let copied = async {
        // another instance may have made it in a folder of its own
        match backup::is_in(&wanted.folder, made)? {
            true => {
                backup::mirror(&wanted.folder, &Mirror::new(bucket)?, &state.config.files.keys(), now).await.map(Some)
            }
            false => Ok(None),
        }
    };
    match copied.await {
        Ok(None) => {}
        Ok(Some(done)) => {
            tracing::info!(
                copied = done.copied,
                removed = done.removed,
                damaged = done.damaged,
                only_there = done.only_there,
                "the backups were copied into the bucket"
            );
            if done.damaged > 0 {
                return;
            }
            if let Err(cause) = backup::tell_mirrored(&state.db, now).await {
                tracing::error!(%cause, "that the backups were copied could not be written down");
            }
        }
        Err(BackupError::Busy) => tracing::info!("another process writes into the folder of backups"),
        Err(cause) => tracing::error!(%cause, "the backups were not copied into the bucket"),
    }
}

/// Ends the access of parents whose children have reached the age for it; each in a transaction of its own.
async fn access_of_parents(state: &AppState, now: Ts) {
    loop {
        match state.db.write(move |tx| -> Result<_, DbError> { Ok(caregivers::end_by_age(tx, now)?) }).await {
            Ok(false) => return,
            Ok(true) => {}
            Err(cause) => return tracing::error!(%cause, "the access of parents could not be ended"),
        }
    }
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

/// Seals with the present key the text that is in clear or under an old key; without a present key, stores it in clear.
async fn texts_under_other_keys(state: &AppState) {
    match state.db.read(|conn| -> Result<_, DbError> { Ok(sealed::is_to_do(conn)?) }).await {
        Ok(false) => return,
        Ok(true) => {}
        Err(cause) => return tracing::error!(%cause, "which keys text is sealed with could not be read"),
    }
    let vault = Vault::from_files(&state.config.files, &state.random);
    let apps = state.db.write(move |tx| -> Result<_, DbError> { Ok(users::seal_apps_anew(tx, &vault)?) });
    if let Err(cause) = apps.await {
        return tracing::error!(%cause, "the secrets of authenticator apps could not be sealed anew");
    }
    match sealed::seal_anew(&state.db).await {
        Ok(anew) => {
            tracing::info!(sealed = anew.sealed, unreadable = anew.unreadable, "text was sealed with the present key")
        }
        Err(cause) => tracing::error!(%cause, "text could not be sealed anew"),
    }
}

async fn forget_account_mails(state: &AppState, now: Ts) {
    loop {
        let some = state.db.write(move |tx| -> Result<_, DbError> { Ok(users::forget_mails(tx, now)?) });
        match some.await {
            Ok(0) => return,
            Ok(_) => {}
            Err(cause) => return tracing::error!(%cause, "old mails to users could not be forgotten"),
        }
    }
}

/// Keeps SQLite's write-ahead log short. Where a long read prevents that, the next time is early enough.
async fn checkpoint(state: &AppState) {
    let url = state.config.database.clone();
    match tokio::task::spawn_blocking(move || Db::checkpoint(&url)).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => tracing::debug!(%cause, "the write-ahead log was not emptied"),
        Err(cause) => tracing::error!(%cause, "the write-ahead log was not emptied"),
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
    let intake = state.intake.clone();
    match state.db.write(move |tx| -> Result<_, DbError> { Ok(intake.want_scans(tx)?) }).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, scanner = state.intake.scanner.is_some(), "files changed with the scanner"),
        Err(cause) => tracing::error!(%cause, "files could not be put before the virus scanner"),
    }
    match state.intake.storage.sweep(&state.db, now).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "files that nothing refers to were removed"),
        Err(cause) => tracing::error!(%cause, "files that nothing refers to could not be removed"),
    }
    match state.intake.storage.rotate(&state.db, now, &state.random).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "files were sealed with the present key"),
        Err(cause) => tracing::error!(%cause, "files could not be sealed anew"),
    }
}
