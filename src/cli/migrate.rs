//! `postern migrate`.

use super::Failure;
use crate::config::Config;
use crate::db::Db;
use std::process::ExitCode;

pub(super) async fn run(config: &Config) -> Result<ExitCode, Failure> {
    let url = config.database.clone();
    let done = tokio::task::spawn_blocking(move || Db::migrate(&url)).await?;
    let steps = done.map_err(|e| format!("database_url: {e}"))?;
    super::open(config).await?;
    steps.iter().for_each(|step| println!("{step}"));
    println!("{} steps taken; the database is up to date", steps.len());
    Ok(ExitCode::SUCCESS)
}
