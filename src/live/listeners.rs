//! Those who listen: one stream for each browser.

use super::answering::Answering;
use super::changes::{Change, Kind};
use crate::access::session::Watched;
use crate::access::{Right, SignedInUser};
use crate::db::UserId;
use futures_util::Stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// How often each stream carries a line that says nothing: proxies end what is silent for long, and a browser that is gone is
/// noticed by it. Sessions are looked at as often.
pub const BEAT: Duration = Duration::from_secs(20);

/// In how many browsers one user can listen at once.
const OF_ONE_USER: usize = 10;
/// How many events may wait for a browser. One that is slower is sent away, and comes back to a fresh page.
const WAITING: usize = 32;
/// More changes at once than this are told as one: the page is to be fetched. It is less than may wait for a browser, and more than
/// the conversations of one patient.
const AT_ONCE: usize = 24;
/// How many changes are remembered for pages that were made before them.
const REMEMBERED: usize = 500;

type Bytes = actix_web::web::Bytes;

/// Who listens in this process, and what was told last.
pub struct Live {
    inner: Mutex<Inner>,
    /// the last row of the audit log that was told of
    position: Arc<AtomicI64>,
    /// it is over
    pub(super) woken: Notify,
    /// see [`BEAT`]
    pub(super) beat: Duration,
}

#[derive(Default)]
pub(super) struct Inner {
    listeners: Vec<Listener>,
    /// the number of the last listener
    last: u64,
    /// what was told, the newest last, with when that was
    told: VecDeque<(Change, Instant)>,
    /// all changes after this row are in `told`; `None`: the log is not followed yet
    since: Option<i64>,
    /// for how long after its time a row may turn up behind others
    lag: Duration,
    pub answering: Answering,
    is_over: bool,
}

struct Listener {
    number: u64,
    user: UserId,
    session: Watched,
    to: mpsc::Sender<Bytes>,
}

/// Why nobody can listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// the user listens in too many browsers
    TooMany,
    /// the server stops
    Over,
}

impl Default for Live {
    fn default() -> Live {
        Live::beating(BEAT)
    }
}

impl Live {
    /// With another time than [`BEAT`] between two beats.
    pub fn beating(beat: Duration) -> Live {
        Live { inner: Mutex::default(), position: Arc::default(), woken: Notify::new(), beat }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last row of the audit log that was told of: a page that is made from now on shows all up to it.
    pub fn position(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.position)
    }

    /// How many browsers listen.
    pub fn count(&self) -> usize {
        self.lock().listeners.len()
    }

    /// Opens a stream for a browser, whose page was made at `position`. Another stream of the same session ends: it is of a
    /// page that was left.
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn listen<R: Right>(
        self: &Arc<Live>,
        user: &SignedInUser<R>,
        session: Watched,
        position: Option<i64>,
    ) -> Result<Listening, NotNow> {
        let (to, events) = mpsc::channel(WAITING);
        let mut inner = self.lock();
        if inner.is_over {
            return Err(NotNow::Over);
        }
        inner.end_where(&event("replaced"), |one| one.session == session);
        if inner.listeners.iter().filter(|one| one.user == user.id()).count() >= OF_ONE_USER {
            return Err(NotNow::TooMany);
        }
        let begin = inner.missed(user.id(), position).unwrap_or_else(|| vec![event("refresh")]);
        for one in [event("ready")].into_iter().chain(begin) {
            // there is room for them
            let _ = to.try_send(one);
        }
        inner.last += 1;
        let number = inner.last;
        inner.listeners.push(Listener { number, user: user.id(), session, to });
        Ok(Listening { events, number, live: Arc::clone(self) })
    }

    /// Ends all streams at once, and lets nobody listen any more: the server stops.
    pub fn end(&self) {
        let mut inner = self.lock();
        inner.is_over = true;
        inner.listeners = Vec::new();
        drop(inner);
        self.woken.notify_one();
    }

    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// The log is followed from this row on; `lag`: for how long a row may turn up behind others. Pages that are open were made
    /// before.
    pub(super) fn begin(&self, row: i64, lag: Duration) {
        let mut inner = self.lock();
        inner.told.clear();
        (inner.since, inner.lag) = (Some(row), lag);
        inner.send(|_| Some(event("refresh")));
        self.position.store(row, Ordering::Release);
    }

    /// Tells these changes. All rows up to `row` were told of then.
    pub(super) fn tell(&self, changes: Vec<Change>, row: i64) {
        let (now, is_much) = (Instant::now(), changes.len() > AT_ONCE);
        for change in changes {
            // held for one change at a time: nobody who opens a stream waits for all of them
            let mut inner = self.lock();
            if let (Some(by), Some(conversation)) = (change.by, change.conversation) {
                // who has sent it does not write it any more
                if matches!(change.kind, Kind::Message | Kind::Note) {
                    inner.answering.stop(conversation, by);
                }
            }
            if !is_much {
                inner.send(|user| change.event_for(user).map(Bytes::from));
            }
            inner.remember(change, now);
        }
        if is_much {
            self.lock().send(|_| Some(event("refresh")));
        }
        self.position.fetch_max(row, Ordering::AcqRel);
    }

    /// A line that says nothing.
    pub(super) fn beat(&self) {
        self.lock().send(|_| Some(Bytes::from_static(b":\n\n")));
    }

    /// Who listens, by whose session.
    pub(super) fn sessions(&self) -> Vec<(u64, Watched)> {
        self.lock().listeners.iter().map(|one| (one.number, one.session.clone())).collect()
    }

    /// Ends the streams of these listeners: their sessions open nothing any more.
    pub(super) fn end_some(&self, numbers: &[u64]) {
        self.lock().end_where(&event("ended"), |one| numbers.contains(&one.number));
    }
}

/// An event that is about the stream itself.
fn event(kind: &'static str) -> Bytes {
    Bytes::from(format!("data: {{\"kind\":\"{kind}\"}}\n\n"))
}

impl Inner {
    /// Sends everybody their event. Who is too slow is sent away.
    pub fn send(&mut self, event_for: impl Fn(UserId) -> Option<Bytes>) {
        self.listeners.retain(|one| event_for(one.user).is_none_or(|event| one.to.try_send(event).is_ok()));
    }

    fn end_where(&mut self, last: &Bytes, is_meant: impl Fn(&Listener) -> bool) {
        self.listeners.retain(|one| {
            let is_meant = is_meant(one);
            if is_meant {
                let _ = one.to.try_send(last.clone());
            }
            !is_meant
        });
    }

    fn remember(&mut self, change: Change, now: Instant) {
        // marks too: the tab that reads next was not told of what another tab did between the two streams
        if change.row.is_none() {
            return;
        }
        if self.told.len() >= REMEMBERED
            && let Some((Change { row: Some(oldest), .. }, _)) = self.told.pop_front()
        {
            self.since = self.since.map(|since| since.max(oldest));
        }
        self.told.push_back((change, now));
    }

    /// What was told since a page was made at `position`; `None` where that is not known any more, or too much.
    fn missed(&self, user: UserId, position: Option<i64>) -> Option<Vec<Bytes>> {
        let (position, since) = (position?, self.since?);
        if position < since {
            return None;
        }
        let is_later = |change: &Change, at: &Instant| {
            change.row.is_some_and(|row| row > position) || (!self.lag.is_zero() && at.elapsed() < self.lag)
        };
        let later = self.told.iter().filter(|(change, at)| is_later(change, at));
        let events: Vec<Bytes> =
            later.filter_map(|(change, _)| change.event_for(user)).map(Bytes::from).take(WAITING).collect();
        (events.len() < WAITING / 2).then_some(events)
    }
}

/// The stream of one browser.
pub struct Listening {
    events: mpsc::Receiver<Bytes>,
    number: u64,
    live: Arc<Live>,
}

impl Stream for Listening {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context).map(|event| event.map(Ok))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.live.lock().listeners.retain(|one| one.number != self.number);
    }
}
