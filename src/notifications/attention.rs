//! Conversations that need somebody's attention, because the patient could not be told, has not read, or was sent a file
//! that is no more.

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
        /// a virus was found in an attachment, after it was sent
        Infected = "infected",
    }
}

/// An attachment was taken away. Unlike the others, this stays when the patient reads: they found no file.
pub fn ask_for_file(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    let asked = diesel::update(conversations::table.find(id));
    asked.set(conversations::attention.eq(Attention::Infected)).execute(tx.conn()).map(drop)
}

pub(super) fn ask(tx: &mut Tx, id: ConversationId, why: Attention) -> QueryResult<()> {
    let open = conversations::table
        .find(id)
        .filter(conversations::closed_at.is_null())
        .filter(conversations::read_by_patient_at.is_null())
        .filter(conversations::attention.is_null().or(conversations::attention.ne(Attention::Infected)));
    diesel::update(open).set(conversations::attention.eq(why)).execute(tx.conn()).map(drop)
}

/// The patient was told after all, by one road or the other.
pub(super) fn arrived(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    let untold = [Attention::Failed, Attention::Bounced, Attention::Stopped];
    let asked = conversations::table.find(id).filter(conversations::attention.eq_any(untold));
    diesel::update(asked).set(conversations::attention.eq(None::<Attention>)).execute(tx.conn()).map(drop)
}

/// The patient has read, or is told again: that they could not be told needs nobody's attention any more.
pub fn settle_told(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    let asked = conversations::table.find(id).filter(conversations::attention.ne(Attention::Infected));
    diesel::update(asked).set(conversations::attention.eq(None::<Attention>)).execute(tx.conn()).map(drop)
}

/// Somebody has seen to it, or it is no longer needed: the patient was written to anew, or it is closed.
pub fn settle(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    let asked = conversations::table.find(id).filter(conversations::attention.is_not_null());
    diesel::update(asked).set(conversations::attention.eq(None::<Attention>)).execute(tx.conn()).map(drop)
}

/// A user says that it is dealt with, by telephone for example.
pub fn dealt_with(tx: &mut Tx, now: Ts, access: &ConversationAccess<rights::Notify>) -> QueryResult<()> {
    settle(tx, access.conversation())?;
    let (actor, subject) = (Actor::User(access.user().id()), Subject::Conversation(access.conversation()));
    audit::append(tx, now, Entry::of_patient(actor, Event::AttentionSettled, access.patient(), subject))
}
