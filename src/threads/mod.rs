//! FEATURE: the rows of conversations and of their participants, which inboxes are read from. The one hand that writes
//! them: `notifications` and `conversations` decide, and call a function here. It decides nothing itself.

mod assignment;
mod attention;
mod events;
mod mentions;
mod participants;
mod promises;
mod teams;
mod to_do;
mod types;

pub use assignment::{Assigned, Assignee, assigned, due_of, set_assigned};
pub use attention::{Reasons, ask_attention, ask_attention_for_file, clear_attention};
pub use events::{Happening, NewEvent, happened, happened_to_team};
pub use mentions::{count_newly_mentioned, mention, newly_mentioned};
pub use participants::{
    News, add_participant, begin_with, by_themselves, count_assigned, count_open, hand_over, is_news, is_news_to,
    is_opened, mark_done, mark_done_once, mark_not_done, mark_seen, mark_unread, participants_of, remove_participant,
};
pub use teams::{add_team, follow_team, of_team, remove_team, teams_of};
pub use types::{Attention, Author, OneTap};

use crate::db::schema::conversations;
use crate::db::sealed;
use crate::db::{ConversationId, PatientId, Ts, Tx, UserId};
use crate::values::Title;
use diesel::prelude::*;

/// A conversation to be written.
pub struct NewThread<'a> {
    /// with whom
    pub patient: PatientId,
    /// title
    pub title: &'a Title,
    /// "Allow patient to respond in this conversation"
    pub replies_allowed: bool,
    /// for the patient alone: no caregiver sees it or is told of it
    pub only_patient: bool,
    /// who starts it
    pub writer: UserId,
}

/// Writes a conversation, with the next number within its patient. The caller holds the lock on the patient's row.
pub fn insert(tx: &mut Tx, now: Ts, new: &NewThread) -> QueryResult<ConversationId> {
    let last: Option<i64> = conversations::table
        .filter(conversations::patient_id.eq(new.patient))
        .select(diesel::dsl::max(conversations::number))
        .first(tx.conn())?;
    let row = (
        (conversations::patient_id.eq(new.patient), conversations::number.eq(last.unwrap_or(0) + 1)),
        (
            conversations::title.eq(sealed::text(new.title.as_str())),
            conversations::replies_allowed.eq(new.replies_allowed),
        ),
        (conversations::started_by.eq(new.writer), conversations::created_at.eq(now)),
        (conversations::last_message_at.eq(now), conversations::last_author.eq(Author::User)),
        conversations::only_patient.eq(new.only_patient),
    );
    diesel::insert_into(conversations::table).values(row).returning(conversations::id).get_result(tx.conn())
}

/// Moves a conversation to the top of every inbox that it is in. It is news to all participants but `writer`.
///
/// After a message of the clinic, whether the patient was reached, has read and has answered is asked anew.
pub fn message_came(
    tx: &mut Tx,
    now: Ts,
    id: ConversationId,
    author: Author,
    writer: Option<UserId>,
) -> QueryResult<()> {
    diesel::update(conversations::table.find(id))
        .set((conversations::last_message_at.eq(now), conversations::last_author.eq(author)))
        .execute(tx.conn())?;
    if author == Author::Patient {
        to_do::patient_waits(tx, now, id)?;
    }
    if author == Author::User {
        word_kept(tx, now, id, writer)?;
        diesel::update(conversations::table.find(id))
            .set((
                conversations::waiting_since.eq(None::<Ts>),
                conversations::read_by_patient_at.eq(None::<Ts>),
                conversations::answer.eq(None::<OneTap>),
                (conversations::notice_email.eq(None::<String>), conversations::notice_text.eq(None::<String>)),
            ))
            .execute(tx.conn())?;
        attention::clear(tx, id, Reasons::All)?;
    }
    is_news(tx, id, writer)
}

/// The patient is given the word that they have an answer by then. One that they were given before stands: it is the earlier
/// one, or was broken. Says whether the word is new. Comes before [`message_came`], which copies it to the lists.
pub fn give_word(tx: &mut Tx, now: Ts, id: ConversationId, answer_by: Ts) -> QueryResult<bool> {
    let none = conversations::table.find(id).filter(conversations::answer_by.is_null());
    let is_new = diesel::update(none).set(conversations::answer_by.eq(answer_by)).execute(tx.conn())? > 0;
    if is_new {
        promises::given(tx, now, id, answer_by)?;
    }
    Ok(is_new)
}

/// The clinic answers: the word that the patient had, or none, is set aside. A second message finds nobody waiting, and leaves it.
fn word_kept(tx: &mut Tx, now: Ts, id: ConversationId, writer: Option<UserId>) -> QueryResult<()> {
    let waiting = conversations::table.find(id).filter(conversations::waiting_since.is_not_null());
    let waited = diesel::update(waiting)
        .set((conversations::answer_kept.eq(conversations::answer_by), conversations::answer_by.eq(None::<Ts>)))
        .execute(tx.conn())?;
    if waited > 0 { promises::settled(tx, now, id, writer) } else { Ok(()) }
}

/// The answer was taken back, and the patient waits again: the word that they had holds again.
fn word_holds_again(tx: &mut Tx, id: ConversationId) -> QueryResult<()> {
    let answered = conversations::table.find(id).filter(conversations::answer_kept.is_not_null());
    let stands = diesel::update(answered)
        .set((conversations::answer_by.eq(conversations::answer_kept), conversations::answer_kept.eq(None::<Ts>)))
        .execute(tx.conn())?;
    if stands > 0 { promises::holds_again(tx, id) } else { Ok(()) }
}

/// How a conversation stands without a message that was taken back.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// when the patient or the clinic wrote last
    pub last_message_at: Ts,
    /// which of them
    pub last_author: Author,
    /// since when the patient waits for an answer
    pub waiting_since: Option<Ts>,
    /// when the patient opened it after the clinic's last message
    pub read_by_patient_at: Option<Ts>,
    /// the newest answer with one tap since then
    pub answer: Option<OneTap>,
}

/// A message was taken back: the conversation stands as if it had not been written, and needs nobody's attention for it. It
/// is news to all participants but the one who took it back.
pub fn message_went(tx: &mut Tx, id: ConversationId, standing: Standing, by: UserId) -> QueryResult<()> {
    let held: Option<Ts> = conversations::table.find(id).select(conversations::waiting_since).first(tx.conn())?;
    // what the patient waits for may be only what they tapped after the answer
    if standing.waiting_since.is_some_and(|since| held.is_none_or(|held| since < held)) {
        word_holds_again(tx, id)?;
    }
    diesel::update(conversations::table.find(id))
        .set((
            conversations::last_message_at.eq(standing.last_message_at),
            conversations::last_author.eq(standing.last_author),
            conversations::waiting_since.eq(standing.waiting_since),
            conversations::read_by_patient_at.eq(standing.read_by_patient_at),
            conversations::answer.eq(standing.answer),
        ))
        .execute(tx.conn())?;
    attention::clear(tx, id, Reasons::AllButFile)?;
    is_news(tx, id, Some(by))
}

/// Nothing of a conversation is left for its patient: it is closed for good.
pub fn set_recalled(tx: &mut Tx, now: Ts, id: ConversationId, by: UserId) -> QueryResult<()> {
    let row = diesel::update(conversations::table.find(id));
    row.set(conversations::recalled_at.eq(now)).execute(tx.conn())?;
    attention::clear(tx, id, Reasons::All)?;
    let is_closed = conversations::table.find(id).select(conversations::closed_at.is_not_null());
    // an earlier closing stays as it was
    if is_closed.first::<bool>(tx.conn())? { to_do::changed(tx, id) } else { set_closed(tx, id, Some((now, by))) }
}

/// Turns replies on or off, as of now.
pub fn set_replies_allowed(tx: &mut Tx, now: Ts, id: ConversationId, allowed: bool) -> QueryResult<()> {
    diesel::update(conversations::table.find(id))
        .set((conversations::replies_allowed.eq(allowed), conversations::replies_since.eq(now)))
        .execute(tx.conn())
        .map(drop)
}

/// Closes a conversation, or opens it again (`None`).
pub fn set_closed(tx: &mut Tx, id: ConversationId, closed: Option<(Ts, UserId)>) -> QueryResult<()> {
    diesel::update(conversations::table.find(id))
        .set((
            conversations::closed_at.eq(closed.map(|(at, _)| at)),
            conversations::closed_by.eq(closed.map(|(_, by)| by)),
        ))
        .execute(tx.conn())?;
    if let Some((at, by)) = closed {
        promises::settled(tx, at, id, Some(by))?;
    } else if conversations::table.find(id).select(conversations::answer_by.is_not_null()).first::<bool>(tx.conn())? {
        promises::holds_again(tx, id)?;
    }
    to_do::changed(tx, id)
}

/// The newest answer that the patient gave with one tap.
pub fn set_answer(tx: &mut Tx, id: ConversationId, answer: OneTap) -> QueryResult<()> {
    let row = diesel::update(conversations::table.find(id));
    row.set(conversations::answer.eq(Some(answer))).execute(tx.conn()).map(drop)
}

/// The patient has opened the newest message; the first time stays.
pub fn mark_read_by_patient(tx: &mut Tx, now: Ts, id: ConversationId) -> QueryResult<()> {
    let unread = conversations::table.find(id).filter(conversations::read_by_patient_at.is_null());
    diesel::update(unread).set(conversations::read_by_patient_at.eq(now)).execute(tx.conn()).map(drop)
}

/// What the notifications of the newest message came to by each road: a state's word, `None` where it was not taken.
pub fn set_roads(tx: &mut Tx, id: ConversationId, email: Option<&str>, text: Option<&str>) -> QueryResult<()> {
    diesel::update(conversations::table.find(id))
        .set((conversations::notice_email.eq(email), conversations::notice_text.eq(text)))
        .execute(tx.conn())
        .map(drop)
}
