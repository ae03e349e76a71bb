//! `postern serve`.

use super::{Failure, signals};
use crate::app::{self, Parts};
use crate::attachments::FileIntake;
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::delivery::{Delivery, Gateway, SmtpRoad};
use crate::http::Limits;
use crate::metrics;
use crate::provider::Provider;
use crate::state::AppState;
use crate::worker;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

/// Everything that `serve` and `worker` share.
pub(super) async fn state(config: &Config) -> Result<AppState, Failure> {
    let (clock, random) = (Clock::system(), Random::system());
    let smtp = config.smtp.as_ref().ok_or("smtp.host: is missing")?;
    let bounces = config.bounces.as_ref().map(|bounces| bounces.address.clone());
    let road = SmtpRoad::with_bounces(smtp, clock.clone(), bounces)?;
    let provider = config.oidc.as_ref().map(|oidc| Provider::new(oidc, &config.origin(), clock.clone())).transpose()?;
    let launches = app::launches(config, &clock)?;
    let intake = Arc::new(FileIntake::open(&config.files)?);
    let db = super::open(config).await?;
    let emr = app::sources(config, &db, &clock, &random).await?;
    Ok(AppState {
        db,
        clock,
        random,
        config: Arc::new(config.clone()),
        delivery: Arc::new(Delivery::new(road, config.texts.as_ref().map(Gateway::new))),
        intake,
        wake: Arc::default(),
        limits: Arc::new(Limits::default()),
        requests: Arc::default(),
        live: Arc::default(),
        provider: provider.map(Arc::new),
        emr,
        launches,
    })
}

pub(super) async fn run(config: &Config) -> Result<ExitCode, Failure> {
    // the port comes first: nothing is created where it is in use
    let listener = TcpListener::bind(config.listen)
        .map_err(|e| format!("listen: {} cannot be used: {e}: name another address or port", config.listen))?;
    let state = state(config).await?;
    let parts = Parts::load(&state).await?;
    let kind = if config.database.is_postgres() { "PostgreSQL" } else { "SQLite" };
    tracing::info!(address = %listener.local_addr()?, database = kind, worker = config.run_worker, "serving");
    run_both(listener, state, parts, config.run_worker).await
}

/// Starts the listener for metrics, where one is configured. It ends with the process.
pub(super) fn watch(state: &AppState) -> Result<(), Failure> {
    let Some(address) = state.config.metrics_listen else { return Ok(()) };
    let listener = TcpListener::bind(address)
        .map_err(|e| format!("metrics_listen: {address} cannot be used: {e}: name another address or port"))?;
    actix_web::rt::spawn(metrics::serve(listener, state.clone())?);
    Ok(())
}

/// Runs web server and worker until they are told to stop; then both finish what they began.
pub(super) async fn run_both(
    listener: TcpListener,
    state: AppState,
    parts: Parts,
    with_worker: bool,
) -> Result<ExitCode, Failure> {
    signals::survive_hangup();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    // the worker hears the signal itself, so that it ends at the same time as the server
    let stopped = async move {
        tokio::select! {
            _ = stopped => {}
            () = signals::asked_to_stop() => {}
        }
    };
    watch(&state)?;
    let working = with_worker.then(|| actix_web::rt::spawn(worker::run(state.clone(), stopped)));
    let live = state.live.clone();
    let server = app::serve(listener, state, parts)?;
    // a stream that stays open would hold the server until its patience ends
    let ending = actix_web::rt::spawn(async move {
        signals::asked_to_stop().await;
        live.end();
    });
    let served = server.await;
    ending.abort();
    drop(stop);
    if let Some(working) = working {
        let _ = working.await;
    }
    served?;
    Ok(ExitCode::SUCCESS)
}
