//! One round: reads what a source has, page by page, stores it, and makes the charts.

use super::charts;
use super::files;
use super::page::{Abilities, Frame};
use super::progress::{self, Claim, PAGE, Progress, Round, Trouble, Wanted};
use super::source::{Refusal, Source};
use crate::attachments::{FileIntake, ImportError, Note, Stretch, Stretching, Together};
use crate::chart::import::fhir::{ImportOptions, Reopen};
use crate::clock::{Clock, Random};
use crate::db::{Conn, Db, DbError, Ts, Tx};
use crate::notifications::quiet_until;
use crate::outbox;
use crate::settings;
use diesel::QueryResult;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use time::Duration;
use time::format_description::well_known::Rfc3339;

/// What has changed is asked for this often.
const EVERY: Duration = Duration::minutes(2);
/// How far before its last question a round asks again: servers set `lastUpdated` before they commit, so what is written
/// while they are asked would be missed for good. More where only this clinic's clock says when that was.
pub(super) const OVERLAP: Duration = Duration::seconds(90);
pub(super) const OVERLAP_BY_OWN_CLOCK: Duration = Duration::minutes(15);
/// The largest page, in bytes.
pub(super) const LARGEST: u64 = 64 << 20;
/// The shortest and the longest pause that a server may ask for.
const SHORTEST_PAUSE: Duration = Duration::seconds(1);
const LONGEST_PAUSE: Duration = Duration::hours(6);
/// How many patients of whom nothing is taken are asked for again in a round.
const ASKED_AGAIN: i64 = 50;
/// The type of which every other record is.
pub(super) const PATIENT: &str = "Patient";
/// The reason that is counted for a type that the server does not give.
pub(super) const NOT_READABLE: &str = "not_readable";

/// What a round works with.
#[derive(Clone)]
pub struct Parts {
    /// the database
    pub db: Db,
    /// the time
    pub clock: Clock,
    /// chance
    pub random: Random,
    /// where the files inside records are accepted
    pub intake: Arc<FileIntake>,
    /// the calling code of numbers without one
    pub calling_code: String,
}

/// What came of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// somebody else works at it, or all records are to be read and the hours for that have not come
    NotNow,
    /// it came to its end
    Done,
    /// it stands still, and goes on at this moment
    Stopped(Trouble, Ts),
}

/// Why a round stands still.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("the source did not give what it was asked for: {0:?}")]
    Asked(Refusal),
    #[error("the lease on the round is gone")]
    Lost,
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(Stop);

/// Works at the round of a source: begins one where none is under way, goes on with one that stands still.
///
/// # Errors
/// Those of the database, where not even the end of the round can be written down.
pub async fn run(parts: &Parts, source: Arc<dyn Source>, wanted: Option<Wanted>) -> Result<Outcome, DbError> {
    let (now, name, random) = (parts.clock.now(), source.name().to_owned(), parts.random.clone());
    let quiet = source.quiet_hours();
    let begin = parts.db.write(move |tx| -> Result<_, DbError> {
        if !may_begin(tx, now, &name, wanted, quiet)? {
            return Ok(None);
        }
        Ok(progress::claim(tx, now, &random, &name, wanted)?)
    });
    let Some(claim) = begin.await? else { return Ok(Outcome::NotNow) };
    let work = Work { parts, source, claim };
    match work.all().await {
        Ok(()) => {
            let (now, claim) = (parts.clock.now(), work.claim.clone());
            let next = now.plus(EVERY);
            let end = parts.db.write(move |tx| -> Result<_, DbError> { Ok(progress::end(tx, now, &claim, next)?) });
            Ok(if end.await? { Outcome::Done } else { Outcome::NotNow })
        }
        Err(stop) => work.stopped(&stop).await,
    }
}

/// Whether a round may begin, or go on, at this time of the day.
fn may_begin(
    conn: &mut Conn,
    now: Ts,
    source: &str,
    wanted: Option<Wanted>,
    quiet: Option<(i64, i64)>,
) -> QueryResult<bool> {
    let Some(quiet) = quiet else { return Ok(true) };
    let round = progress::round(conn, source)?;
    if !round.as_ref().is_none_or(Round::reads_all) && wanted != Some(Wanted::All) {
        return Ok(true);
    }
    Ok(quiet_until(quiet, settings::load(conn)?.zone(), now).is_some())
}

/// A round in the hands of whoever works at it.
pub(super) struct Work<'a> {
    pub parts: &'a Parts,
    pub source: Arc<dyn Source>,
    pub claim: Claim,
}

impl Work<'_> {
    async fn all(&self) -> Result<(), Stop> {
        let statement = self.ask("metadata".to_owned()).await?;
        let able = Abilities::read(&statement).ok_or(Stop::Asked(Refusal::Untrue))?;
        if !able.kinds.contains(&PATIENT) {
            return Err(Stop::Asked(Refusal::NotAllowed));
        }
        self.ask_again().await?;
        let mut stands = self.stands().await?;
        if self.claim.is_full {
            self.read_export(&able.kinds, &mut stands).await?;
            self.count_all(&able.kinds, &mut stands).await?;
        }
        for kind in able.kinds {
            let at = stands.remove(kind).unwrap_or_else(|| Progress::beginning(kind));
            self.read_kind(kind, at).await?;
            // who they are can be seen at once
            if kind == PATIENT {
                self.make_charts().await?;
            }
        }
        for history in &able.histories {
            let at = stands.remove(history).unwrap_or_else(|| Progress::beginning(history));
            self.read_deletions(history, at).await?;
        }
        self.make_charts().await
    }

    /// How far each type is read. Nobody else changes it while the lease holds.
    async fn stands(&self) -> Result<BTreeMap<String, Progress>, Stop> {
        let source = self.claim.source.clone();
        let read = self.parts.db.read(move |conn| -> Result<_, Stop> { Ok(progress::progress(conn, &source)?) });
        Ok(read.await?.into_iter().map(|at| (at.kind.clone(), at)).collect())
    }

    /// Asks the source. Calls block, so they have a thread of their own.
    pub async fn ask(&self, target: String) -> Result<Vec<u8>, Stop> {
        let source = self.source.clone();
        let asked = tokio::task::spawn_blocking(move || source.get(&target, LARGEST)).await;
        asked.map_err(|_| Stop::Db(DbError::Gone))?.map_err(Stop::Asked)
    }

    /// Writes for the round, as long as the lease on it holds.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx, &Claim) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Stop> {
        let (now, claim) = (self.parts.clock.now(), self.claim.clone());
        let write = self.parts.db.write(move |tx| -> Result<_, Stop> {
            if !progress::hold(tx, now, &claim)? {
                return Err(Stop::Lost);
            }
            Ok(work(tx, &claim)?)
        });
        write.await
    }

    /// From when on the next round asks, for a question that was asked at `asked_at`.
    pub fn mark(&self, frame: &Frame, asked_at: Ts) -> Ts {
        match frame.made_at {
            Some(by_server) => by_server.plus(-OVERLAP),
            None => asked_at.plus(-OVERLAP_BY_OWN_CLOCK),
        }
    }

    /// The present, for what is asked now.
    pub fn now(&self) -> Ts {
        self.parts.clock.now()
    }

    /// Asks how many records there are of each type, so that the time that is left can be told. Many servers do not say.
    async fn count_all(&self, kinds: &[&'static str], stands: &mut BTreeMap<String, Progress>) -> Result<(), Stop> {
        for kind in kinds {
            if stands.get(*kind).is_some_and(Progress::is_begun) {
                continue;
            }
            let total = match self.ask(format!("{kind}?_summary=count")).await {
                Ok(answer) => Frame::read(&answer).and_then(|frame| frame.total),
                Err(Stop::Asked(refusal)) if refusal.is_of_one_kind() => None,
                Err(stop) => return Err(stop),
            };
            let at = stands.remove(*kind).unwrap_or_else(|| Progress::beginning(kind));
            let at = Progress { total, is_counted: true, ..at };
            stands.insert((*kind).to_owned(), at.clone());
            self.write(move |tx, claim| progress::put(tx, &claim.source, &at)).await?;
        }
        Ok(())
    }

    /// Reads the records of a type, from where the round stands.
    async fn read_kind(&self, kind: &'static str, mut at: Progress) -> Result<(), Stop> {
        let mut was_begun_anew = false;
        while !at.is_done {
            let asked_at = self.now();
            let is_first = at.next_page.is_none();
            let target = at.next_page.clone().unwrap_or_else(|| first_page(kind, &at));
            let page = match self.ask(target.clone()).await {
                Ok(page) => page,
                Err(Stop::Asked(Refusal::TooLarge)) if at.page_size > 1 => {
                    at = Progress { page_size: (at.page_size / 4).max(1), next_page: None, seen: 0, ..at };
                    continue;
                }
                // the server does not know the page any more
                Err(Stop::Asked(Refusal::Refused(400 | 404 | 410))) if !is_first && !was_begun_anew => {
                    was_begun_anew = true;
                    at = Progress { next_page: None, seen: 0, ..at };
                    continue;
                }
                Err(Stop::Asked(refusal)) if refusal.is_of_one_kind() && kind != PATIENT => {
                    return self.pass_over(at).await;
                }
                Err(stop) => return Err(stop),
            };
            let frame = Frame::read(&page).ok_or(Stop::Asked(Refusal::Untrue))?;
            if frame.next.as_ref() == Some(&target) {
                return Err(Stop::Asked(Refusal::Untrue));
            }
            if is_first {
                at.seen = 0;
                at.since_next = Some(self.mark(&frame, asked_at));
                at.total = frame.total.or(at.total);
            }
            at.seen += frame.entries;
            at.is_done = frame.next.is_none();
            at.next_page = frame.next;
            if at.is_done {
                at.since = at.since_next;
            }
            self.take(if frame.entries > 0 { Some(page) } else { None }, at.clone()).await?;
        }
        Ok(())
    }

    /// Leaves a type out of this round.
    pub async fn pass_over(&self, at: Progress) -> Result<(), Stop> {
        let write = self.write(move |tx, claim| {
            let at = Progress { is_done: true, next_page: None, ..at };
            progress::put(tx, &claim.source, &at)?;
            progress::add_left_out(tx, &claim.source, &at.kind, NOT_READABLE, 1)
        });
        write.await
    }

    /// Stores what a page holds, then how far the round came with it. A round that is killed between the two reads the page
    /// again, which changes nothing.
    pub async fn take(&self, page: Option<Vec<u8>>, at: Progress) -> Result<(), Stop> {
        let Some(page) = page else {
            return self.write(move |tx, claim| progress::put(tx, &claim.source, &at)).await;
        };
        let files = files::named(&at.kind, &page);
        let stretch = self.store(page).await?;
        self.fetch_files(files).await?;
        let write = self.write(move |tx, claim| {
            charts::put_refused(tx, &claim.source, &stretch.people, &stretch.refused)?;
            progress::count_left_out(tx, &claim.source, &stretch.summary)?;
            progress::put(tx, &claim.source, &at)
        });
        write.await
    }

    /// Stores what a page holds, and makes no chart of it yet.
    pub async fn store(&self, page: Vec<u8>) -> Result<Stretch, Stop> {
        let (parts, source) = (self.parts, self.claim.source.clone());
        let others = parts.db.read(move |conn| -> Result<_, Stop> { Ok(charts::others(conn, &source)?) });
        // so many are another clinic's patients: the name of the source is that of another one
        let refused = others.await?.ok_or(Stop::Asked(Refusal::Untrue))?;
        let (clock, claim) = (parts.clock.clone(), self.claim.clone());
        let note: Note = Arc::new(move |tx: &mut Tx, owners: &BTreeSet<(String, String)>| {
            // whoever lost the lease stores nothing more
            if !progress::hold(tx, clock.now(), &claim)? {
                return Err(diesel::result::Error::RollbackTransaction);
            }
            charts::note(tx, &claim.source, owners)
        });
        let how = Stretching {
            delivery: self.claim.delivery(),
            refused,
            // a whole round makes every chart anew
            only_changes: !self.claim.is_full,
            note,
        };
        let files: Together = Arc::new(vec![Box::new(page) as Box<dyn Reopen + Send + Sync>]);
        let (now, options) = (self.now(), self.options());
        Ok(parts.intake.take_stretch(&parts.db, now, &parts.random, files, &options, how).await?)
    }

    /// How records are read.
    pub fn options(&self) -> ImportOptions {
        ImportOptions {
            default_calling_code: self.parts.calling_code.clone(),
            today: self.now().get().date(),
            source: Some(self.claim.source.clone()),
        }
    }

    /// Asks again for patients of whom nothing was taken: a user may have decided since who they are.
    async fn ask_again(&self) -> Result<(), Stop> {
        if self.claim.is_full {
            return Ok(());
        }
        let source = self.claim.source.clone();
        let read =
            self.parts.db.read(move |conn| -> Result<_, Stop> { Ok(charts::refused(conn, &source, ASKED_AGAIN)?) });
        let ids = read.await?;
        if ids.is_empty() {
            return Ok(());
        }
        let page = match self.ask(format!("{PATIENT}?_id={}&_count={ASKED_AGAIN}", ids.join(","))).await {
            Ok(page) => page,
            Err(Stop::Asked(refusal)) if refusal.is_of_one_kind() => return Ok(()),
            Err(stop) => return Err(stop),
        };
        let frame = Frame::read(&page).ok_or(Stop::Asked(Refusal::Untrue))?;
        if frame.entries == 0 {
            return Ok(());
        }
        let stretch = self.store(page).await?;
        self.write(move |tx, claim| charts::put_refused(tx, &claim.source, &stretch.people, &stretch.refused)).await
    }

    /// Writes down why the round stands still, and when it goes on.
    async fn stopped(&self, stop: &Stop) -> Result<Outcome, DbError> {
        let (now, source, claim) = (self.now(), self.claim.source.clone(), self.claim.clone());
        let trouble = match stop {
            Stop::Lost => return Ok(Outcome::NotNow),
            Stop::Asked(Refusal::Away) => Trouble::Away,
            Stop::Asked(Refusal::Later(_)) => Trouble::Later,
            Stop::Asked(Refusal::Refused(status)) if *status >= 500 => Trouble::Away,
            Stop::Asked(Refusal::Refused(_)) => Trouble::Refused,
            Stop::Asked(Refusal::NotAllowed) => Trouble::NotAllowed,
            Stop::Asked(Refusal::TooLarge) => Trouble::TooLarge,
            Stop::Asked(Refusal::Untrue) => Trouble::Untrue,
            Stop::Import(ImportError::Fhir(_)) => Trouble::Untrue,
            Stop::Import(_) | Stop::Db(_) => Trouble::Failed,
        };
        if let Stop::Import(cause) = stop {
            tracing::error!(%cause, "what a source has sent could not be stored");
        }
        tracing::warn!(why = trouble.as_str(), "the sync with a source stands still");
        let read = self.parts.db.read(move |conn| -> Result<_, DbError> { Ok(progress::round(conn, &source)?) });
        let failures = read.await?.map_or(0, |round| round.failures);
        let next = match stop {
            Stop::Asked(Refusal::Later(pause)) => {
                let pause = Duration::try_from(*pause).unwrap_or(LONGEST_PAUSE);
                now.plus(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
            }
            _ => outbox::back_off(now, failures + 1, &self.parts.random),
        };
        let write = self
            .parts
            .db
            .write(move |tx| -> Result<_, DbError> { Ok(progress::stop(tx, now, &claim, trouble, next)?) });
        Ok(if write.await? { Outcome::Stopped(trouble, next) } else { Outcome::NotNow })
    }
}

/// The address of the first page of a type.
fn first_page(kind: &str, at: &Progress) -> String {
    let size = at.page_size.clamp(1, PAGE);
    let since = at.since.map(|since| format!("&_lastUpdated=ge{}", moment(since))).unwrap_or_default();
    format!("{kind}?_count={size}{since}")
}

/// A moment as FHIR has it, in UTC.
pub(super) fn moment(at: Ts) -> String {
    at.get().format(&Rfc3339).unwrap_or_default()
}
