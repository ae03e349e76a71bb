//! What came of asking the EMR, in the transaction that ends the job.

use super::prepare::{About, Has};
use super::queue::enter;
use super::send::Sent;
use super::{State, Why};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::emr_writes as w;
use crate::db::{EmrWriteId, Ts, Tx, lock_row, sealed};
use crate::outbox::{self, Lane, Task};
use diesel::prelude::*;

/// The most that is kept of an EMR's own words, in characters.
const LONGEST: usize = 300;

/// Locks the row before its job, as whoever takes a message back. Says whether that was done.
pub fn hold(tx: &mut Tx, id: EmrWriteId) -> QueryResult<bool> {
    lock_row(tx, "emr_writes", id.0)?;
    is_taken_back(tx, id)
}

fn is_taken_back(tx: &mut Tx, id: EmrWriteId) -> QueryResult<bool> {
    let row = w::table.find(id).filter(w::state.eq(State::TakenBack)).select(w::id);
    Ok(row.first::<EmrWriteId>(tx.conn()).optional()?.is_some())
}

/// The EMR is asked again: how far it came, and why it goes no further now.
pub fn put_off(tx: &mut Tx, now: Ts, about: &About, has: &Has, why: Option<Why>) -> QueryResult<()> {
    let set = (
        (w::part_of.eq(&has.part_of), w::documents.eq(has.documents.join(" ")), w::resource.eq(&has.resource)),
        (w::reason.eq(why), w::words.eq(sealed::text("")), w::state_at.eq(now)),
    );
    diesel::update(w::table.find(about.id)).set(set).execute(tx.conn()).map(drop)
}

fn write_anew(tx: &mut Tx, now: Ts, about: &About) -> QueryResult<()> {
    enter(tx, now, about.id, State::Begun)?;
    outbox::enqueue_to(tx, now, Task::WriteBack(about.id), (Lane::Emr, &about.source), now)
}

/// The EMR was asked, and is not asked again by itself.
pub fn settle(tx: &mut Tx, now: Ts, about: &About, has: &Has, sent: &Sent) -> QueryResult<()> {
    let (state, why, words) = match sent {
        Sent::Written => (State::Written, None, ""),
        Sent::Marked => (State::Marked, None, ""),
        // the document is written after all, without what was taken back
        Sent::NeverThere if about.is_paper => return write_anew(tx, now, about),
        Sent::NeverThere => return diesel::delete(w::table.find(about.id)).execute(tx.conn()).map(drop),
        Sent::Later(_, why) => return put_off(tx, now, about, has, *why),
        Sent::Refused(why, words) => (State::Refused, Some(*why), words.as_str()),
    };
    put_off(tx, now, about, has, why)?;
    // what is to be marked as an error stays so until it is
    let state = if state == State::Refused && is_taken_back(tx, about.id)? { State::TakenBack } else { state };
    let words: String = words.chars().take(LONGEST).collect();
    let set = (w::state.eq(state), w::words.eq(sealed::text(&words)));
    diesel::update(w::table.find(about.id)).set(set).execute(tx.conn())?;
    let event =
        if state == State::Written || state == State::Marked { Event::EmrWritten } else { Event::EmrWriteRefused };
    let entry = Entry::of_patient(Actor::System, event, about.patient, Subject::Message(about.message));
    let mut detail = vec![about.source.as_str()];
    if state != State::Written {
        detail.insert(0, state.as_str());
    }
    if about.is_paper {
        detail.insert(0, "pdf");
    }
    audit::append(tx, now, entry.with(detail.join(" ")))
}
