//! What is to do, and since when: kept with each conversation and in the rows of those who take part, so that every view of
//! the inbox is read along an index of its own, in the order of the page.

use crate::db::schema::conversations;
use crate::db::{ConversationId, Ts, Tx, UserId, copy_to_participants};
use diesel::prelude::*;

/// A conversation has changed: it is to do while it is open and the patient waits for an answer, or could not be reached.
/// Whoever changes it holds its row.
pub(super) fn changed(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    use conversations as c;
    type State = (Option<Ts>, Option<Ts>, Option<String>, Ts, Option<Ts>, (Option<Ts>, Option<Ts>));
    let row = c::table.find(id);
    let (closed_at, waiting_since, attention, last_message_at, was, (answer_by, was_due)): State = row
        .select((
            c::closed_at,
            c::waiting_since,
            c::attention,
            c::last_message_at,
            c::to_do_since,
            (c::answer_by, c::answer_due),
        ))
        .first(tx.conn())?;
    let since = match (closed_at, waiting_since, attention) {
        (Some(_), ..) => None,
        (None, Some(waiting_since), _) => Some(waiting_since),
        (None, None, Some(_)) => Some(last_message_at),
        (None, None, None) => None,
    };
    let due = waiting_since.filter(|_| closed_at.is_none()).map(|since| answer_by.unwrap_or(since));
    if (since, due) != (was, was_due) {
        let to_do_due = since.map(|since| due.unwrap_or(since));
        let values = (c::to_do_since.eq(since), c::answer_due.eq(due), c::to_do_due.eq(to_do_due));
        diesel::update(row).set(values).execute(tx.conn())?;
    }
    copy_to_participants(tx, id, None)
}

/// One participant's own marks have changed: nobody else's row is touched.
pub(super) fn marked(tx: &mut Tx, id: ConversationId, user: UserId) -> QueryResult<()> {
    copy_to_participants(tx, id, Some(user))
}

/// The same where a statement changed any row.
pub(super) fn changed_if(tx: &mut Tx, id: ConversationId, rows: usize) -> QueryResult<()> {
    if rows > 0 { changed(tx, id) } else { Ok(()) }
}

/// The patient waits for an answer from their first message after the clinic's last one on.
pub(super) fn patient_waits(tx: &mut Tx, now: Ts, id: ConversationId) -> QueryResult<()> {
    let row = conversations::table.find(id).filter(conversations::waiting_since.is_null());
    diesel::update(row).set(conversations::waiting_since.eq(now)).execute(tx.conn()).map(drop)
}
