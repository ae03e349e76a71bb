//! The draft of a reply from the portal: kept on the server, one text for each conversation and each who writes there, so that the
//! session may end while they write. The browser stores nothing. What a caregiver writes the patient does not read, nor the other way
//! round.

use super::store;
use crate::access::{LapsedVisit, PortalVisit};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{caregiver_drafts, reply_drafts};
use crate::db::sealed::{self, CaregiverDraft, Held, ReplyDraft};
use crate::db::{Both, Conn, ConversationId, Ts, Tx};
use diesel::prelude::*;

/// The longest text that is kept, in characters: twice what may be sent, so that what is too long is not lost.
const LONGEST: usize = 40_000;

/// Somebody who may save a draft: the patient or a caregiver, also just after their session ended. Only they read it again.
pub trait Writer {
    /// Whose draft it is.
    fn visit(&self) -> &PortalVisit;
}

impl Writer for PortalVisit {
    fn visit(&self) -> &PortalVisit {
        self
    }
}

impl Writer for LapsedVisit {
    fn visit(&self) -> &PortalVisit {
        LapsedVisit::visit(self)
    }
}

/// Saves what is typed, in place of the text before; an empty text removes it. `false` where whoever writes sees no such
/// conversation. The first save leaves an audit row; later saves, as they type on, leave none.
pub fn keep_reply(tx: &mut Tx, now: Ts, writer: &impl Writer, number: i64, body: &str) -> QueryResult<bool> {
    let visit = writer.visit();
    let Some(conversation) = store::of_number(tx, visit, number)? else { return Ok(false) };
    // whose access has ended keeps nothing more
    if !visit.hold(tx)? {
        return Ok(false);
    }
    let body: String = body.chars().take(LONGEST).collect();
    if body.trim().is_empty() {
        drop_reply(tx, visit, conversation.id)?;
        return Ok(true);
    }
    if put(tx, now, visit, conversation.id, &body)? {
        let actor = Actor::at_portal(visit.patient(), visit.caregiver());
        let subject = Subject::Conversation(conversation.id);
        audit::append(tx, now, Entry::of_patient(actor, Event::DraftSaved, visit.patient(), subject))?;
    }
    Ok(true)
}

/// Stores the text. Says whether there was none before.
fn put(tx: &mut Tx, now: Ts, visit: &PortalVisit, conversation: ConversationId, body: &str) -> QueryResult<bool> {
    let Some(caregiver) = visit.caregiver() else {
        let changed = diesel::update(reply_drafts::table.find(conversation))
            .set((reply_drafts::body.eq(sealed::of(conversation, body)), reply_drafts::saved_at.eq(now)))
            .execute(tx.conn())?;
        if changed > 0 {
            return Ok(false);
        }
        let row = (
            reply_drafts::conversation_id.eq(conversation),
            reply_drafts::body.eq(sealed::of(conversation, body)),
            reply_drafts::saved_at.eq(now),
        );
        Both(diesel::insert_into(reply_drafts::table).values(row).on_conflict_do_nothing()).execute(tx.conn())?;
        return Ok(true);
    };
    let changed = diesel::update(caregiver_drafts::table.find((conversation, caregiver)))
        .set((caregiver_drafts::body.eq(sealed::of(conversation, body)), caregiver_drafts::saved_at.eq(now)))
        .execute(tx.conn())?;
    if changed > 0 {
        return Ok(false);
    }
    let row = (
        (caregiver_drafts::conversation_id.eq(conversation), caregiver_drafts::caregiver_id.eq(caregiver)),
        caregiver_drafts::body.eq(sealed::of(conversation, body)),
        caregiver_drafts::saved_at.eq(now),
    );
    Both(diesel::insert_into(caregiver_drafts::table).values(row).on_conflict_do_nothing()).execute(tx.conn())?;
    Ok(true)
}

/// Their own draft of a conversation, and when it was saved.
pub(super) fn kept(
    conn: &mut Conn,
    visit: &PortalVisit,
    conversation: ConversationId,
) -> QueryResult<Option<(String, Ts)>> {
    let Some(caregiver) = visit.caregiver() else {
        let row = reply_drafts::table.find(conversation).select((reply_drafts::body, reply_drafts::saved_at));
        let found: Option<(Held<ReplyDraft>, Ts)> = row.first(conn).optional()?;
        return found.map(|(body, at)| Ok((body.of(conversation)?, at))).transpose();
    };
    let row = caregiver_drafts::table.find((conversation, caregiver));
    let row = row.select((caregiver_drafts::body, caregiver_drafts::saved_at));
    let found: Option<(Held<CaregiverDraft>, Ts)> = row.first(conn).optional()?;
    found.map(|(body, at)| Ok((body.of(conversation)?, at))).transpose()
}

/// Removes their own draft: the text was sent or thrown away.
pub(super) fn drop_reply(tx: &mut Tx, visit: &PortalVisit, conversation: ConversationId) -> QueryResult<()> {
    match visit.caregiver() {
        None => diesel::delete(reply_drafts::table.find(conversation)).execute(tx.conn()),
        Some(caregiver) => diesel::delete(caregiver_drafts::table.find((conversation, caregiver))).execute(tx.conn()),
    }
    .map(drop)
}

/// Removes every draft of a conversation: there is nothing left in it to answer.
pub(super) fn drop_all(tx: &mut Tx, conversation: ConversationId) -> QueryResult<()> {
    diesel::delete(reply_drafts::table.find(conversation)).execute(tx.conn())?;
    let theirs = caregiver_drafts::table.filter(caregiver_drafts::conversation_id.eq(conversation));
    diesel::delete(theirs).execute(tx.conn()).map(drop)
}
