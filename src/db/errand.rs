//! What the database layer knows of the request that it works for: its lane, its person, and what must hold before
//! anything is read or written for it.
//!
//! A page is asked for in a session, and looking a session up takes a transaction of its own. Where the session was
//! looked up before, the page uses what was found then, and its own first transaction checks that this still holds,
//! before anything else. Where it does not, nothing is done: the request is stale, and is served again. So the end of a
//! session or a change of role takes effect with the next request, on every instance.

use super::connection::Conn;
use super::in_time::LIMIT;
use diesel::QueryResult;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// A group of requests that has its own connections, so that no group waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// what must never wait for the clinic's pages: sessions, pages for patients, health checks
    Front,
    /// the pages of the clinic, which may be heavy
    Pages,
    /// work that no person waits for: the worker's
    Background,
}

/// The person whom a request is for: the kind of person, and the identity. Connections are shared out fairly by this.
pub type Whom = (u8, i64);

type Check = Arc<dyn Fn(&mut Conn) -> QueryResult<bool> + Send + Sync>;

/// One request.
pub struct Errand {
    lane: Lane,
    /// true for GET and HEAD: serving them twice does no harm
    may_be_repeated: bool,
    limit: Duration,
    whom: OnceLock<Whom>,
    check: Mutex<Option<Check>>,
    stale: AtomicBool,
    by_itself: AtomicBool,
}

tokio::task_local! {
    static ERRAND: Arc<Errand>;
}

impl Errand {
    /// A request of this lane.
    pub fn new(lane: Lane, may_be_repeated: bool) -> Arc<Errand> {
        Errand::within(lane, may_be_repeated, LIMIT)
    }

    /// A request of this lane, each of whose transactions may read for `limit`.
    pub fn within(lane: Lane, may_be_repeated: bool, limit: Duration) -> Arc<Errand> {
        let (whom, check, stale) = (OnceLock::new(), Mutex::new(None), AtomicBool::new(false));
        Arc::new(Errand { lane, may_be_repeated, limit, whom, check, stale, by_itself: AtomicBool::new(false) })
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs `work` as a part of this request: the database finds it by [`Errand::current`].
    pub async fn carry<F: Future>(self: Arc<Errand>, work: F) -> F::Output {
        ERRAND.scope(self, work).await
    }

    /// The request that the caller works for, if it works for one.
    pub fn current() -> Option<Arc<Errand>> {
        ERRAND.try_with(Arc::clone).ok()
    }

    /// The request's lane.
    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    /// Sets the person whom the request is for; the first call counts.
    pub fn is_for(&self, whom: Whom) {
        let _ = self.whom.set(whom);
    }

    /// The person whom the request is for; `None` where that is not known.
    pub(super) fn whom(&self) -> Option<Whom> {
        self.whom.get().copied()
    }

    /// The page asks by itself: nobody has to be there for that, and no session lasts longer for it.
    pub fn comes_by_itself(&self) {
        self.by_itself.store(true, Ordering::Relaxed);
    }

    /// Whether the page asks by itself.
    pub fn is_by_itself(&self) -> bool {
        self.by_itself.load(Ordering::Relaxed)
    }

    /// Whether something remembered may be used now and checked later: only a request that may be repeated can become
    /// stale.
    pub fn may_check_later(&self) -> bool {
        self.may_be_repeated
    }

    /// Sets what must hold in the first transaction.
    pub fn check_later(&self, check: impl Fn(&mut Conn) -> QueryResult<bool> + Send + Sync + 'static) {
        *self.check.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(check));
    }

    /// Whether the check has not run yet.
    pub fn is_unchecked(&self) -> bool {
        self.check.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether the check failed.
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }

    /// Runs the check in this transaction. `false`: nothing may be done for this request.
    pub(super) fn holds(&self, conn: &mut Conn) -> QueryResult<bool> {
        if self.is_stale() {
            return Ok(false);
        }
        let check = self.check.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(check) = check else { return Ok(true) };
        let holds = check(conn)?;
        // the result is stored before the check is cleared: another transaction of the request must see one of the two
        self.stale.store(!holds, Ordering::Release);
        *self.check.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(holds)
    }
}
