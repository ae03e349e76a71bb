//! Signals, for the commands that run until they are told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Completes when the process gets SIGINT or SIGTERM.
pub(super) async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} },
        Err(_) => drop(interrupt.await),
    }
}

/// Makes the process ignore SIGHUP, which a closing terminal or a log rotation may send: having listened to a signal
/// once replaces the default reaction, which would end the process.
pub(super) fn survive_hangup() {
    if let Err(cause) = signal(SignalKind::hangup()) {
        tracing::warn!(%cause, "a hangup will end this program");
    }
}
