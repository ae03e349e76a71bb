//! Works one lane of the outbox: a free place is filled at once, so that no job waits for a slower one.
//!
//! A job that takes long is counted apart: it keeps its connection, but takes no place of a quick one. While several
//! jobs for one party take long, no more jobs for that party are claimed. So a server that hangs delays other jobs by
//! [`LONG`] at most.

use super::supervise::Stop;
use super::{Looks, work};
use crate::db::{DbError, JobId};
use crate::outbox::{self, Job, Lane};
use crate::state::AppState;
use crate::traces;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

/// A job that runs for longer than this counts as one that takes long.
const LONG: Duration = Duration::from_millis(800);
/// When this many jobs of one party take long, no more of them are claimed.
const LONG_OF_ONE_PARTY: usize = 3;
/// The most jobs of one lane that run at once, those that take long included.
const MOST: usize = 64;
/// How often the lane is checked, even if nothing wakes it: other instances enqueue too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a running job may still take when the worker is asked to stop.
const GRACE: Duration = Duration::from_secs(8);

/// How many quick jobs run at once.
const fn at_once(lane: Lane) -> usize {
    match lane {
        Lane::Passcodes | Lane::Email => 16,
        Lane::Texts | Lane::Scans => 8,
        Lane::Plans | Lane::Many | Lane::Staff => 4,
        // each may hold a file in memory
        Lane::Emr => 2,
    }
}

struct InHand {
    job: Job,
    since: Instant,
}

/// The jobs of a lane that this process is running.
struct Crew<'a> {
    state: &'a AppState,
    lane: Lane,
    in_hand: HashMap<tokio::task::Id, InHand>,
    under_way: JoinSet<JobId>,
    count: usize,
}

impl<'a> Crew<'a> {
    fn new(state: &'a AppState, lane: Lane) -> Crew<'a> {
        Crew { state, lane, in_hand: HashMap::new(), under_way: JoinSet::new(), count: 0 }
    }

    fn room(&self) -> usize {
        let quick = self.in_hand.values().filter(|job| job.since.elapsed() < LONG).count();
        at_once(self.lane).saturating_sub(quick).min(MOST.saturating_sub(self.in_hand.len()))
    }

    /// The parties whose jobs are not claimed for now.
    fn hanging(&self) -> Vec<String> {
        let mut long: HashMap<&str, usize> = HashMap::new();
        for InHand { job, since } in self.in_hand.values() {
            if since.elapsed() >= LONG && !job.party.is_empty() {
                *long.entry(&job.party).or_default() += 1;
            }
        }
        long.into_iter().filter(|(_, count)| *count >= LONG_OF_ONE_PARTY).map(|(party, _)| party.to_owned()).collect()
    }

    /// Claims as many jobs as there is room for, and starts them. The claim is committed before anything is sent. Says
    /// whether more jobs may be due.
    async fn fill(&mut self) -> Result<bool, DbError> {
        let (room, without) = (self.room(), self.hanging());
        if room == 0 {
            return Ok(false);
        }
        let (now, random, lane) = (self.state.clock.now(), self.state.random.clone(), self.lane);
        let claim = self
            .state
            .db
            .write(move |tx| -> Result<_, DbError> { Ok(outbox::claim(tx, now, &random, lane, room, &without)?) });
        let jobs = claim.await?;
        let full = jobs.len() == room;
        self.count += jobs.len();
        for job in jobs {
            let (state, task) = (self.state.clone(), job.clone());
            let traced = traces::job(task.task.kind().as_str());
            let begun = self.under_way.spawn(
                async move {
                    let id = task.id;
                    work(&state, task).await;
                    id
                }
                .instrument(traced),
            );
            self.in_hand.insert(begun.id(), InHand { job, since: Instant::now() });
        }
        Ok(full)
    }

    /// Waits until a job is done; waits for ever where none is running.
    async fn one_done(&mut self) {
        match self.under_way.join_next_with_id().await {
            Some(Ok((task, _))) => drop(self.in_hand.remove(&task)),
            Some(Err(cause)) => {
                let held = self.in_hand.remove(&cause.id());
                let (job, kind) = held.map(|held| (held.job.id, held.job.task.kind().as_str())).unzip();
                // the job's claim runs out, and then it is tried again
                tracing::error!(?job, kind, lane = self.lane.as_str(), "a job broke off");
            }
            None => std::future::pending().await,
        }
    }

    /// Lets running jobs finish for [`GRACE`], and gives the others back for other workers.
    async fn end(mut self) {
        let until = tokio::time::Instant::now() + GRACE;
        while !self.in_hand.is_empty() {
            if tokio::time::timeout_at(until, self.one_done()).await.is_err() {
                break;
            }
        }
        self.under_way.abort_all();
        let rest: Vec<Job> = self.in_hand.into_values().map(|held| held.job).collect();
        if rest.is_empty() {
            return;
        }
        tracing::info!(count = rest.len(), lane = self.lane.as_str(), "jobs were handed back");
        let now = self.state.clock.now();
        let write = self.state.db.write(move |tx| -> Result<_, DbError> {
            for job in &rest {
                outbox::hand_back(tx, now, job)?;
            }
            Ok(())
        });
        if let Err(cause) = write.await {
            tracing::warn!(%cause, "jobs could not be handed back; their claims run out");
        }
    }
}

/// Works a lane until it is asked to stop.
pub(super) async fn keep_working(
    state: &AppState,
    lane: Lane,
    mut bell: watch::Receiver<()>,
    looks: &Looks,
    stop: &Stop,
) {
    let mut crew = Crew::new(state, lane);
    let mut hungry = true;
    while !stop.is_asked() {
        if hungry {
            match crew.fill().await {
                Ok(more) => {
                    looks.looked(lane, state.clock.now());
                    hungry = more;
                }
                Err(cause) => {
                    hungry = false;
                    tracing::error!(%cause, lane = lane.as_str(), "the outbox could not be read");
                }
            }
            if hungry {
                continue;
            }
        }
        // where all places are taken, a job may soon count as one that takes long, which frees its place
        let pause = if crew.room() == 0 { LONG / 8 } else { LOOK_EVERY };
        tokio::select! {
            () = stop.asked() => break,
            () = crew.one_done() => hungry = true,
            rung = bell.changed() => match rung {
                Ok(()) => hungry = true,
                // the sender of the bell is gone
                Err(_) => tokio::time::sleep(pause).await,
            },
            () = tokio::time::sleep(pause) => hungry = true,
        }
    }
    crew.end().await;
}

/// Works all due jobs of a lane; gives how many there were. For tests.
pub(super) async fn drain(state: &AppState, lane: Lane) -> Result<usize, DbError> {
    let mut crew = Crew::new(state, lane);
    loop {
        let more = crew.fill().await?;
        if !more {
            if crew.in_hand.is_empty() {
                return Ok(crew.count);
            }
            crew.one_done().await;
        }
    }
}
