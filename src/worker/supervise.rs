//! Keeps the worker's parts running: a part that panics is started again after a pause, and does not stop the others.

use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The pause before a part that panicked is started again; twice as long each time, up to the longest.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Whether the worker is asked to stop.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A new one, and the sender that asks it to stop.
    pub(super) fn new() -> (watch::Sender<bool>, Stop) {
        let (ask, asked) = watch::channel(false);
        (ask, Stop(asked))
    }

    pub(super) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when the worker is asked to stop, or nobody can ask it any more.
    pub(super) async fn asked(&self) {
        drop(self.0.clone().wait_for(|asked| *asked).await);
    }

    /// Waits; says whether to go on.
    pub(super) async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.asked() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// Runs a part until it ends, which it does when it is asked to stop.
pub(super) async fn supervise(name: &str, stop: &Stop, part: impl AsyncFn()) {
    begin_anew(name, stop, part, SHORTEST).await;
}

async fn begin_anew(name: &str, stop: &Stop, part: impl AsyncFn(), shortest: Duration) {
    let mut pause = shortest;
    loop {
        let begun = Instant::now();
        if AssertUnwindSafe(part()).catch_unwind().await.is_ok() {
            return;
        }
        if begun.elapsed() > LONGEST {
            pause = shortest;
        }
        tracing::error!(part = name, seconds = pause.as_secs(), "a part of the worker broke off, and is begun anew");
        if !stop.pause(pause).await {
            return;
        }
        pause = (pause * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_part_that_panics_is_begun_anew_and_ends_when_asked() {
        let (ask, stop) = Stop::new();
        let begun = AtomicUsize::new(0);
        let part = async || {
            if begun.fetch_add(1, Ordering::SeqCst) < 3 {
                panic!("once more");
            }
            stop.asked().await;
        };
        let other = async {
            while begun.load(Ordering::SeqCst) < 4 {
                tokio::task::yield_now().await;
            }
            ask.send(true).unwrap();
        };
        let from = Instant::now();
        let shortest = Duration::from_millis(5);
        tokio::join!(begin_anew("test", &stop, part, shortest), other);
        assert_eq!(begun.load(Ordering::SeqCst), 4);
        assert!(from.elapsed() >= shortest * 7, "a pause, and each twice the last");
    }
}
