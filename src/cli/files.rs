//! `postern files`: works on the stored files by hand. The worker does what `rotate` does, too.

use super::{Failure, keys, line};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::{Clock, Random};
use crate::config::{Config, KeepIn};
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
    /// bring all files to where storage.keep_in says; the clinic may work meanwhile
    Move {
        /// where to: storage.keep_in says the same
        #[arg(long, value_name = "PLACE")]
        to: KeepIn,
        /// then remove them where they were
        #[arg(long)]
        remove: bool,
    },
}

/// How many rows of stored files are read at a time.
const AT_ONCE: i64 = 100;

pub(super) async fn run(config: &Config, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Rotate => keys::rotate(config).await,
        Command::Verify => verify(config).await,
        Command::Move { to, remove } => gather(config, to, remove).await,
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

async fn gather(config: &Config, to: KeepIn, remove: bool) -> Result<ExitCode, Failure> {
    if config.files.bucket.is_none() {
        return Err("storage.bucket: is missing: name the bucket, whichever way the files are to go".into());
    }
    if config.files.keep_in != to {
        let (to, present) = (to.as_str(), config.files.keep_in.as_str());
        return Err(format!(
            "storage.keep_in: says {present}, where new files go on coming: write {to}, and restart every process first"
        )
        .into());
    }
    let db = super::open(config).await?;
    let storage = Storage::open(&config.files)?;
    let done = storage.gather(&db, remove, |id| println!("file {id}: is missing or damaged in both places")).await?;
    println!("{} files were copied, {} were there and are whole", done.copied, done.there);
    let old = match to {
        KeepIn::Bucket => format!("the folder {}", config.files.folder.display()),
        KeepIn::Folder => "the bucket".to_owned(),
    };
    match remove {
        true => println!("{} files were removed from {old}", done.removed),
        false if done.left > 0 => println!(
            "{} files ({} bytes) also lie in {old}: the same command with --remove removes them there",
            done.left, done.left_bytes
        ),
        false => println!("no file is left in {old}"),
    }
    if done.copied + done.removed > 0 {
        let entry = Entry::of_clinic(Actor::System, Event::FilesMoved, Subject::None).with(to.as_str());
        let now = Clock::system().now();
        let write = db.write(move |tx| -> Result<_, AppError> { Ok(audit::append(tx, now, entry)?) });
        write.await.map_err(line)?;
    }
    if done.lacking > 0 {
        return Err(format!("{} files are missing or damaged in both places", done.lacking).into());
    }
    if to == KeepIn::Folder && (remove || done.left == 0) {
        println!("no file needs the bucket any more: storage.bucket and storage.keep_in may go");
    }
    Ok(ExitCode::SUCCESS)
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
