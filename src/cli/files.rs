//! `postern files`: works on the stored files by hand. The worker does what `rotate` does, too.

use super::{Failure, keys, line};
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::db::{BlobId, Db};
use crate::error::AppError;
use crate::storage::{self, Blob, Storage, StorageError};
use clap::Subcommand;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// the same as `postern keys rotate`
    Rotate,
    /// read every file and compare it with its hash
    Verify,
}

/// How many rows of stored files are read at a time.
const AT_ONCE: i64 = 100;

pub(super) async fn run(config: &Config, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Rotate => keys::rotate(config).await,
        Command::Verify => verify(config).await,
    }
}

async fn verify(config: &Config) -> Result<ExitCode, Failure> {
    let db = super::open(config).await?;
    let storage = Storage::open(&config.files)?;
    let (mut after, mut good, mut bad) = (BlobId(0), 0, 0);
    loop {
        let read = db.read(move |conn| -> Result<_, AppError> { Ok(storage::after(conn, after, AT_ONCE)?) });
        let blobs = read.await.map_err(line)?;
        let Some(last) = blobs.last() else { break };
        after = last.id;
        for blob in blobs {
            let (id, storage) = (blob.id, storage.clone());
            match tokio::task::spawn_blocking(move || is_whole(&storage, &blob)).await? {
                Ok(()) => good += 1,
                Err(cause) => {
                    println!("file {id}: {cause}");
                    bad += 1;
                }
            }
        }
    }
    println!("{good} files are whole, {bad} are not");
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Seals files with the present key, and prints for each old key whether a file or, as `is_of_text` says, a text still
/// needs it.
pub(super) async fn rotate(config: &Config, db: &Db, is_of_text: impl Fn(&str) -> bool) -> Result<ExitCode, Failure> {
    let storage = Storage::open(&config.files)?;
    let sealed = storage.rotate(db, Clock::system().now(), &Random::system()).await?;
    println!("{sealed} files were written anew");
    for key in &config.files.old_keys {
        let id = key.id();
        let asked = id.clone();
        let read = db.read(move |conn| -> Result<_, AppError> { Ok(storage::count_under(conn, &asked)?) });
        match read.await.map_err(line)? {
            0 if is_of_text(&id) => println!("the old key {id}: text still needs it; see the log"),
            0 => println!("the old key {id}: no text and no file needs it, it can go"),
            left => println!("the old key {id}: {left} files still need it; see the log"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_whole(storage: &Storage, blob: &Blob) -> Result<(), StorageError> {
    let mut reading = storage.read_to_check(blob)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match reading.read(&mut piece)? {
            0 => break,
            count => hash.update(&piece[..count]),
        }
    }
    if hash.finalize().as_slice() == blob.sha256 {
        return Ok(());
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not what was written").into())
}
