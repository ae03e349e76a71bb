//! Somebody has seen to a conversation that needed attention.

use crate::access::{ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::{Ts, Tx};
use crate::threads::{self, Reasons};
use diesel::QueryResult;

/// A user says that it is dealt with, by telephone for example.
pub fn dealt_with(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Notify>) -> QueryResult<()> {
    threads::clear_attention(tx, access.conversation(), Reasons::All)?;
    let (actor, subject) = (Actor::User(access.user().id()), Subject::Conversation(access.conversation()));
    audit::append(tx, now, Entry::of_patient(actor, Event::AttentionSettled, access.patient(), subject))
}
