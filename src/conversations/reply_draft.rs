//! The draft of a patient's reply: kept on the server, one text for each conversation, so that the session may end
//! while they write. The browser stores nothing.

use super::store;
use crate::access::{LapsedVisit, PortalVisit};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::reply_drafts;
use crate::db::sealed::{self, Held, ReplyDraft};
use crate::db::{Both, Conn, ConversationId, PatientId, Ts, Tx};
use diesel::prelude::*;

/// The longest text that is kept, in characters: twice what may be sent, so that what is too long is not lost.
const LONGEST: usize = 40_000;

/// Somebody who may save a draft: the patient, also just after their session ended. Only the patient reads it again.
pub trait Writer {
    /// The patient whose draft it is.
    fn patient(&self) -> PatientId;
}

impl Writer for PortalVisit {
    fn patient(&self) -> PatientId {
        PortalVisit::patient(self)
    }
}

impl Writer for LapsedVisit {
    fn patient(&self) -> PatientId {
        LapsedVisit::patient(self)
    }
}

/// Saves what is typed, in place of the text before; an empty text removes it. `false` where this patient has no such
/// conversation. The first save leaves an audit row; later saves, as the patient types on, leave none.
pub fn keep_reply(tx: &mut Tx, now: Ts, writer: &impl Writer, number: i64, body: &str) -> QueryResult<bool> {
    let patient = writer.patient();
    let Some(conversation) = store::of_number(tx, patient, number)? else { return Ok(false) };
    let body: String = body.chars().take(LONGEST).collect();
    if body.trim().is_empty() {
        drop_reply(tx, conversation.id)?;
        return Ok(true);
    }
    let changed = diesel::update(reply_drafts::table.find(conversation.id))
        .set((reply_drafts::body.eq(sealed::of(conversation.id, &body)), reply_drafts::saved_at.eq(now)))
        .execute(tx.conn())?;
    if changed == 0 {
        let row = (
            reply_drafts::conversation_id.eq(conversation.id),
            reply_drafts::body.eq(sealed::of(conversation.id, &body)),
            reply_drafts::saved_at.eq(now),
        );
        Both(diesel::insert_into(reply_drafts::table).values(row).on_conflict_do_nothing()).execute(tx.conn())?;
        let (actor, subject) = (Actor::Patient(patient), Subject::Conversation(conversation.id));
        audit::append(tx, now, Entry::of_patient(actor, Event::DraftSaved, patient, subject))?;
    }
    Ok(true)
}

/// The draft of a conversation, and when it was saved.
pub(super) fn kept(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Option<(String, Ts)>> {
    let row = reply_drafts::table.find(conversation).select((reply_drafts::body, reply_drafts::saved_at));
    let found: Option<(Held<ReplyDraft>, Ts)> = row.first(conn).optional()?;
    found.map(|(body, at)| Ok((body.of(conversation)?, at))).transpose()
}

/// Removes the draft: the text was sent or thrown away.
pub(super) fn drop_reply(tx: &mut Tx, conversation: ConversationId) -> QueryResult<()> {
    diesel::delete(reply_drafts::table.find(conversation)).execute(tx.conn()).map(drop)
}
