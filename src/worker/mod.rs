//! DOOR that nobody watches: works the outbox. One file for each kind of job.
//!
//! A worker that is killed while it sends loses only its claim: when that runs out, the job is worked again. Whether the
//! mail server or the gateway had taken the first copy, nobody can know. So there may be a second, never none; a mail's
//! has the same Message-ID, by which mail programs show one.

mod bounces;
mod follow_up;
mod scan_files;
mod send_notification;
mod send_passcode;
mod tell_staff;
mod upkeep;

use crate::access::session;
use crate::db::{Conn, DbError, Tx};
use crate::error::AppError;
use crate::outbox::{self, Job, JobKind, Lane};
use crate::portal_links;
use crate::settings::{self, Settings};
use crate::state::AppState;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::time::Duration;

/// How many jobs are claimed, and sent, at once.
const AT_ONCE: i64 = 8;
/// The outbox is looked at this often, woken or not: other instances enqueue too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Sessions and claims that are over are removed this often.
const SWEEP_EVERY: time::Duration = time::Duration::hours(1);

pub use bounces::read as read_returned_mail;
pub use upkeep::run as upkeep;

/// Works until `stop` completes; what was begun is then finished.
pub async fn run(state: AppState, stop: impl Future<Output = ()>) {
    tokio::select! {
        () = work_on(&state, stop) => {}
        () = bounces::keep_reading(&state) => {}
        () = scan_files::keep_scanning(&state) => {}
    }
}

async fn work_on(state: &AppState, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let mut swept = None;
    loop {
        let now = state.clock.now();
        if swept.is_none_or(|at| now.since(at) > SWEEP_EVERY) {
            swept = Some(now);
            let sweep = state.db.write(move |tx| -> Result<_, DbError> {
                portal_links::forget_claims(tx, now)?;
                Ok(session::sweep(tx, now)?)
            });
            if let Err(cause) = sweep.await {
                tracing::error!(%cause, "old sessions could not be removed");
            }
            upkeep::run(state, now).await;
        }
        match work_once(state, Lane::Messages).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(cause) => tracing::error!(%cause, "the outbox could not be read"),
        }
        tokio::select! {
            () = &mut stop => return,
            () = state.wake.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Works everything that is due, then returns how many jobs that were. For tests.
pub async fn drain(state: &AppState) -> Result<usize, DbError> {
    let mut all = 0;
    loop {
        match work_once(state, Lane::Messages).await? + work_once(state, Lane::Scans).await? {
            0 => return Ok(all),
            some => all += some,
        }
    }
}

/// Claims what is due and works it. The claim is durable before anything is sent.
async fn work_once(state: &AppState, lane: Lane) -> Result<usize, DbError> {
    let (now, random) = (state.clock.now(), state.random.clone());
    let jobs = state.db.write(move |tx| -> Result<_, DbError> { Ok(outbox::claim(tx, now, &random, lane, AT_ONCE)?) });
    let jobs = jobs.await?;
    let count = jobs.len();
    let mut under_way: FuturesUnordered<_> = jobs.into_iter().map(|job| work(state, job)).collect();
    while under_way.next().await.is_some() {}
    Ok(count)
}

async fn work(state: &AppState, job: Job) {
    let (id, kind) = (job.id, job.kind);
    let done = match kind {
        JobKind::SendNotification => send_notification::run(state, job).await,
        JobKind::FollowUp => follow_up::run(state, job).await,
        JobKind::TellStaff => tell_staff::run(state, job).await,
        JobKind::SendPasscode => send_passcode::run(state, job).await,
        JobKind::ScanFile => scan_files::run(state, job).await,
    };
    // the claim runs out and the job comes back
    if let Err(cause) = done {
        tracing::error!(%cause, job = %id, kind = kind.as_str(), "a job failed");
    }
}

/// Whether the retries of a job are used up.
fn is_over(state: &AppState, since: crate::db::Ts) -> bool {
    state.clock.now().since(since) > outbox::GIVE_UP_AFTER
}

/// Ends a job in the transaction that writes down its result. Where the claim was lost, nothing is written: the other
/// worker's result counts.
fn finish(tx: &mut Tx, job: &Job, write: impl FnOnce(&mut Tx) -> diesel::QueryResult<()>) -> Result<(), AppError> {
    if outbox::finish(tx, job)? {
        write(tx)?;
    }
    Ok(())
}

fn settings(conn: &mut Conn) -> Result<Settings, AppError> {
    Ok(settings::load(conn)?)
}
