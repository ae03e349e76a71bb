//! Follows the audit log, and tells those who listen.

use super::answering::Told;
use super::changes::{Change, Kind, may_end_sessions, of_rows};
use super::listeners::Live;
use crate::access::session::Watched;
use crate::access::{SignedInUser, rights};
use crate::audit::{self, Row};
use crate::clock::Clock;
use crate::db::{Conn, Db, DbError, Heard, Ts};
use diesel::QueryResult;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

/// At so many new rows it is cheaper for everybody to fetch their page than to be told of each.
const MANY: i64 = 500;
/// On PostgreSQL a transaction that began earlier may commit later. Writes take milliseconds.
const LAG: Duration = Duration::from_secs(2);

/// Tells those who listen of what happens, until the server stops. The log is followed from the start on, so that every page
/// says from where its reader is to be told.
pub async fn run(live: Arc<Live>, db: Db, clock: Clock) {
    let mut heard = db.hear();
    let mut follower = Follower { db, clock, live, place: None };
    let mut beat = tokio::time::interval(follower.live.beat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_heard = true;
    while !follower.live.is_over() {
        let news = tokio::select! {
            first = heard.recv(), if is_heard => match first {
                Some(first) => News::gathered(first, &mut heard),
                // the beats look by themselves
                None => {
                    is_heard = false;
                    continue;
                }
            },
            _ = beat.tick() => News { is_beat: true, ..News::default() },
            () = follower.live.woken.notified() => continue,
        };
        if let Err(cause) = follower.work(news).await {
            // the next beat looks again
            tracing::warn!(%cause, "changes could not be read");
        }
    }
}

/// What was heard since the last look.
#[derive(Default)]
struct News {
    rows: Vec<i64>,
    told: Vec<Told>,
    /// the file has changed
    is_changed: bool,
    /// something may not have been heard
    is_gap: bool,
    /// it is time to look at everything
    is_beat: bool,
}

impl News {
    fn gathered(first: Heard, heard: &mut UnboundedReceiver<Heard>) -> News {
        let mut news = News::default();
        news.take(first);
        while let Ok(more) = heard.try_recv() {
            news.take(more);
        }
        news
    }

    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Began => self.is_gap = true,
            Heard::Changed => self.is_changed = true,
            Heard::Words(lines) => {
                for words in lines.lines() {
                    self.rows.extend(audit::told_row(words));
                    self.told.extend(Told::read(words));
                }
            }
        }
    }
}

/// How far the log was told.
#[derive(Clone, Default)]
struct Place {
    /// every row up to this one
    all: i64,
    /// and these
    some: BTreeSet<i64>,
    /// the last row that the log had, also one that is not followed
    seen: i64,
    /// the last row at the last beat: what is not committed by the next one does not come any more
    at_beat: i64,
}

impl Place {
    fn begin(row: i64) -> Place {
        Place { all: row, some: BTreeSet::new(), seen: row, at_beat: row }
    }

    fn last(&self) -> i64 {
        self.some.last().copied().unwrap_or(self.all).max(self.seen)
    }

    /// Those of the rows that were not told yet; from now on they count as told.
    fn fresh(&mut self, rows: Vec<Row>) -> Vec<Row> {
        rows.into_iter().filter(|row| row.id > self.all && self.some.insert(row.id)).collect()
    }

    /// Those after this id that were not told yet. What is committed before `seen` is read is on them; it ends where there are
    /// [`MANY`].
    fn read_on(&mut self, conn: &mut Conn, mut from: i64) -> QueryResult<Vec<Row>> {
        let seen = audit::last_row(conn)?;
        let mut fresh: Vec<Row> = Vec::new();
        loop {
            let rows = audit::after(conn, from, MANY)?;
            let full = rows.last().map(|row| row.id).filter(|_| rows.len() as i64 >= MANY);
            fresh.extend(self.fresh(rows));
            match full {
                // rows that were told before do not count: there may be many of them
                Some(last) if (fresh.len() as i64) < MANY => from = last,
                _ => break,
            }
        }
        self.seen = self.seen.max(seen);
        Ok(fresh)
    }

    fn beat(&mut self) {
        self.all = self.at_beat;
        self.some = self.some.split_off(&(self.all + 1));
        self.at_beat = self.last();
    }
}

struct Follower {
    db: Db,
    clock: Clock,
    live: Arc<Live>,
    /// `None`: nothing was read yet
    place: Option<Place>,
}

/// What one look at the database found.
struct Found {
    place: Place,
    changes: Vec<Change>,
    /// more has happened than is told one by one
    is_much: bool,
    /// listeners whose sessions open nothing any more
    ended: Vec<u64>,
}

impl Follower {
    async fn work(&mut self, news: News) -> Result<(), DbError> {
        let now = self.clock.now();
        self.tell_answering(now, &news.told);
        if news.rows.is_empty() && !news.is_changed && !news.is_gap && !news.is_beat {
            return Ok(());
        }
        let (place, sessions, is_beat) = (self.place.clone(), self.live.sessions(), news.is_beat);
        let read = self.db.read(move |conn| -> Result<_, DbError> { look(conn, now, place, &news, &sessions) });
        let mut found = read.await?;
        // no event goes out on a session that has ended
        self.live.end_some(&found.ended);
        let last = found.place.last();
        match self.place.is_none() || found.is_much {
            true => self.live.begin(last, if self.db.is_postgres() { LAG } else { Duration::ZERO }),
            false => self.live.tell(found.changes, last),
        }
        if is_beat {
            found.place.beat();
            self.live.beat();
        }
        self.place = Some(found.place);
        Ok(())
    }

    fn tell_answering(&self, now: Ts, told: &[Told]) {
        for one in told {
            self.live.set_answering(now, one);
            let change = Change {
                row: None,
                kind: Kind::Answering,
                conversation: Some(one.conversation),
                by: Some(one.user),
                participants: HashSet::new(),
            };
            self.live.tell(vec![change], 0);
        }
    }
}

fn look(
    conn: &mut Conn,
    now: Ts,
    place: Option<Place>,
    news: &News,
    sessions: &[(u64, Watched)],
) -> Result<Found, DbError> {
    let Some(mut place) = place else {
        let place = Place::begin(audit::last_row(conn)?);
        return Ok(Found { place, changes: Vec::new(), is_much: false, ended: ended(conn, now, sessions)? });
    };
    let rows = match news {
        News { is_gap: true, .. } | News { is_beat: true, .. } => place.read_on(conn, place.all)?,
        News { is_changed: true, .. } => place.read_on(conn, place.last())?,
        News { rows, .. } => place.fresh(audit::with_ids(conn, rows)?),
    };
    let is_much = rows.len() as i64 >= MANY;
    let looks_at_sessions =
        news.is_beat || is_much || rows.iter().filter_map(|row| row.action.parse().ok()).any(may_end_sessions);
    let ended = if looks_at_sessions { ended(conn, now, sessions)? } else { Vec::new() };
    match is_much {
        true => Ok(Found { place: Place::begin(audit::last_row(conn)?), changes: Vec::new(), is_much, ended }),
        false => Ok(Found { place, changes: of_rows(conn, &rows)?, is_much, ended }),
    }
}

/// The listeners whose sessions have ended, or lost the right to see anything.
fn ended(conn: &mut Conn, now: Ts, sessions: &[(u64, Watched)]) -> Result<Vec<u64>, DbError> {
    let mut ended = Vec::new();
    for (number, session) in sessions {
        if !may_listen(conn, now, session)? {
            ended.push(*number);
        }
    }
    Ok(ended)
}

/// Whether this session opens something that an event may tell of.
pub fn may_listen(conn: &mut Conn, now: Ts, session: &Watched) -> QueryResult<bool> {
    let holder = session.holder(conn, now)?;
    Ok(holder.as_ref().and_then(SignedInUser::<rights::Read>::from_holder).flatten().is_some())
}
