//! GROUND: durable jobs. A job is written in the transaction that needs it, claimed by one worker for a time, and
//! removed in the transaction that stores its result; a worker that dies loses only its claim.

mod kinds;
mod looks;

pub use kinds::{GiveUp, JobKind, Lane, Task};
pub use looks::{ALIVE, last_look, looked};

use crate::clock::Random;
use crate::db::schema::jobs;
use crate::db::{Both, Conn, JobId, MultiBackend, Ts, Tx, Utc, claim_lock};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use time::Duration;

/// A claimed job.
#[derive(Debug, Clone)]
pub struct Job {
    /// identity
    pub id: JobId,
    /// what is to be done, and about which row
    pub task: Task,
    /// how often it was claimed, this time included
    pub attempts: i64,
    /// the party that it is sent to: the part of the address after the @; empty where it makes no difference
    pub party: String,
    /// the claim's random word: it must match for the worker to finish the job
    lease: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: JobId,
    #[diesel(sql_type = Text)]
    kind: JobKind,
    #[diesel(sql_type = BigInt)]
    subject_id: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = Text)]
    party: String,
    #[diesel(sql_type = Text)]
    lease: String,
}

impl From<Row> for Job {
    fn from(Row { id, kind, subject_id, attempts, party, lease }: Row) -> Job {
        Job { id, task: Task::from_row(kind, subject_id), attempts, party, lease }
    }
}

/// How long a claim lasts: longer than any one delivery may take (the configuration's limits end below it).
pub const LEASE: Duration = Duration::seconds(60);

/// Enqueues a job that is due at `run_at`. A job of the same kind for the same subject starts again: due at `run_at`,
/// without attempts and without a claim.
pub fn enqueue(tx: &mut Tx, now: Ts, task: Task, run_at: Ts) -> QueryResult<()> {
    enqueue_to(tx, now, task, (task.kind().lane(), ""), run_at)
}

/// Enqueues a job as [`enqueue`] does, but in this lane and for this party (see [`Job::party`]).
pub fn enqueue_to(tx: &mut Tx, now: Ts, task: Task, (lane, party): (Lane, &str), run_at: Ts) -> QueryResult<()> {
    let row = (
        (
            jobs::kind.eq(task.kind()),
            jobs::subject_id.eq(task.subject()),
            jobs::attempts.eq(0),
            jobs::run_at.eq(run_at),
        ),
        (jobs::lease.eq(None::<String>), jobs::created_at.eq(now), jobs::lane.eq(lane), jobs::party.eq(party)),
    );
    let insert = diesel::insert_into(jobs::table).values(row).on_conflict((jobs::kind, jobs::subject_id));
    let again =
        (jobs::run_at.eq(run_at), jobs::attempts.eq(0), jobs::created_at.eq(now), jobs::lease.eq(None::<String>));
    Both(insert.do_update().set(again)).execute(tx.conn()).map(drop)
}

/// Claims up to `most` due jobs of one lane for [`LEASE`], none of them for the parties in `without`. Until the claim
/// ends no other worker gets them.
pub fn claim(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    lane: Lane,
    most: usize,
    without: &[String],
) -> QueryResult<Vec<Job>> {
    let lease = random.token().reveal().to_owned();
    let lock = claim_lock(tx);
    let others: String = match without.is_empty() {
        true => String::new(),
        false => {
            let signs: Vec<String> = (5..5 + without.len()).map(|n| format!("${n}")).collect();
            format!("AND party NOT IN ({}) ", signs.join(", "))
        }
    };
    let sql = format!(
        "UPDATE jobs SET lease = $1, run_at = $2, attempts = attempts + 1 WHERE id IN (\
         SELECT id FROM jobs WHERE run_at <= $3 AND lane = $4 {others}ORDER BY run_at, id LIMIT {most}{lock}) \
         RETURNING id, kind, subject_id, attempts, party, lease"
    );
    let mut query = diesel::sql_query(sql).into_boxed::<MultiBackend>();
    query = query.bind::<Text, _>(lease).bind::<Utc, _>(now.plus(LEASE)).bind::<Utc, _>(now);
    query = query.bind::<Text, _>(lane.as_str());
    for party in without {
        query = query.bind::<Text, _>(party.clone());
    }
    Ok(query.load::<Row>(tx.conn())?.into_iter().map(Job::from).collect())
}

/// Removes these jobs, which must be of one kind: nobody wants their result any more.
pub fn cancel(tx: &mut Tx, tasks: &[Task]) -> QueryResult<()> {
    let Some(kind) = tasks.first().map(|task| task.kind()) else { return Ok(()) };
    let subjects: Vec<i64> = tasks.iter().filter(|task| task.kind() == kind).map(|task| task.subject()).collect();
    let unwanted = jobs::table.filter(jobs::kind.eq(kind)).filter(jobs::subject_id.eq_any(subjects));
    diesel::delete(unwanted).execute(tx.conn()).map(drop)
}

/// Gives a claimed job back as if it had not been claimed: another worker may take it at once.
pub fn hand_back(tx: &mut Tx, now: Ts, job: &Job) -> QueryResult<()> {
    let mine = jobs::table.find(job.id).filter(jobs::lease.eq(&job.lease));
    let free = (jobs::run_at.eq(now), jobs::lease.eq(None::<String>), jobs::attempts.eq(job.attempts - 1));
    diesel::update(mine).set(free).execute(tx.conn()).map(drop)
}

/// Whether the claim on a job holds still, without a lock: whoever has other rows to lock takes those first, and [`finish`] says in
/// the end whether it holds to then.
pub fn is_held(conn: &mut Conn, job: &Job) -> QueryResult<bool> {
    let mine = jobs::table.find(job.id).filter(jobs::lease.eq(&job.lease));
    Ok(mine.select(jobs::id).first::<JobId>(conn).optional()?.is_some())
}

/// Whether a worker has a job in hand: its claim did not end yet.
pub fn is_in_hand(conn: &mut Conn, now: Ts, task: Task) -> QueryResult<bool> {
    let claimed = jobs::table
        .filter(jobs::kind.eq(task.kind()))
        .filter(jobs::subject_id.eq(task.subject()))
        .filter(jobs::lease.is_not_null())
        .filter(jobs::run_at.gt(now));
    Ok(claimed.select(jobs::id).first::<JobId>(conn).optional()?.is_some())
}

/// Removes a job that is done. Says whether the claim still held; if not, another worker has the job, and this worker's
/// result must not be stored.
pub fn finish(tx: &mut Tx, job: &Job) -> QueryResult<bool> {
    let mine = jobs::table.find(job.id).filter(jobs::lease.eq(&job.lease));
    Ok(diesel::delete(mine).execute(tx.conn())? == 1)
}

/// Puts a job back until `run_at`. Says whether the claim still held.
pub fn retry(tx: &mut Tx, job: &Job, run_at: Ts) -> QueryResult<bool> {
    let mine = jobs::table.find(job.id).filter(jobs::lease.eq(&job.lease));
    let later = (jobs::run_at.eq(run_at), jobs::lease.eq(None::<String>));
    Ok(diesel::update(mine).set(later).execute(tx.conn())? == 1)
}

/// Drops those jobs of a restored backup that send a passcode, a notification or a mail about an account, because they
/// may have been done after the backup was made, and the claims on the other jobs: their workers do not exist here.
pub fn after_restore(tx: &mut Tx) -> QueryResult<()> {
    let sending = [
        JobKind::SendPasscode,
        JobKind::SendNotification,
        JobKind::SendScheduled,
        JobKind::SendMany,
        JobKind::TellUser,
    ];
    diesel::delete(jobs::table.filter(jobs::kind.eq_any(sending))).execute(tx.conn())?;
    diesel::update(jobs::table).set(jobs::lease.eq(None::<String>)).execute(tx.conn()).map(drop)
}

/// When the job may be tried again: the pause doubles with each attempt, from 5 s to 1 h, and is shortened by up to a
/// half at random, so that many jobs do not come back at once.
pub fn back_off(now: Ts, attempts: i64, random: &Random) -> Ts {
    let doubled = 5.0 * 2f64.powi(attempts.clamp(1, 12) as i32 - 1);
    let seconds = doubled.min(3_600.0) * (0.5 + random.fraction() / 2.0);
    now.plus(Duration::seconds_f64(seconds))
}

/// The jobs of a kind, at most `limit` of them.
pub fn tasks(conn: &mut Conn, kind: JobKind, limit: i64) -> QueryResult<Vec<Task>> {
    let subjects: Vec<i64> =
        jobs::table.filter(jobs::kind.eq(kind)).select(jobs::subject_id).limit(limit).load(conn)?;
    Ok(subjects.into_iter().map(|subject| Task::from_row(kind, subject)).collect())
}

/// When the next job is due; `None` where none waits.
pub fn next_due(conn: &mut Conn) -> QueryResult<Option<Ts>> {
    jobs::table.select(diesel::dsl::min(jobs::run_at)).first(conn)
}

/// The jobs that wait in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// how many jobs
    pub count: i64,
    /// when the oldest was enqueued
    pub oldest: Option<Ts>,
}

/// How many jobs wait to be done as soon as possible, and since when, without those planned for a later day.
pub fn waiting_since(conn: &mut Conn, now: Ts) -> QueryResult<Waiting> {
    let soon: Vec<JobKind> = JobKind::ALL.iter().copied().filter(|kind| !kind.is_planned()).collect();
    let begun = jobs::run_at.le(now).or(jobs::attempts.gt(0));
    let waiting = jobs::table.filter(jobs::kind.eq_any(soon)).filter(begun);
    let (count, oldest) =
        waiting.select((diesel::dsl::count_star(), diesel::dsl::min(jobs::created_at))).first(conn)?;
    Ok(Waiting { count, oldest })
}

/// How many jobs of a lane are due, counted up to `most`.
pub fn due_in(conn: &mut Conn, now: Ts, lane: Lane, most: i64) -> QueryResult<usize> {
    let due = jobs::table.filter(jobs::lane.eq(lane)).filter(jobs::run_at.le(now)).order((jobs::run_at, jobs::id));
    Ok(due.select(jobs::id).limit(most).load::<JobId>(conn)?.len())
}

/// Removes a job that no worker holds. Says whether there was one.
pub fn withdraw(tx: &mut Tx, task: Task) -> QueryResult<bool> {
    let free = jobs::table
        .filter(jobs::kind.eq(task.kind()))
        .filter(jobs::subject_id.eq(task.subject()))
        .filter(jobs::lease.is_null());
    Ok(diesel::delete(free).execute(tx.conn())? == 1)
}
