//! `postern migrate`.

use super::Failure;
use crate::config::Config;
use crate::db::Db;
use clap::Args;
use std::process::ExitCode;

/// The arguments.
#[derive(Args)]
pub(super) struct Options {
    /// a role of PostgreSQL that runs the program from now on: it owns nothing, and cannot change the audit log
    #[arg(long, value_name = "ROLE")]
    grant_to: Option<String>,
}

pub(super) async fn run(config: &Config, options: Options) -> Result<ExitCode, Failure> {
    let url = config.database.clone();
    let done = tokio::task::spawn_blocking(move || Db::migrate(&url)).await?;
    let steps = done.map_err(|e| format!("database_url: {e}"))?;
    super::open(config).await?;
    steps.iter().for_each(|step| println!("{step}"));
    println!("{} steps taken; the database is up to date", steps.len());
    if let Some(role) = options.grant_to {
        let (url, to) = (config.database.clone(), role.clone());
        let granted = tokio::task::spawn_blocking(move || Db::grant(&url, &to)).await?;
        granted.map_err(|e| format!("--grant-to: {e}"))?;
        println!("{role} may run Postern: let it sign in by database_url");
    }
    Ok(ExitCode::SUCCESS)
}
