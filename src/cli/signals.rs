//! Signals, for the commands that run until they are told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Completes at SIGINT or SIGTERM.
pub(super) async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} },
        Err(_) => drop(interrupt.await),
    }
}

/// From now on SIGHUP, by which a closing terminal or a log rotation may greet the program, ends nothing: whoever listens
/// to it once has taken the system's own answer away for the life of the process.
pub(super) fn survive_hangup() {
    if let Err(cause) = signal(SignalKind::hangup()) {
        tracing::warn!(%cause, "a hangup will end this program");
    }
}
