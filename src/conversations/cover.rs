//! Whoever covers: colleagues of users who are away, and those who see to a reply that nobody opened in time.

use super::store::{self, Conversation};
use crate::access::{self, SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::conversations;
use crate::db::{ConversationId, PatientId, Ts, Tx, UserId};
use crate::outbox::{self, Task};
use crate::settings;
use crate::threads::{self, Happening, NewEvent};
use crate::users;
use diesel::prelude::*;

/// Why a cover was added, as the audit log has it.
pub(super) const AWAY: &str = "cover";

/// Adds to a conversation, which the caller has locked, the covers of those who take part and are away; whoever takes part through a
/// team alone has their colleagues there, unless all who may write are away. Says whether anybody came.
pub(super) fn add_covers(
    tx: &mut Tx,
    now: Ts,
    conversation: &Conversation,
    covering: &[(UserId, UserId)],
) -> QueryResult<bool> {
    if covering.is_empty() {
        return Ok(false);
    }
    let all = threads::participants_of(tx, conversation.id)?;
    let covered = if is_anybody_here(tx, now, &all)? { threads::by_themselves(tx, conversation.id)? } else { all };
    let covers = covering.iter().filter(|(away, _)| covered.contains(away)).map(|(_, cover)| *cover);
    add(tx, now, conversation, covers.collect())
}

/// Whether one of these users may write to patients and is not away today.
fn is_anybody_here(tx: &mut Tx, now: Ts, all: &[UserId]) -> QueryResult<bool> {
    let today = settings::load(tx)?.zone().local(now).date();
    let away = users::away_among(tx, today, all)?;
    for user in all.iter().filter(|user| away.iter().all(|one| one.user != **user)) {
        let writes: Option<SignedInUser<rights::Send>> = access::ordered(tx, *user)?;
        if writes.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn add(tx: &mut Tx, now: Ts, conversation: &Conversation, who: Vec<UserId>) -> QueryResult<bool> {
    let mut came = false;
    for user in who {
        if threads::add_participant(tx, conversation.id, user, true, conversation.last_message_at)? > 0 {
            let event = NewEvent { kind: Happening::Added, by: None, user, due: None };
            threads::happened(tx, now, conversation.id, event)?;
            came = true;
        }
    }
    Ok(came)
}

/// Writes down that participants were added by nobody's hand. As every audit row it comes last.
pub(super) fn tell_added(
    tx: &mut Tx,
    now: Ts,
    (conversation, patient): (ConversationId, PatientId),
    why: &str,
) -> QueryResult<()> {
    let subject = Subject::Conversation(conversation);
    let entry = Entry::of_patient(Actor::System, Event::ParticipantsChanged, patient, subject);
    audit::append(tx, now, entry.with(why))
}

/// A conversation in which an answer is promised by now, held until the transaction ends, and those who may be called to it.
pub struct Promised {
    id: ConversationId,
    covering: Vec<(UserId, UserId)>,
    owners: Vec<UserId>,
}

/// Locks those who may be called, and then the conversation. `None` where it is gone.
pub fn hold_promised(tx: &mut Tx, now: Ts, id: ConversationId) -> QueryResult<Option<Promised>> {
    let (covering, owners) = (users::covering(tx, now)?, users::owners(tx)?);
    crate::db::lock_row(tx, "conversations", id.0)?;
    let there =
        conversations::table.find(id).select(conversations::id).first::<ConversationId>(tx.conn()).optional()?;
    Ok(there.map(|id| Promised { id, covering, owners }))
}

/// The moment has come by which the patient was told that they have an answer. Where nobody who takes part has opened what they
/// wrote, the covers of those who are away are added, or else the owners, and all who take part are told as of a new answer.
/// Nothing is done where it was answered, closed or opened meanwhile.
pub fn see_to_promised(tx: &mut Tx, now: Ts, promised: &Promised) -> QueryResult<()> {
    let conversation = store::conversation(tx, promised.id)?;
    let Some(by) = conversation.answer_by.filter(|_| conversation.closed_at.is_none()) else { return Ok(()) };
    if by > now {
        // of a later question
        return outbox::enqueue(tx, now, Task::SeeToPromise(promised.id), by);
    }
    if threads::is_opened(tx, promised.id)? {
        return Ok(());
    }
    let came = add_covers(tx, now, &conversation, &promised.covering)?
        || add(tx, now, &conversation, promised.owners.clone())?;
    users::tell_of_answer(tx, now, promised.id)?;
    if !came {
        return Ok(());
    }
    let patient = conversations::table.find(promised.id).select(conversations::patient_id).first(tx.conn())?;
    tell_added(tx, now, (promised.id, patient), "not_opened_in_time")
}
