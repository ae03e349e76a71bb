//! What is said below a message of its place in the records of EMRs.

use super::{State, Why};
use crate::db::schema::emr_writes as w;
use crate::db::sealed::Opened;
use crate::db::{Conn, MessageId};
use diesel::prelude::*;

/// Where a message stands with one EMR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// the message
    pub message: MessageId,
    /// not the message, but the whole of its conversation as a document
    pub is_paper: bool,
    /// the EMR
    pub source: String,
    /// how far it is
    pub state: State,
    /// why it is not there yet
    pub why: Option<Why>,
    /// the same in the EMR's own words; empty where it says none
    pub words: String,
}

impl Line {
    /// Whether it waits for something that may be over by now.
    pub fn is_stuck(&self) -> bool {
        is_stuck(self.state, self.why)
    }
}

pub(super) fn is_stuck(state: State, why: Option<Why>) -> bool {
    match state {
        State::Refused => true,
        State::Queued | State::Begun | State::TakenBack => why.is_some(),
        State::Written | State::Marked => false,
    }
}

/// A message or a closed conversation's document, the EMR, and how it stands there.
type Row = ((MessageId, bool), String, State, Option<Why>, Opened);

/// Where these messages stand, by the names of the EMRs. The caller makes sure that the reader may see the messages.
pub fn lines(conn: &mut Conn, of: &[MessageId]) -> QueryResult<Vec<Line>> {
    let rows: Vec<Row> = w::table
        .filter(w::message_id.eq_any(of.to_vec()))
        .select(((w::message_id, w::is_paper), w::source, w::state, w::reason, w::words))
        .load(conn)?;
    let mut lines: Vec<Line> = rows
        .into_iter()
        .map(|((message, is_paper), source, state, why, Opened(words))| Line {
            message,
            is_paper,
            source,
            state,
            why,
            words,
        })
        .collect();
    lines.sort_by(|one, other| {
        (one.message, one.is_paper, &one.source).cmp(&(other.message, other.is_paper, &other.source))
    });
    Ok(lines)
}
