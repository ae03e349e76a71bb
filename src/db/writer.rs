//! The one thread that writes to SQLite. Waiting writes share a commit, each in a savepoint of its own, and are
//! answered only after the commit is durable: many times the writes per second of one commit each.

use super::connection::{Conn, Tx};
use super::keys::Keys;
use super::pool::DbError;
use diesel::connection::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::{mpsc, oneshot};

/// How many writes may share one commit.
const SHARED: usize = 64;
/// How many writes may wait before callers do.
const WAITING: usize = 1024;

/// Told whether the shared commit came to pass; sends the caller its answer.
type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;
type Job = Box<dyn FnOnce(&mut Conn) -> Answer + Send>;

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
            let result = in_savepoint(conn, &keys, work);
            Box::new(move |commit| {
                let _ = sender.send(match (commit, result) {
                    (_, Err(e)) => Err(e),
                    (Ok(()), Ok(value)) => Ok(value),
                    (Err(cause), Ok(_)) => Err(DbError::Commit(cause.to_owned()).into()),
                });
            })
        });
        self.0.send(job).await.map_err(|_| DbError::Gone)?;
        answer.await.unwrap_or(Err(DbError::Gone.into()))
    }
}

fn serve(mut conn: Conn, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut answers = Vec::with_capacity(SHARED);
        let committed = share_commit(&mut conn, first, &mut jobs, &mut answers);
        if let Err(cause) = &committed {
            tracing::error!(%cause, "a shared commit failed; its writes were refused");
            while conn.depth() > 0 && conn.rollback().is_ok() {}
        }
        let outcome = committed.as_ref().copied().map_err(String::as_str);
        answers.into_iter().for_each(|answer: Answer| answer(outcome));
    }
}

fn share_commit(
    conn: &mut Conn,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    answers: &mut Vec<Answer>,
) -> Result<(), String> {
    if let Err(e) = conn.begin_write() {
        // the caller is told through its answer, so the job must run: against a connection without a transaction
        // its savepoint would be a transaction of its own, hence the refusal instead
        answers.push(refuse(first));
        return Err(e.to_string());
    }
    answers.push(first(conn));
    while answers.len() < SHARED {
        match jobs.try_recv() {
            Ok(job) => answers.push(job(conn)),
            Err(_) => break,
        }
    }
    conn.commit().map_err(|e| e.to_string())
}

/// Drops a job unrun: its caller's channel closes, which reads as [`DbError::Gone`].
fn refuse(job: Job) -> Answer {
    drop(job);
    Box::new(|_| ())
}

/// Diesel does not roll back when the closure panics: without the hand-made rollback the next jobs would run inside
/// the dead savepoint.
fn in_savepoint<T, E>(conn: &mut Conn, keys: &Keys, work: impl FnOnce(&mut Tx) -> Result<T, E>) -> Result<T, E>
where
    E: From<DbError> + From<diesel::result::Error>,
{
    let depth = conn.depth();
    let caught = catch_unwind(AssertUnwindSafe(|| conn.transaction(|conn| work(&mut Tx::new(conn, keys)))));
    caught.unwrap_or_else(|_| {
        while conn.depth() > depth && conn.rollback().is_ok() {}
        Err(DbError::Gone.into())
    })
}
