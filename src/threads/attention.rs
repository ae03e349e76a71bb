//! Whether a conversation needs somebody's attention, and why.

use super::to_do;
use super::types::Attention;
use crate::db::schema::conversations;
use crate::db::{ConversationId, Tx};
use diesel::prelude::*;

/// Which reasons are cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reasons {
    /// only that the patient could not be told: a road has delivered after all
    Unreached,
    /// all but a file that was taken away: the patient has read, but found no file
    AllButFile,
    /// all but a file that was taken away, and a call or a letter that users are asked for: the patient was notified again
    AllButWork,
    /// every reason: somebody has seen to it, or it is no longer needed
    All,
}

/// What users are asked to do: no other reason takes its place.
const WORK: [Attention; 3] = [Attention::Infected, Attention::Phone, Attention::Letter];

/// An attachment was taken away. Unlike the other reasons, this one stays when the patient reads: they found no file.
pub fn ask_attention_for_file(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    let asked = diesel::update(conversations::table.find(id));
    let rows = asked.set(conversations::attention.eq(Attention::Infected)).execute(tx.conn())?;
    to_do::changed_if(tx, id, rows)
}

/// Asks for attention, where the conversation is open and the patient has not read its newest message. What users are asked to
/// do about it stays, whatever else comes to be known.
pub fn ask_attention(tx: &mut Tx, id: ConversationId, why: Attention) -> QueryResult<()> {
    let open = conversations::table
        .find(id)
        .filter(conversations::closed_at.is_null())
        .filter(conversations::read_by_patient_at.is_null())
        .filter(conversations::attention.is_null().or(conversations::attention.ne_all(WORK)));
    let rows = diesel::update(open).set(conversations::attention.eq(why)).execute(tx.conn())?;
    to_do::changed_if(tx, id, rows)
}

/// Nobody's attention is needed any more for these reasons.
pub fn clear_attention(tx: &mut Tx, id: ConversationId, which: Reasons) -> QueryResult<()> {
    let rows = clear(tx, id, which)?;
    to_do::changed_if(tx, id, rows)
}

/// The same, before more is changed: says whether there was a reason.
pub(super) fn clear(tx: &mut Tx, id: ConversationId, which: Reasons) -> QueryResult<usize> {
    let row = conversations::table.find(id);
    let none = conversations::attention.eq(None::<Attention>);
    let untold = [Attention::Failed, Attention::Bounced, Attention::Stopped];
    match which {
        Reasons::Unreached => {
            diesel::update(row.filter(conversations::attention.eq_any(untold))).set(none).execute(tx.conn())
        }
        Reasons::AllButFile => {
            diesel::update(row.filter(conversations::attention.ne(Attention::Infected))).set(none).execute(tx.conn())
        }
        Reasons::AllButWork => {
            diesel::update(row.filter(conversations::attention.ne_all(WORK))).set(none).execute(tx.conn())
        }
        Reasons::All => diesel::update(row.filter(conversations::attention.is_not_null())).set(none).execute(tx.conn()),
    }
}
