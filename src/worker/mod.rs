//! DOOR without visitors: works the outbox. One file for each kind of job.
//!
//! A worker that is killed while it sends loses only its claim: when the claim ends, the job is worked again. Nobody
//! can know whether the mail server or the gateway had accepted the first copy. So there may be a second copy, but
//! never none; the second copy of a mail has the same Message-ID, by which mail programs show only one.

mod audit_seals;
mod bounces;
mod follow_team;
mod follow_up;
mod hand_over;
mod index_messages;
mod lane;
mod scan_files;
mod see_to_promise;
mod send_many;
mod send_notification;
mod send_passcode;
mod send_scheduled;
mod supervise;
mod sync_charts;
mod tell_staff;
mod tell_user;
mod upkeep;
mod write_back;

use crate::access::session;
use crate::broadcasts;
use crate::db::{Conn, DbError, Ts, Tx};
use crate::error::AppError;
use crate::notifications::templates::{sender_line, typed_address};
use crate::outbox::{self, Job, Lane, Task};
use crate::portal_links;
use crate::settings::{self, Settings};
use crate::state::AppState;
use crate::text::Lang;
use crate::users;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use supervise::{Stop, supervise};
use tokio::sync::watch;

/// Ended sessions and other expired rows are removed this often, and the upkeep is done.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// How often it is stored that the queue was looked at.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// A worker that is asked to stop ends after this time at the latest, whatever it is still doing.
const PATIENCE: Duration = Duration::from_secs(12);

pub use bounces::read as read_returned_mail;
pub use index_messages::all as index_messages;
pub use upkeep::run as upkeep;

/// Works until `stop` completes. Then running jobs may finish for some seconds, and the others are given back.
pub async fn run(state: AppState, stop: impl Future<Output = ()>) {
    let (ask, stopping) = Stop::new();
    let (ring, bell) = watch::channel(());
    let looks = Looks::default();
    let (state, looks, stopping) = (&state, &looks, &stopping);
    let lanes = join_all(Lane::ALL.iter().map(|lane| {
        let bell = &bell;
        supervise(lane.as_str(), stopping, async move || {
            lane::keep_working(state, *lane, bell.clone(), looks, stopping).await;
        })
    }));
    let parts = async {
        tokio::join!(
            lanes,
            supervise("bell", stopping, async || keep_ringing(state, &ring, stopping).await),
            supervise("upkeep", stopping, async || keep_up(state, stopping).await),
            supervise("looks", stopping, async || keep_telling(state, looks, stopping).await),
            supervise("returned mail", stopping, async || {
                tokio::select! {
                    () = stopping.asked() => {}
                    () = bounces::keep_reading(state) => {}
                }
            }),
            supervise("files to scan", stopping, async || scan_files::keep_enqueueing(state, stopping).await),
            supervise("search", stopping, async || index_messages::keep_indexing(state, stopping).await),
            supervise("sync", stopping, async || sync_charts::keep_syncing(state, stopping).await),
        );
    };
    let mut parts = std::pin::pin!(parts);
    tokio::select! {
        () = &mut parts => return,
        () = stop => {}
    }
    let _ = ask.send(true);
    if tokio::time::timeout(PATIENCE, parts).await.is_err() {
        tracing::warn!("the worker was stopped with jobs in hand; their claims run out");
    }
}

/// When each lane was last looked at.
#[derive(Default)]
struct Looks(Mutex<HashMap<Lane, Ts>>);

impl Looks {
    fn looked(&self, lane: Lane, at: Ts) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lane, at);
    }

    /// The moment by which every lane was looked at; `None` where one never was.
    fn all_by(&self) -> Option<Ts> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() < Lane::ALL.len() { None } else { looks.values().min().copied() }
    }
}

/// Passes each wake-up on to every lane: a [`tokio::sync::Notify`] wakes only one.
async fn keep_ringing(state: &AppState, ring: &watch::Sender<()>, stop: &Stop) {
    loop {
        tokio::select! {
            () = stop.asked() => return,
            () = state.wake.notified() => drop(ring.send(())),
        }
    }
}

async fn keep_telling(state: &AppState, looks: &Looks, stop: &Stop) {
    let mut told = None;
    loop {
        let by = looks.all_by();
        if let Some(by) = by.filter(|_| by != told) {
            let write = state.db.write(move |tx| -> Result<_, DbError> { Ok(outbox::looked(tx, by)?) });
            match write.await {
                Ok(()) => told = Some(by),
                Err(cause) => tracing::warn!(%cause, "it could not be written down that the queue was looked at"),
            }
        }
        // soon at first, so that the health check knows at once that there is a worker
        let pause = if told.is_none() { Duration::from_millis(100) } else { TELL_EVERY };
        if !stop.pause(pause).await {
            return;
        }
    }
}

async fn keep_up(state: &AppState, stop: &Stop) {
    loop {
        let now = state.clock.now();
        let sweep = state.db.write(move |tx| -> Result<_, DbError> {
            portal_links::forget_claims(tx, now)?;
            users::sweep_kept_forms(tx, now)?;
            users::sweep_pending(tx, now)?;
            users::sweep_visits(tx, now)?;
            users::sweep_newcomers(tx, now)?;
            users::forget_devices(tx, now)?;
            broadcasts::sweep(tx, now)?;
            Ok(session::sweep(tx, now)?)
        });
        if let Err(cause) = sweep.await {
            tracing::error!(%cause, "old sessions could not be removed");
        }
        tokio::select! {
            () = stop.asked() => return,
            () = upkeep::run(state, now) => {}
        }
        if !stop.pause(SWEEP_EVERY).await {
            return;
        }
    }
}

/// Works all due jobs; gives how many there were. For tests.
pub async fn drain(state: &AppState) -> Result<usize, DbError> {
    let mut all = 0;
    loop {
        let mut round = 0;
        for lane in Lane::ALL {
            round += lane::drain(state, *lane).await?;
        }
        match round {
            0 => return Ok(all),
            some => all += some,
        }
    }
}

async fn work(state: &AppState, job: Job) {
    let (id, task) = (job.id, job.task);
    let done = match task {
        Task::SendNotification(id) => send_notification::run(state, job, id).await,
        Task::FollowUp(id) => follow_up::run(state, job, id).await,
        Task::SeeToPromise(conversation) => see_to_promise::run(state, job, conversation).await,
        Task::FollowTeam(team) => follow_team::run(state, job, team).await,
        Task::SendScheduled(message) => send_scheduled::run(state, job, message).await,
        Task::SendMany(broadcast) => send_many::run(state, job, broadcast).await,
        Task::TellStaff(user) => tell_staff::run(state, job, user).await,
        Task::TellUser(mail) => tell_user::run(state, job, mail).await,
        Task::SendPasscode(link) => send_passcode::run(state, job, link).await,
        Task::ScanFile(blob) => scan_files::run(state, job, blob).await,
        Task::WriteBack(id) => write_back::run(state, job, id).await,
    };
    // the claim ends, and then the job is tried again
    if let Err(cause) = done {
        tracing::error!(%cause, job = %id, kind = task.kind().as_str(), "a job failed");
    }
}

/// Ends a job in the transaction that stores its result. Where the claim was lost, nothing is stored: the other
/// worker's result counts.
fn finish(tx: &mut Tx, job: &Job, write: impl FnOnce(&mut Tx) -> diesel::QueryResult<()>) -> Result<(), AppError> {
    if outbox::finish(tx, job)? {
        write(tx)?;
    }
    Ok(())
}

/// What stands below every email to a user: who writes, why, and how to know that it is real.
fn staff_foot(lang: Lang, settings: &Settings, origin: &str) -> Vec<String> {
    vec![
        sender_line(&settings.name, &settings.address, &settings.phone),
        lang.t1("mail-staff-why", "clinic", &settings.name),
        lang.t1("mail-staff-real", "address", typed_address(origin)),
    ]
}

fn settings(conn: &mut Conn) -> Result<Settings, AppError> {
    Ok(settings::load(conn)?)
}
