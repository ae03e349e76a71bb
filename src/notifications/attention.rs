//! Ending a conversation's need for attention, once a user has dealt with it.

use super::calls;
use crate::access::{ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::{Ts, Tx, lock_row};
use crate::threads::{self, Reasons};
use diesel::QueryResult;

/// A user says that they have dealt with it, by telephone for example.
pub fn dealt_with(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Notify>) -> QueryResult<()> {
    // as everybody locks it who stores what becomes of a step
    lock_row(tx, "conversations", access.conversation().0)?;
    calls::settle(tx, now, access.conversation())?;
    threads::clear_attention(tx, access.conversation(), Reasons::All)?;
    let (actor, subject) = (Actor::User(access.user().id()), Subject::Conversation(access.conversation()));
    audit::append(tx, now, Entry::of_patient(actor, Event::AttentionSettled, access.patient(), subject))
}
