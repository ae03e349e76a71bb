//! `postern worker`: sends notifications, for servers that run with `run_worker = false`.

use super::{Failure, serve, signals};
use crate::config::Config;
use crate::worker;
use std::process::ExitCode;

pub(super) async fn run(config: &Config) -> Result<ExitCode, Failure> {
    signals::survive_hangup();
    let state = serve::state(config).await?;
    serve::watch(&state)?;
    tracing::info!("working");
    worker::run(state, signals::asked_to_stop()).await;
    Ok(ExitCode::SUCCESS)
}
