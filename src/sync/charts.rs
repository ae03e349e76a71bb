//! The patients whose records were stored and whose chart is still to be made, and those of whom nothing is taken.

use super::differences;
use super::progress;
use super::round::{Stop, Work};
use crate::access::Operator;
use crate::chart::import::derive;
use crate::chart::import::fhir::SkipReason;
use crate::db::schema::{emr_refused, emr_waiting_charts};
use crate::db::{Both, Conn, Tx};
use crate::patients::SourceId;
use crate::settings;
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

/// The most patients of one source of whom nothing is taken because they are somebody else here. So many are no accident.
const MOST_REFUSED: i64 = 10_000;

/// How many charts are looked up at once to be made.
const CHARTS: i64 = 100;

impl Work<'_> {
    /// Makes the charts of all patients whose records were stored, each in one transaction.
    pub async fn make_charts(&self) -> Result<(), Stop> {
        let settings = self.parts.db.read(|conn| -> Result<_, Stop> { Ok(settings::load(conn)?) }).await?;
        loop {
            let source = self.claim.source.clone();
            let read = self.parts.db.read(move |conn| -> Result<_, Stop> { Ok(next(conn, &source, CHARTS)?) });
            let owners: Vec<SourceId> = read.await?;
            if owners.is_empty() {
                return Ok(());
            }
            for owner in owners {
                let (now, options, settings) = (self.now(), self.options(), settings.clone());
                let write = self.write(move |tx, claim| {
                    if !take(tx, &claim.source, &owner)? {
                        return Ok(());
                    }
                    let (by, delivery) = (Operator::of_the_sync(), claim.delivery());
                    let summary = derive(tx, now, by, delivery, &owner, &options, &settings)?;
                    // of somebody whom the clinic knew before; nothing of theirs is compared where they were refused
                    if summary.known_patients > 0 {
                        differences::compare(tx, now, by, &owner, &options)?;
                    }
                    progress::count_left_out(tx, &claim.source, &summary)
                });
                write.await?;
            }
        }
    }
}

/// Notes patients whose chart is to be made. One that is noted already stays so: whoever makes it at this moment has
/// removed the note first, so this waits for their end and notes it again.
pub(super) fn note(tx: &mut Tx, source: &str, owners: &BTreeSet<(String, String)>) -> QueryResult<()> {
    for (owner_source, owner_id) in owners {
        let row = (
            emr_waiting_charts::source.eq(source),
            (emr_waiting_charts::owner_source.eq(owner_source), emr_waiting_charts::owner_id.eq(owner_id)),
        );
        let insert = diesel::insert_into(emr_waiting_charts::table).values(row).on_conflict_do_nothing();
        Both(insert).execute(tx.conn())?;
    }
    Ok(())
}

/// Some patients whose chart is to be made.
pub(super) fn next(conn: &mut Conn, source: &str, most: i64) -> QueryResult<Vec<SourceId>> {
    let own = emr_waiting_charts::table.filter(emr_waiting_charts::source.eq(source));
    let rows: Vec<(String, String)> = own
        .order((emr_waiting_charts::owner_source, emr_waiting_charts::owner_id))
        .select((emr_waiting_charts::owner_source, emr_waiting_charts::owner_id))
        .limit(most)
        .load(conn)?;
    Ok(rows.into_iter().map(|(source, id)| SourceId { source, id }).collect())
}

/// Removes the note of a patient before their chart is made; `false`: there is none any more.
pub(super) fn take(tx: &mut Tx, source: &str, owner: &SourceId) -> QueryResult<bool> {
    let row = emr_waiting_charts::table.find((source, &owner.source, &owner.id));
    Ok(diesel::delete(row).execute(tx.conn())? == 1)
}

/// Writes down of whom of these patients nothing is taken; of the others it is. Whoever was taken for somebody else until
/// now has records that were passed over, so every record is read once more.
pub(super) fn put_refused(
    tx: &mut Tx,
    source: &str,
    people: &[SourceId],
    refused: &[(SourceId, SkipReason)],
) -> QueryResult<()> {
    for person in people {
        let own = emr_refused::table.find((source, &person.id));
        let was: Option<String> = own.select(emr_refused::reason).first(tx.conn()).optional()?;
        let is_refused = refused.iter().any(|(other, _)| other == person);
        if was.as_deref() == Some(SkipReason::OtherPerson.as_str()) && !is_refused {
            progress::want_all(tx, source)?;
        }
        diesel::delete(emr_refused::table.find((source, &person.id))).execute(tx.conn())?;
    }
    // of a record that was deleted here not even the id is kept
    for (person, reason) in refused.iter().filter(|(_, reason)| *reason != SkipReason::RecordDeleted) {
        let row = (
            emr_refused::source.eq(source),
            (emr_refused::owner_id.eq(&person.id), emr_refused::reason.eq(reason.as_str())),
        );
        diesel::insert_into(emr_refused::table).values(row).execute(tx.conn())?;
    }
    Ok(())
}

/// The patients of a source whose id is another person's here: what refers to them must not reach that person's chart.
/// `None`: they are too many to be an accident.
pub(super) fn others(conn: &mut Conn, source: &str) -> QueryResult<Option<HashMap<SourceId, SkipReason>>> {
    let own = emr_refused::table
        .filter(emr_refused::source.eq(source))
        .filter(emr_refused::reason.eq(SkipReason::OtherPerson.as_str()));
    let ids: Vec<String> = own.select(emr_refused::owner_id).limit(MOST_REFUSED).load(conn)?;
    if ids.len() as i64 >= MOST_REFUSED {
        return Ok(None);
    }
    let of_id = |id: String| (SourceId { source: source.to_owned(), id }, SkipReason::OtherPerson);
    Ok(Some(ids.into_iter().map(of_id).collect()))
}

/// The last patient of each source whom this process has asked for again. After a restart it begins anew.
static ASKED_LAST: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// The next patients of whom nothing is taken until a user decides who they are: they are asked for again, because somebody
/// may have decided since. Each gets their turn; after the last one it begins with the first.
pub(super) fn refused(conn: &mut Conn, source: &str, most: i64) -> QueryResult<Vec<String>> {
    let last = ASKED_LAST.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned().unwrap_or_default();
    let mut ids = refused_after(conn, source, &last, most)?;
    if ids.is_empty() {
        ids = refused_after(conn, source, "", most)?;
    }
    if let Some(last) = ids.last() {
        let mut asked = ASKED_LAST.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(source.to_owned(), last.clone());
    }
    Ok(ids)
}

fn refused_after(conn: &mut Conn, source: &str, last: &str, most: i64) -> QueryResult<Vec<String>> {
    let (other, unsure) = (SkipReason::OtherPerson.as_str(), SkipReason::UnsurePerson.as_str());
    let own = emr_refused::table
        .filter(emr_refused::source.eq(source))
        .filter(emr_refused::reason.eq(other).or(emr_refused::reason.eq(unsure)))
        .filter(emr_refused::owner_id.gt(last));
    own.order(emr_refused::owner_id).select(emr_refused::owner_id).limit(most).load(conn)
}
