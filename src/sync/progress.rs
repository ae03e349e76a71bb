//! How far the records of a source are read, and who reads them.

use super::KINDS;
use super::round::NOT_READABLE;
use crate::access::{Authority, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::chart::import::Summary;
use crate::clock::Random;
use crate::db::schema::{emr_left_out, emr_progress, emr_rounds};
use crate::db::{Both, Conn, MultiBackend, Ts, Tx};
use crate::text_enum;
use diesel::prelude::*;
use time::Duration;

text_enum! {
    /// What a round is to read.
    pub enum Wanted {
        /// what has changed since the round before
        News = "news",
        /// every record
        All = "all",
    }
}

text_enum! {
    /// Why a round stands still.
    pub enum Trouble {
        /// the server does not answer
        Away = "away",
        /// the server has asked to wait
        Later = "later",
        /// the sync may not read what it needs
        NotAllowed = "not_allowed",
        /// the server refuses what it is asked
        Refused = "refused",
        /// an answer was larger than what is read
        TooLarge = "too_large",
        /// the server's answer is not FHIR R4
        Untrue = "untrue",
        /// what was read could not be stored
        Failed = "failed",
    }
}

/// How long the lease on a round lasts from each time that something is written down: longer than any one call.
pub(super) const LEASE: Duration = Duration::minutes(5);
/// How many records a page has at first.
pub(super) const PAGE: i64 = 200;

/// The last round of a source, or the one that is under way.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = emr_rounds, check_for_backend(MultiBackend))]
pub struct Round {
    /// until when somebody works at it
    pub lease_until: Option<Ts>,
    /// whether it reads every record
    pub is_full: bool,
    /// what somebody has asked for since it began
    pub wanted: Option<Wanted>,
    /// when it began; `None`: none ever did
    pub begun_at: Option<Ts>,
    /// when it ended; `None` while it is under way
    pub ended_at: Option<Ts>,
    /// when a round of every record came to its end
    pub full_at: Option<Ts>,
    /// before then nothing is asked
    pub next_at: Option<Ts>,
    /// how often in a row it stood still
    pub failures: i64,
    /// why it stands still
    pub trouble: Option<Trouble>,
    /// since when
    pub trouble_at: Option<Ts>,
}

impl Round {
    /// Whether it has begun and not ended.
    pub fn is_under_way(&self) -> bool {
        self.begun_at.is_some() && self.ended_at.is_none()
    }

    /// Whether somebody works at it.
    pub fn is_held(&self, now: Ts) -> bool {
        self.lease_until.is_some_and(|until| until >= now)
    }

    /// Whether the next work at it reads every record.
    pub(super) fn reads_all(&self) -> bool {
        self.wanted == Some(Wanted::All) || self.full_at.is_none() || self.is_under_way() && self.is_full
    }
}

/// The last round of a source; `None`: there was none.
pub fn round(conn: &mut Conn, source: &str) -> QueryResult<Option<Round>> {
    emr_rounds::table.find(source).select(Round::as_select()).first(conn).optional()
}

/// Whether a source is to be asked now. What is asked by hand does not wait for the next time.
pub fn is_due(conn: &mut Conn, now: Ts, source: &str) -> QueryResult<bool> {
    let Some(round) = round(conn, source)? else { return Ok(true) };
    Ok(!round.is_held(now) && (round.wanted.is_some() || round.next_at.is_none_or(|next| next <= now)))
}

fn prepare(tx: &mut Tx, source: &str) -> QueryResult<()> {
    let row = (emr_rounds::source.eq(source), emr_rounds::is_full.eq(true), emr_rounds::failures.eq(0));
    let insert = diesel::insert_into(emr_rounds::table).values(row).on_conflict_do_nothing();
    Both(insert).execute(tx.conn()).map(drop)
}

/// Asks for a round as soon as may be; who has asked for every record gets it, whoever asks for news after them.
pub fn ask(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    source: &str,
    wanted: Wanted,
) -> QueryResult<()> {
    prepare(tx, source)?;
    match wanted {
        Wanted::All => want_all(tx, source)?,
        Wanted::News => {
            let free = emr_rounds::table.find(source).filter(emr_rounds::wanted.is_null());
            diesel::update(free).set(emr_rounds::wanted.eq(Some(Wanted::News))).execute(tx.conn())?;
        }
    }
    let entry = Entry::of_clinic(by.user().into(), Event::SyncAsked, Subject::None);
    audit::append(tx, now, entry.with(wanted.as_str()))
}

/// Has the next round read every record.
pub(super) fn want_all(tx: &mut Tx, source: &str) -> QueryResult<()> {
    let row = diesel::update(emr_rounds::table.find(source));
    row.set(emr_rounds::wanted.eq(Some(Wanted::All))).execute(tx.conn()).map(drop)
}

/// The lease on a source's round.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub source: String,
    lease: String,
    /// whether it reads every record
    pub is_full: bool,
    /// when it began
    pub begun_at: Ts,
}

impl Claim {
    /// Marks what comes with this round.
    pub fn delivery(&self) -> i64 {
        self.begun_at.micros()
    }
}

/// Takes the lease on a source's round, and begins one where none is under way. Of two who try at the same moment one gets
/// it: the update finds the row free once. A round of news that is under way gives way to one of every record that is asked for.
pub(super) fn claim(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    source: &str,
    wanted: Option<Wanted>,
) -> QueryResult<Option<Claim>> {
    prepare(tx, source)?;
    let lease = random.token().reveal().to_owned();
    let free = emr_rounds::table
        .filter(emr_rounds::source.eq(source))
        .filter(emr_rounds::lease_until.is_null().or(emr_rounds::lease_until.lt(now)));
    let held = (emr_rounds::lease.eq(Some(lease.as_str())), emr_rounds::lease_until.eq(Some(now.plus(LEASE))));
    if diesel::update(free).set(held).execute(tx.conn())? == 0 {
        return Ok(None);
    }
    let before: Round = emr_rounds::table.find(source).select(Round::as_select()).first(tx.conn())?;
    let wants_all = wanted == Some(Wanted::All) || before.wanted == Some(Wanted::All);
    if let Some(begun_at) = before.begun_at.filter(|_| before.is_under_way() && (before.is_full || !wants_all)) {
        let asked = emr_rounds::table.find(source);
        diesel::update(asked).set(emr_rounds::wanted.eq(None::<Wanted>)).execute(tx.conn())?;
        return Ok(Some(Claim { source: source.to_owned(), lease, is_full: before.is_full, begun_at }));
    }
    let is_full = wants_all || before.full_at.is_none();
    begin(tx, now, source, is_full)?;
    Ok(Some(Claim { source: source.to_owned(), lease, is_full, begun_at: now }))
}

fn begin(tx: &mut Tx, now: Ts, source: &str, is_full: bool) -> QueryResult<()> {
    let begun = (
        emr_rounds::is_full.eq(is_full),
        emr_rounds::wanted.eq(None::<Wanted>),
        emr_rounds::begun_at.eq(Some(now)),
        emr_rounds::ended_at.eq(None::<Ts>),
        emr_rounds::export.eq(None::<String>),
    );
    diesel::update(emr_rounds::table.find(source)).set(begun).execute(tx.conn())?;
    let kinds = emr_progress::table.filter(emr_progress::source.eq(source));
    let anew = (
        emr_progress::is_done.eq(false),
        emr_progress::next_page.eq(None::<String>),
        emr_progress::since_next.eq(None::<Ts>),
        emr_progress::page_size.eq(PAGE),
        emr_progress::seen.eq(0),
        emr_progress::total.eq(None::<i64>),
        emr_progress::is_counted.eq(false),
    );
    diesel::update(kinds).set(anew).execute(tx.conn())?;
    if is_full {
        // what was deleted since the last look at a history is asked for all the same
        let all = emr_progress::table.filter(emr_progress::source.eq(source));
        let all = all.filter(emr_progress::kind.eq_any(kinds_of_records()));
        diesel::update(all).set(emr_progress::since.eq(None::<Ts>)).execute(tx.conn())?;
    }
    // a type that could not be read is lacking until it is read
    let left = emr_left_out::table
        .filter(emr_left_out::source.eq(source))
        .filter(emr_left_out::why.ne(NOT_READABLE).or(emr_left_out::what.ne_all(kinds_of_records())));
    diesel::delete(left).execute(tx.conn()).map(drop)
}

fn kinds_of_records() -> Vec<String> {
    KINDS.iter().map(|kind| (*kind).to_owned()).collect()
}

/// Holds the lease for longer, and its row until the transaction ends. `false`: somebody else works at the round now, and
/// nothing more may be written for it.
pub(super) fn hold(tx: &mut Tx, now: Ts, claim: &Claim) -> QueryResult<bool> {
    let mine = emr_rounds::table
        .filter(emr_rounds::source.eq(&claim.source))
        .filter(emr_rounds::lease.eq(Some(claim.lease.as_str())));
    Ok(diesel::update(mine).set(emr_rounds::lease_until.eq(Some(now.plus(LEASE)))).execute(tx.conn())? == 1)
}

/// Ends the round, and gives the lease back. `false`: somebody else has it.
pub(super) fn end(tx: &mut Tx, now: Ts, claim: &Claim, next: Ts) -> QueryResult<bool> {
    if !hold(tx, now, claim)? {
        return Ok(false);
    }
    let ended = (
        emr_rounds::lease.eq(None::<String>),
        emr_rounds::lease_until.eq(None::<Ts>),
        emr_rounds::ended_at.eq(Some(now)),
        emr_rounds::as_of.eq(Some(claim.begun_at)),
        emr_rounds::next_at.eq(Some(next)),
        emr_rounds::failures.eq(0),
        emr_rounds::trouble.eq(None::<Trouble>),
        emr_rounds::trouble_at.eq(None::<Ts>),
    );
    diesel::update(emr_rounds::table.find(&claim.source)).set(ended).execute(tx.conn())?;
    if claim.is_full {
        let full = emr_rounds::full_at.eq(Some(now));
        diesel::update(emr_rounds::table.find(&claim.source)).set(full).execute(tx.conn())?;
    }
    Ok(true)
}

/// Gives the lease back in the middle of a round, which goes on at `next`. `false`: somebody else has it.
pub(super) fn stop(tx: &mut Tx, now: Ts, claim: &Claim, trouble: Trouble, next: Ts) -> QueryResult<bool> {
    if !hold(tx, now, claim)? {
        return Ok(false);
    }
    let stopped = (
        emr_rounds::lease.eq(None::<String>),
        emr_rounds::lease_until.eq(None::<Ts>),
        emr_rounds::next_at.eq(Some(next)),
        emr_rounds::failures.eq(emr_rounds::failures + 1),
        emr_rounds::trouble.eq(Some(trouble)),
        emr_rounds::trouble_at.eq(Some(now)),
    );
    diesel::update(emr_rounds::table.find(&claim.source)).set(stopped).execute(tx.conn())?;
    Ok(true)
}

/// Takes the lease away from whoever works at a source's round: they write nothing more for it. A transaction that also holds
/// the settings calls this first, as a round locks its row before everything else.
pub fn let_go(tx: &mut Tx, source: &str) -> QueryResult<()> {
    let free = (emr_rounds::lease.eq(None::<String>), emr_rounds::lease_until.eq(None::<Ts>));
    diesel::update(emr_rounds::table.find(source)).set(free).execute(tx.conn()).map(drop)
}

/// Where the source tells of the export that this round reads; `None`: it reads none.
pub(super) fn export(conn: &mut Conn, source: &str) -> QueryResult<Option<String>> {
    emr_rounds::table.find(source).select(emr_rounds::export).first(conn)
}

/// Writes down where the source tells of the export.
pub(super) fn put_export(tx: &mut Tx, source: &str, address: Option<&str>) -> QueryResult<()> {
    let row = diesel::update(emr_rounds::table.find(source));
    row.set(emr_rounds::export.eq(address)).execute(tx.conn()).map(drop)
}

/// How far the records of one type are read.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = emr_progress, check_for_backend(MultiBackend))]
pub struct Progress {
    /// the type, or the address of a history
    pub kind: String,
    /// whether this round has read all of it
    pub is_done: bool,
    /// the page that comes next; `None`: the first
    pub next_page: Option<String>,
    /// what has changed since then is asked for; `None`: everything
    pub since: Option<Ts>,
    /// the same for the round after this one
    pub since_next: Option<Ts>,
    /// how many records a page has
    pub page_size: i64,
    /// how many records were read in this round
    pub seen: i64,
    /// how many there are, where the server says so
    pub total: Option<i64>,
    /// whether this round has asked how many there are
    pub is_counted: bool,
}

/// How far each type of a source's records is read.
pub fn progress(conn: &mut Conn, source: &str) -> QueryResult<Vec<Progress>> {
    let own = emr_progress::table.filter(emr_progress::source.eq(source)).order(emr_progress::kind);
    own.select(Progress::as_select()).load(conn)
}

impl Progress {
    /// Before anything of a type was read.
    pub(super) fn beginning(kind: &str) -> Progress {
        Progress {
            kind: kind.to_owned(),
            is_done: false,
            next_page: None,
            since: None,
            since_next: None,
            page_size: PAGE,
            seen: 0,
            total: None,
            is_counted: false,
        }
    }

    /// Whether this round has asked for the type, or for how many there are.
    pub(super) fn is_begun(&self) -> bool {
        self.is_counted || self.is_done || self.seen > 0 || self.next_page.is_some()
    }
}

/// Writes down how far a type is read; one that is read to its end is not lacking any more.
pub(super) fn put(tx: &mut Tx, source: &str, at: &Progress) -> QueryResult<()> {
    let key = (emr_progress::source.eq(source), emr_progress::kind.eq(&at.kind));
    let values = || {
        (
            emr_progress::is_done.eq(at.is_done),
            emr_progress::next_page.eq(&at.next_page),
            emr_progress::since.eq(at.since),
            emr_progress::since_next.eq(at.since_next),
            emr_progress::page_size.eq(at.page_size),
            emr_progress::seen.eq(at.seen),
            emr_progress::total.eq(at.total),
            emr_progress::is_counted.eq(at.is_counted),
        )
    };
    let own = emr_progress::table.find((source, &at.kind));
    if diesel::update(own).set(values()).execute(tx.conn())? == 0 {
        diesel::insert_into(emr_progress::table).values((key, values())).execute(tx.conn())?;
    }
    if at.is_done {
        diesel::delete(emr_left_out::table.find((source, &at.kind, NOT_READABLE))).execute(tx.conn())?;
    }
    Ok(())
}

/// What was left out: the type, or `Type.field`, the reason's word, and how often.
pub type Left = (String, String, i64);

/// What the last round of a source left out, the most frequent first.
pub fn left_out(conn: &mut Conn, source: &str, most: i64) -> QueryResult<Vec<Left>> {
    let own = emr_left_out::table.filter(emr_left_out::source.eq(source));
    own.order((emr_left_out::times.desc(), emr_left_out::what, emr_left_out::why))
        .select((emr_left_out::what, emr_left_out::why, emr_left_out::times))
        .limit(most)
        .load(conn)
}

/// Those of these sources that have types of records which could not be read.
pub fn lacking(conn: &mut Conn, sources: Vec<String>) -> QueryResult<Vec<String>> {
    let lacking = emr_left_out::table
        .filter(emr_left_out::source.eq_any(sources))
        .filter(emr_left_out::why.eq(NOT_READABLE))
        .filter(emr_left_out::what.eq_any(kinds_of_records()));
    lacking.select(emr_left_out::source).load(conn)
}

/// Types of entries that are the server's words about its answer, and a reason that only says that pages overlap.
const NO_RECORD: &str = "OperationOutcome";
const TWICE: &str = "duplicate";

/// Adds up what was left out.
pub(super) fn count_left_out(tx: &mut Tx, source: &str, summary: &Summary) -> QueryResult<()> {
    for ((what, why), times) in &summary.skipped {
        if what != NO_RECORD && *why != TWICE {
            add_left_out(tx, source, what, why, *times as i64)?;
        }
    }
    Ok(())
}

/// Adds one sort of what was left out.
pub(super) fn add_left_out(tx: &mut Tx, source: &str, what: &str, why: &str, times: i64) -> QueryResult<()> {
    let more = emr_left_out::times.eq(emr_left_out::times + times);
    if diesel::update(emr_left_out::table.find((source, what, why))).set(more).execute(tx.conn())? == 0 {
        let row = (
            (emr_left_out::source.eq(source), emr_left_out::what.eq(what)),
            (emr_left_out::why.eq(why), emr_left_out::times.eq(times)),
        );
        diesel::insert_into(emr_left_out::table).values(row).execute(tx.conn())?;
    }
    Ok(())
}
