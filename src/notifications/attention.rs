//! Conversations that need somebody's attention, because the patient could not be told, or has not read.

use crate::access::{ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::conversations;
use crate::db::{ConversationId, Ts, Tx};
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// Why a conversation needs attention.
    pub enum Attention {
        /// a notification did not arrive
        Failed = "failed",
        /// it came back
        Bounced = "bounced",
        /// the patient wants no more texts
        Stopped = "stopped",
        /// the patient has not opened the message within the time of its plan
        Unopened = "unopened",
    }
}

pub(super) fn ask(tx: &mut Tx, id: ConversationId, why: Attention) -> QueryResult<()> {
    let open = conversations::table
        .find(id)
        .filter(conversations::closed_at.is_null())
        .filter(conversations::read_by_patient_at.is_null());
    diesel::update(open).set(conversations::attention.eq(why)).execute(tx.conn()).map(drop)
}

/// Somebody has seen to it, or it is no longer needed: the patient has read, was written to anew, or it is closed.
///
/// # Errors
/// Those of the database.
pub fn settle(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    let asked = conversations::table.find(id).filter(conversations::attention.is_not_null());
    diesel::update(asked).set(conversations::attention.eq(None::<Attention>)).execute(tx.conn()).map(drop)
}

/// A user says that it is dealt with, by telephone for example.
///
/// # Errors
/// Those of the database.
pub fn dealt_with(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Notify>) -> QueryResult<()> {
    settle(tx, access.conversation())?;
    let (actor, subject) = (Actor::User(access.user().id()), Subject::Conversation(access.conversation()));
    audit::append(tx, now, Entry::of_patient(actor, Event::AttentionSettled, access.patient(), subject))
}
