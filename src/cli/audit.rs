//! `postern audit verify`.

use super::Failure;
use crate::app;
use crate::audit::{self, Broken};
use crate::clock::Random;
use crate::config::Config;
use crate::error::AppError;
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// recompute every hash of the log and say where it was tampered with
    Verify,
}

pub(super) async fn run(config: &Config, command: Command) -> Result<ExitCode, Failure> {
    let Command::Verify = command;
    let db = app::open(&config.database, &Random::system()).await.map_err(|e| format!("database_url: {e}"))?;
    let verdict = db.read(|conn| -> Result<_, AppError> { Ok(audit::verify(conn)) }).await.map_err(super::line)?;
    match verdict {
        Ok(held) => {
            println!("the audit log holds: {} rows in {} chains", held.rows, held.chains);
            Ok(ExitCode::SUCCESS)
        }
        Err(Broken::Database(cause)) => Err(cause.into()),
        Err(broken) => Err(format!("the audit log was tampered with: {broken}").into()),
    }
}
