//! `postern audit …`.

use super::Failure;
use crate::audit::{self, Broken, Heads, HeadsError, ToldSeal};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbError, SecretKey};
use crate::error::AppError;
use clap::Subcommand;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// recompute every hash of the log and say where it was tampered with
    Verify {
        /// also compare with this file, to which the seals were written (see audit.heads_file)
        #[arg(long)]
        heads: Option<PathBuf>,
        /// also compare with this seal, which a mail or the program's log told (see audit.seals_by_mail); may be repeated
        #[arg(long = "seal", value_name = "NUMBER-SEAL")]
        seals: Vec<ToldSeal>,
    },
    /// seal with audit.key what was written without one, if it holds
    Seal,
}

pub(super) async fn run(config: &Config, command: Command) -> Result<ExitCode, Failure> {
    let db = super::open(config).await?;
    match command {
        Command::Verify { heads, seals } => {
            let key = config.audit_key.clone();
            let held = verify(&db, key.clone()).await?;
            println!("the audit log holds: {} rows in {} chains", held.rows, held.chains);
            let Some(key) = key else {
                if heads.is_some() || !seals.is_empty() {
                    return Err("audit.key: is missing: what was told outside is sealed with it".into());
                }
                println!("its ends are not sealed; audit.key would do so");
                return Ok(ExitCode::SUCCESS);
            };
            println!("its ends are sealed");
            if let Some(path) = heads {
                let lines = compare(&db, &key, &path).await?;
                println!("it has all that the {lines} lines of the file of heads know");
            }
            for told in seals {
                let (key, seal) = (key.clone(), told.clone());
                db.read(move |conn| audit::verify_seal(conn, &key, &seal)).await.map_err(heads_failure)?;
                println!("it has all that it had when seal {} was told", told.number);
            }
        }
        Command::Seal => {
            let key = config.audit_key.clone().ok_or("audit.key: is missing: name the key that is to seal the log")?;
            verify(&db, None).await?;
            let now = Clock::system().now();
            let seal = db.write(move |tx| -> Result<_, DbError> { Ok(audit::seal_all(tx, now, &key)?) });
            println!("{} chains were sealed", seal.await?);
            verify(&db, config.audit_key.clone()).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(db: &Db, key: Option<SecretKey>) -> Result<audit::Verified, Failure> {
    let read = db.read(move |conn| -> Result<_, AppError> { Ok(audit::verify(conn, key.as_ref())) });
    read.await.map_err(super::line)?.map_err(failure)
}

fn failure(broken: Broken) -> Failure {
    match broken {
        Broken::Database(cause) => cause.into(),
        broken => format!("the audit log was tampered with: {broken}").into(),
    }
}

fn heads_failure(cause: HeadsError) -> Failure {
    match cause {
        HeadsError::Log(broken) => failure(broken),
        HeadsError::Db(cause) => super::line(cause.into()),
        changed => format!("what was told of the audit log does not hold: {changed}").into(),
    }
}

/// Compares the log with the file of heads; gives how many lines the file has.
async fn compare(db: &Db, key: &SecretKey, path: &Path) -> Result<usize, Failure> {
    let (mut before, mut number) = (None, 0);
    for line in std::io::BufReader::new(std::fs::File::open(path)?).lines() {
        number += 1;
        let line = Heads::read(&line?).ok_or_else(|| HeadsError::Line(number).to_string())?;
        let (key, this) = (key.clone(), line.clone());
        let earlier = before.replace(line);
        let check = db.read(move |conn| this.verify(conn, &key, number, earlier.as_ref()));
        check.await.map_err(heads_failure)?;
    }
    Ok(number)
}
