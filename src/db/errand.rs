//! What the database is told of the request that it works for: in which lane it goes, for whom, and what must hold before
//! anything is read or written for it.
//!
//! A page is asked for in a session. Looking that up takes a transaction of its own; so where the session was looked up
//! before, the page begins with what was found then, and the first transaction of the page itself looks whether it still
//! is so, before anything else. Where it is not, nothing is done: the request is stale, and is asked anew. A session that
//! has ended, a role that has changed holds so from the next request on, on every instance.

use super::connection::Conn;
use super::in_time::LIMIT;
use diesel::QueryResult;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Who is served apart from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// what must never wait for the pages of the clinic: sessions, what patients see, whether all is well
    Front,
    /// the pages of the clinic, which may be heavy
    Pages,
    /// what nobody waits for: the worker
    Background,
}

/// For whom, as far as fairness goes: the kind of person and which.
pub type Whom = (u8, i64);

type Check = Arc<dyn Fn(&mut Conn) -> QueryResult<bool> + Send + Sync>;

/// One request.
pub struct Errand {
    lane: Lane,
    /// GET and HEAD: asked anew, it does the same
    may_be_repeated: bool,
    limit: Duration,
    whom: OnceLock<Whom>,
    check: Mutex<Option<Check>>,
    stale: AtomicBool,
}

tokio::task_local! {
    static ERRAND: Arc<Errand>;
}

impl Errand {
    /// A request of this lane.
    pub fn new(lane: Lane, may_be_repeated: bool) -> Arc<Errand> {
        Errand::within(lane, may_be_repeated, LIMIT)
    }

    /// The same, each of whose transactions may read for so long.
    pub fn within(lane: Lane, may_be_repeated: bool, limit: Duration) -> Arc<Errand> {
        let (whom, check, stale) = (OnceLock::new(), Mutex::new(None), AtomicBool::new(false));
        Arc::new(Errand { lane, may_be_repeated, limit, whom, check, stale })
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Does everything within `work` for this request.
    pub async fn carry<F: Future>(self: Arc<Errand>, work: F) -> F::Output {
        ERRAND.scope(self, work).await
    }

    /// The request that the caller works for, if it works for one.
    pub fn current() -> Option<Arc<Errand>> {
        ERRAND.try_with(Arc::clone).ok()
    }

    /// In which lane.
    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    /// Says for whom it is.
    pub fn is_for(&self, whom: Whom) {
        let _ = self.whom.set(whom);
    }

    /// For whom.
    pub(super) fn whom(&self) -> Option<Whom> {
        self.whom.get().copied()
    }

    /// Whether something may be taken for true and looked at later.
    pub fn may_check_later(&self) -> bool {
        self.may_be_repeated
    }

    /// What must hold in the first transaction.
    pub fn check_later(&self, check: impl Fn(&mut Conn) -> QueryResult<bool> + Send + Sync + 'static) {
        *self.check.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(check));
    }

    /// Whether something was taken for true and not looked at yet.
    pub fn is_unchecked(&self) -> bool {
        self.check.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether what was taken for true was not.
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }

    /// Looks at what was taken for true, in this transaction. `false`: nothing may be done for this request.
    pub(super) fn holds(&self, conn: &mut Conn) -> QueryResult<bool> {
        if self.is_stale() {
            return Ok(false);
        }
        let check = self.check.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(check) = check else { return Ok(true) };
        let holds = check(conn)?;
        // first what it came to, then that it was looked at: another transaction of the request must not find neither
        self.stale.store(!holds, Ordering::Release);
        *self.check.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(holds)
    }
}
