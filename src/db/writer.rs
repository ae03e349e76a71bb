//! The one thread that writes to SQLite. Waiting writes share a commit, each but the first in a savepoint of its own, and are
//! answered only after the commit is durable: many times the writes per second of one commit each.

use super::connection::{Conn, Tx};
use super::copying;
use super::keys::Keys;
use super::pool::DbError;
use super::verbs;
use diesel::prelude::*;
use diesel::result::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::{mpsc, oneshot};

/// How many writes may share one commit.
const SHARED: usize = 64;
/// How many writes may wait before callers do.
const WAITING: usize = 1024;

/// Is told whether the shared commit succeeded, and sends the caller its answer.
type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;
/// Does its work, and says whether to keep it.
type Job = Box<dyn FnOnce(&mut Conn) -> (Answer, bool) + Send>;

#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Job>);

impl Writer {
    pub fn start(conn: Conn) -> std::io::Result<Writer> {
        let (sender, jobs) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("db-writer".into()).spawn(move || serve(conn, jobs))?;
        Ok(Writer(sender))
    }

    pub async fn run<T, E, F>(&self, keys: Keys, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // a panic counts as an error: the thread undoes what the work did
            let caught = catch_unwind(AssertUnwindSafe(|| work(&mut Tx::new(conn, &keys))));
            let result = caught.unwrap_or_else(|_| Err(DbError::Gone.into()));
            let is_good = result.is_ok();
            let answer: Answer = Box::new(move |commit| {
                let _ = sender.send(match (commit, result) {
                    (_, Err(e)) => Err(e),
                    (Ok(()), Ok(value)) => Ok(value),
                    (Err(cause), Ok(_)) => Err(DbError::Commit(cause.to_owned()).into()),
                });
            });
            (answer, is_good)
        });
        self.0.send(job).await.map_err(|_| DbError::Gone)?;
        // its transaction could not begin
        answer.await.unwrap_or_else(|_| Err(DbError::Pool("it takes no writes now; see the log".into()).into()))
    }
}

fn serve(conn: Conn, mut jobs: mpsc::Receiver<Job>) {
    let Conn::Sqlite(_) = &conn else { return };
    let mut shared = Shared { conn, is_open: false };
    while let Some(first) = jobs.blocking_recv() {
        let mut answers = Vec::with_capacity(SHARED);
        let committed = shared.commit(first, &mut jobs, &mut answers);
        if let Err(cause) = &committed {
            tracing::error!(%cause, "a shared commit failed; its writes were refused");
            shared.abandon();
        }
        let outcome = committed.as_ref().copied().map_err(String::as_str);
        answers.into_iter().for_each(|answer: Answer| answer(outcome));
    }
}

/// The connection, and whether a transaction is open on it.
struct Shared {
    conn: Conn,
    is_open: bool,
}

/// Runs one of the prepared statements.
macro_rules! run {
    ($shared:expr, $verb:ident) => {
        match &mut $shared.conn {
            Conn::Sqlite(conn) => verbs::$verb.execute(conn).map(drop),
            Conn::Pg(_) => Ok(()),
        }
    };
}

impl Shared {
    /// Does the first write and those that wait behind it, and makes them durable together.
    fn commit(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>, answers: &mut Vec<Answer>) -> Result<(), String> {
        let mut next = Some(first);
        while let Some(job) = next {
            let done = if self.is_open { self.as_a_part(job) } else { self.as_the_first(job) };
            answers.push(done.map_err(|cause| cause.to_string())?);
            next = if answers.len() < SHARED { jobs.try_recv().ok() } else { None };
        }
        if !self.is_open {
            return Ok(());
        }
        run!(self, Commit).map_err(|cause| cause.to_string())?;
        self.is_open = false;
        Ok(())
    }

    /// The first write is the whole transaction so far, and needs no savepoint: where it is not to be kept, there is nothing
    /// else to keep. A transaction that cannot begin leaves the write undone: its caller's channel closes. So does one of a
    /// database that the clinic has left: whatever was written there would be lost.
    fn as_the_first(&mut self, job: Job) -> QueryResult<Answer> {
        run!(self, BeginImmediate)?;
        self.is_open = true;
        if copying::is_gone(&mut self.conn)? {
            return Err(Error::QueryBuilderError("the clinic was moved out of this database".into()));
        }
        let (answer, is_good) = job(&mut self.conn);
        if !is_good {
            self.abandon();
        }
        Ok(answer)
    }

    /// A later write can be undone alone. SQLite ends the whole transaction by itself after some faults (a full disk):
    /// then the savepoint is gone too, and no write of the transaction may be reported as kept.
    fn as_a_part(&mut self, job: Job) -> QueryResult<Answer> {
        run!(self, Savepoint)?;
        let (answer, is_good) = job(&mut self.conn);
        if !is_good {
            run!(self, RollbackTo)?;
        }
        run!(self, Release)?;
        Ok(answer)
    }

    /// Undoes all that is not committed.
    fn abandon(&mut self) {
        // where SQLite has ended the transaction by itself, there is nothing to end
        let _ = run!(self, Rollback);
        self.is_open = false;
    }
}
