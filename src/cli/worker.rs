//! `postern worker`: sends, for servers that run with `run_worker = false`.

use super::{Failure, serve};
use crate::config::Config;
use crate::worker;
use std::process::ExitCode;

pub(super) async fn run(config: &Config) -> Result<ExitCode, Failure> {
    let state = serve::state(config).await?;
    serve::watch(&state)?;
    tracing::info!("working");
    worker::run(state, asked_to_stop()).await;
    Ok(ExitCode::SUCCESS)
}

/// Completes at SIGINT or SIGTERM.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} },
        Err(_) => drop(interrupt.await),
    }
}
