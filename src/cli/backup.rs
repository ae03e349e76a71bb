//! `postern backup` and `postern restore`.

use super::Failure;
use crate::backup::{self, Backup, BackupError, Checked};
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::storage::{Mirror, Storage};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct To {
    /// the folder, best on another machine; it may hold earlier backups
    to: PathBuf,
    /// then also copy what it holds into backup.bucket
    #[arg(long)]
    bucket: bool,
}

#[derive(Args)]
pub(super) struct From {
    /// the folder that `postern backup` was given, of which the newest is taken, or one of its .json files
    from: PathBuf,
    /// first copy what backup.bucket holds into the folder
    #[arg(long)]
    bucket: bool,
    /// only read the backup, and compare all of it with its hashes
    #[arg(long)]
    check: bool,
}

/// The bucket that the configuration names for backups.
fn bucket(config: &Config) -> Result<Mirror, Failure> {
    let bucket = config.backup.as_ref().and_then(|backup| backup.bucket.as_ref());
    Ok(Mirror::new(bucket.ok_or("backup.bucket: is missing: name the bucket that holds the backups")?)?)
}

pub(super) async fn make(config: &Config, To { to, bucket: mirrored }: To) -> Result<ExitCode, Failure> {
    let bucket = if mirrored { Some(bucket(config)?) } else { None };
    let db = super::open(config).await?;
    let storage = Storage::open(&config.files)?;
    let (now, random, keys) = (Clock::system().now(), Random::system(), config.files.keys());
    let made = backup::make(&db, &storage, &to, (config.files.key.as_ref(), &keys), now, &random).await?;
    let (manifest, rows) = (&made.manifest, made.manifest.tables.iter().map(|table| table.rows).sum::<u64>());
    println!("{}", to.join(&made.name).display());
    println!("{rows} rows of {} tables", manifest.tables.len());
    println!("{} files, of which {} were copied now", manifest.files - manifest.missing.len() as u64, made.copied);
    if config.files.key.is_none() {
        println!("it is not encrypted; storage.key would do so");
    }
    if let Some(bucket) = bucket {
        let done = backup::mirror(&to, &bucket, &keys, Clock::system().now()).await?;
        println!("{} files were copied into the bucket, {} removed there", done.copied, done.removed);
        if done.damaged > 0 {
            return Err(format!("{} files are damaged here, and the bucket does not have them", done.damaged).into());
        }
        backup::tell_mirrored(&db, Clock::system().now()).await?;
        if done.only_there > 0 {
            println!("{} backups lie only in the bucket: what they need is kept there", done.only_there);
        }
    }
    match manifest.missing.len() {
        0 => Ok(ExitCode::SUCCESS),
        lacking => Err(format!(
            "{lacking} files are missing or damaged in storage and so are not in the backup; `postern files verify` names them"
        )
        .into()),
    }
}

pub(super) async fn restore(config: &Config, From { from, bucket: fetched, check }: From) -> Result<ExitCode, Failure> {
    if fetched {
        let (bucket, folder) = (bucket(config)?, backup::folder_of(&from));
        let done = tokio::task::spawn_blocking(move || backup::fetch(&bucket, &folder)).await??;
        println!("{} files came from the bucket", done.came);
        if done.damaged > 0 {
            println!("{} files are damaged or gone there: --check says which backups lack them", done.damaged);
        }
    }
    let keys = config.files.keys();
    let (url, audit, files) = (config.database.clone(), config.keys(), config.files.clone());
    let done = tokio::task::spawn_blocking(move || -> Result<_, BackupError> {
        let backup = Backup::open(&from, &keys)?;
        if check {
            return Ok((backup.check()?, backup.manifest, None));
        }
        let storage = Storage::open(&files)?;
        let restored = backup.restore(&url, &audit, &storage, Clock::system().now())?;
        Ok((restored.checked, backup.manifest, Some(restored)))
    });
    let (Checked { rows, files }, manifest, restored) = done.await??;
    println!("the backup of {}, made by Postern {}", manifest.made_at, manifest.program);
    println!("{rows} rows of {} tables and {files} files are whole", manifest.tables.len());
    if !manifest.missing.is_empty() {
        println!("{} files were missing already when it was made", manifest.missing.len());
    }
    let Some(restored) = restored else { return Ok(ExitCode::SUCCESS) };
    // opening the database brings the rows up to date with this version
    super::open(config).await?;
    println!("the audit log holds: {} rows", restored.audit_rows);
    if restored.sealed == Some(false) {
        println!("its ends are not sealed by audit.key; if it was written without one, `postern audit seal` seals it");
    }
    println!("nobody is signed in; links to set a password, and passcodes, are to be asked for again");
    println!(
        "not sent again: {} notifications (the Outbox says \"May have been sent\"), {} reminders, {} mails to users, \
         {} messages that were to go out later (Inbox, Scheduled), {} messages to many patients (Patients, Messages to many)",
        restored.unsure, restored.reminders, restored.mails, restored.scheduled, restored.broadcasts
    );
    Ok(ExitCode::SUCCESS)
}
