//! GROUND: durable jobs. A job is written in the transaction of what it is for, claimed by one worker for a time,
//! and removed in the transaction that writes down its result; a worker that dies loses only its claim.

use crate::clock::Random;
use crate::db::schema::jobs;
use crate::db::{Both, Conn, JobId, Ts, Tx, claim_lock};
use crate::text_enum;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use time::Duration;

text_enum! {
    /// What is to be done. The subject is the row that it is about.
    pub enum JobKind {
        /// send the notification with this id
        SendNotification = "send_notification",
        /// make and send a passcode for the link with this id
        SendPasscode = "send_passcode",
        /// have the virus scanner look at the content with this id
        ScanFile = "scan_file",
        /// carry out the step of a plan with this id
        FollowUp = "follow_up",
        /// tell the user with this id that patients have answered
        TellStaff = "tell_staff",
    }
}

/// A claimed job.
#[derive(Debug, Clone, QueryableByName)]
pub struct Job {
    /// identity
    #[diesel(sql_type = BigInt)]
    pub id: JobId,
    /// what
    #[diesel(sql_type = Text)]
    pub kind: JobKind,
    /// about which row
    #[diesel(sql_type = BigInt)]
    pub subject_id: i64,
    /// how often it was claimed, this time included
    #[diesel(sql_type = BigInt)]
    pub attempts: i64,
    /// the claim
    #[diesel(sql_type = Text)]
    pub lease: String,
}

/// Jobs that are claimed together. A scanner that takes its time must hold no message up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// what is sent
    Messages,
    /// what is scanned
    Scans,
}

/// How long a claim lasts: longer than any one delivery may take (the configuration's limits end below it).
pub const LEASE: Duration = Duration::seconds(60);

/// The retries of one job end this long after it was enqueued.
pub const GIVE_UP_AFTER: Duration = Duration::DAY;

/// Enqueues a job that is due at `run_at`. While one for the same subject waits, this only brings it forward.
pub fn enqueue(tx: &mut Tx, now: Ts, kind: JobKind, subject: i64, run_at: Ts) -> QueryResult<()> {
    let row = (
        (jobs::kind.eq(kind), jobs::subject_id.eq(subject), jobs::attempts.eq(0), jobs::run_at.eq(run_at)),
        (jobs::lease.eq(None::<String>), jobs::created_at.eq(now)),
    );
    let insert = diesel::insert_into(jobs::table).values(row).on_conflict((jobs::kind, jobs::subject_id));
    let again =
        (jobs::run_at.eq(run_at), jobs::attempts.eq(0), jobs::created_at.eq(now), jobs::lease.eq(None::<String>));
    Both(insert.do_update().set(again)).execute(tx.conn()).map(drop)
}

/// Claims up to `most` due jobs of one lane for [`LEASE`]. Until then no other worker gets them.
pub fn claim(tx: &mut Tx, now: Ts, random: &Random, lane: Lane, most: i64) -> QueryResult<Vec<Job>> {
    use crate::db::Utc;
    let lease = random.token().reveal().to_owned();
    let lock = claim_lock(tx);
    let (is, scan) = (if lane == Lane::Scans { "=" } else { "<>" }, JobKind::ScanFile.as_str());
    let sql = format!(
        "UPDATE jobs SET lease = $1, run_at = $2, attempts = attempts + 1 WHERE id IN (\
         SELECT id FROM jobs WHERE run_at <= $3 AND kind {is} '{scan}' ORDER BY run_at, id LIMIT {most}{lock}) \
         RETURNING id, kind, subject_id, attempts, lease"
    );
    diesel::sql_query(sql).bind::<Text, _>(lease).bind::<Utc, _>(now.plus(LEASE)).bind::<Utc, _>(now).load(tx.conn())
}

/// Removes the jobs of these subjects: what they were for is no longer wanted.
pub fn cancel(tx: &mut Tx, kind: JobKind, subjects: &[i64]) -> QueryResult<()> {
    let unwanted = jobs::table.filter(jobs::kind.eq(kind)).filter(jobs::subject_id.eq_any(subjects.to_vec()));
    diesel::delete(unwanted).execute(tx.conn()).map(drop)
}

/// Removes a job that is done. Says whether the claim still held; if not, another worker has it and what this one did
/// must not be written down twice.
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

/// When the job may be tried again: twice as long after each attempt, from 5 s to 1 h, each between half and the whole
/// of that by chance, so that many jobs do not come back at once.
pub fn back_off(now: Ts, attempts: i64, random: &Random) -> Ts {
    let doubled = 5.0 * 2f64.powi(attempts.clamp(1, 12) as i32 - 1);
    let seconds = doubled.min(3_600.0) * (0.5 + random.fraction() / 2.0);
    now.plus(Duration::seconds_f64(seconds))
}

/// What the jobs of a kind are about, at most `limit` of them.
pub fn subjects(conn: &mut Conn, kind: JobKind, limit: i64) -> QueryResult<Vec<i64>> {
    jobs::table.filter(jobs::kind.eq(kind)).select(jobs::subject_id).limit(limit).load(conn)
}

/// When the next job is due; `None` where none waits.
pub fn next_due(conn: &mut Conn) -> QueryResult<Option<Ts>> {
    jobs::table.select(diesel::dsl::min(jobs::run_at)).first(conn)
}

/// The jobs that send something as soon as they can.
#[diesel::dsl::auto_type]
fn deliveries() -> _ {
    let planned: [JobKind; 2] = [JobKind::FollowUp, JobKind::TellStaff];
    jobs::table.filter(jobs::kind.ne_all(planned))
}

/// How many jobs wait.
pub fn waiting(conn: &mut Conn) -> QueryResult<i64> {
    deliveries().count().get_result(conn)
}

/// What waits in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// how many jobs
    pub count: i64,
    /// when the oldest was enqueued
    pub oldest: Option<Ts>,
}

/// How much waits, and since when, without what is planned for a later day.
pub fn waiting_since(conn: &mut Conn) -> QueryResult<Waiting> {
    let oldest = deliveries().select(diesel::dsl::min(jobs::created_at)).first(conn)?;
    Ok(Waiting { count: waiting(conn)?, oldest })
}

/// Takes back a job that no worker holds. Says whether it could.
pub fn withdraw(tx: &mut Tx, kind: JobKind, subject: i64) -> QueryResult<bool> {
    let free =
        jobs::table.filter(jobs::kind.eq(kind)).filter(jobs::subject_id.eq(subject)).filter(jobs::lease.is_null());
    Ok(diesel::delete(free).execute(tx.conn())? == 1)
}
