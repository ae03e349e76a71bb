//! What is to be done for a row, as the world is now.

use super::content::{self, Content};
use super::{State, Why};
use crate::db::schema::emr_writes as w;
use crate::db::{ConversationId, EmrWriteId, MessageId, PatientId, Ts, Tx, lock_row};
use crate::emr_sources::source_state;
use diesel::prelude::*;

/// A row, and whose it is.
#[derive(Debug, Clone)]
pub struct About {
    /// identity
    pub id: EmrWriteId,
    /// the message
    pub message: MessageId,
    /// its patient
    pub patient: PatientId,
    /// the EMR
    pub source: String,
    /// not the message, but the whole of its conversation as a document
    pub is_paper: bool,
}

/// What the EMR has of a message, as far as it said: `Type/id` each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Has {
    /// the conversation; empty where that is not known
    pub part_of: String,
    /// its files, in their order: also those of which it named no id, or that stay here
    pub documents: Vec<String>,
    /// the message; empty where that is not known
    pub resource: String,
}

/// What the EMR is to be asked.
pub struct ToWrite {
    /// the row
    pub about: About,
    /// it was taken back: what is there is to be marked as an error
    pub is_taken_back: bool,
    /// the conversation
    pub conversation: ConversationId,
    pub(super) has: Has,
    pub(super) content: Content,
}

type Row = ((MessageId, bool), String, String, State, (String, String, String));

/// Reads what is to be asked, and notes that it will be. `None`: nothing is, and the job is done. `configured` are the names of
/// the EMRs that can be asked.
pub fn begin(tx: &mut Tx, now: Ts, id: EmrWriteId, configured: &[String]) -> QueryResult<Option<ToWrite>> {
    // before the job, as whoever takes a message back
    lock_row(tx, "emr_writes", id.0)?;
    let columns = ((w::message_id, w::is_paper), w::source, w::uid, w::state, (w::part_of, w::documents, w::resource));
    let found: Option<Row> = w::table.find(id).select(columns).first(tx.conn()).optional()?;
    let Some(((message, is_paper), source, uid, state, (part_of, documents, resource))) = found else {
        return Ok(None);
    };
    let is_taken_back = match state {
        State::Queued | State::Begun => false,
        State::TakenBack => true,
        State::Written | State::Refused | State::Marked => return Ok(None),
    };
    // an error there is told also after nothing more is written
    let is_on = is_taken_back || source_state(tx, &source)?.switches.write_back;
    if !is_on || !configured.contains(&source) {
        return stop(tx, now, id, (state, Why::Off)).map(|()| None);
    }
    let Some(content) = content::read(tx, message, &source, uid)? else {
        return stop(tx, now, id, (state, Why::Unknown)).map(|()| None);
    };
    if !is_paper && content.is_taken_back != is_taken_back {
        return Ok(None);
    }
    // a conversation that is open again, or of which nothing is left, is no document
    if is_paper && !is_taken_back && content.closed_at.is_none() {
        diesel::delete(w::table.find(id)).execute(tx.conn())?;
        return Ok(None);
    }
    if state == State::Queued {
        let begun = (w::state.eq(State::Begun), w::state_at.eq(now));
        diesel::update(w::table.find(id)).set(begun).execute(tx.conn())?;
    }
    let has = Has {
        part_of: if part_of.is_empty() { content.known_part_of.clone() } else { part_of },
        documents: documents.split_whitespace().map(str::to_owned).collect(),
        resource,
    };
    let about = About { id, message, patient: content.patient, source, is_paper };
    Ok(Some(ToWrite { about, is_taken_back, conversation: content.conversation, has, content }))
}

/// Leaves it until a user tries again.
fn stop(tx: &mut Tx, now: Ts, id: EmrWriteId, (state, why): (State, Why)) -> QueryResult<()> {
    let state = if state == State::TakenBack { state } else { State::Refused };
    let set = (w::state.eq(state), w::reason.eq(Some(why)), w::state_at.eq(now));
    diesel::update(w::table.find(id)).set(set).execute(tx.conn()).map(drop)
}
