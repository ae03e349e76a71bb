//! The statements that several verbs share. It never decides.

use super::answer::{OneTap, offers_text};
use super::types::{Author, Body};
use crate::db::schema::{conversations, messages, participants};
use crate::db::{Both, Conn, ConversationId, MessageId, MultiBackend, PatientId, Ts, Tx, UserId};
use crate::notifications::State;
use crate::notifications::attention::{self, Attention};
use crate::values::Title;
use diesel::prelude::*;

/// A conversation's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = conversations, check_for_backend(MultiBackend))]
pub struct Conversation {
    pub id: ConversationId,
    pub title: Title,
    pub replies_allowed: bool,
    pub replies_since: Option<Ts>,
    pub created_at: Ts,
    pub last_message_at: Ts,
    pub closed_at: Option<Ts>,
    pub closed_by: Option<UserId>,
    pub attention: Option<Attention>,
    pub notice_email: Option<State>,
    pub notice_text: Option<State>,
}

/// Reads a conversation and, on PostgreSQL, keeps others from changing it until the transaction ends: whether it is
/// open is asked and acted upon in one.
pub fn locked(tx: &mut Tx, id: ConversationId) -> QueryResult<Conversation> {
    crate::db::lock_row(tx, "conversations", id.0)?;
    one(tx, id)
}

pub fn one(conn: &mut Conn, id: ConversationId) -> QueryResult<Conversation> {
    conversations::table.find(id).select(Conversation::as_select()).first(conn)
}

pub fn of_number(conn: &mut Conn, patient: PatientId, number: i64) -> QueryResult<Option<Conversation>> {
    conversations::table
        .filter(conversations::patient_id.eq(patient))
        .filter(conversations::number.eq(number))
        .select(Conversation::as_select())
        .first(conn)
        .optional()
}

/// The conversation and message that were sent under this key before, if any.
pub fn sent_before(conn: &mut Conn, key: &str) -> QueryResult<Option<(ConversationId, MessageId)>> {
    let found = messages::table.filter(messages::send_key.eq(key));
    found.select((messages::conversation_id, messages::id)).first(conn).optional()
}

/// A message to be written.
pub struct NewMessage<'a> {
    pub conversation: ConversationId,
    pub author: Author,
    pub user: Option<UserId>,
    pub body: &'a Body,
    pub internal: bool,
    pub offers: &'a [OneTap],
    pub send_key: &'a str,
}

pub fn insert_message(tx: &mut Tx, now: Ts, new: &NewMessage) -> QueryResult<MessageId> {
    let row = (
        (messages::conversation_id.eq(new.conversation), messages::author.eq(new.author)),
        (messages::user_id.eq(new.user), messages::body_source.eq(&new.body.source)),
        (messages::body_format.eq(new.body.format), messages::body_html.eq(new.body.html.as_str())),
        (messages::internal.eq(new.internal), messages::send_key.eq(new.send_key)),
        (messages::created_at.eq(now), messages::read_by_patient_at.eq(None::<Ts>)),
        messages::offers.eq(offers_text(new.offers)),
    );
    diesel::insert_into(messages::table).values(row).returning(messages::id).get_result(tx.conn())
}

/// Moves a conversation to the top of every inbox it is in. It is news to all participants but `writer`.
pub fn bump(tx: &mut Tx, now: Ts, id: ConversationId, author: Author, writer: Option<UserId>) -> QueryResult<()> {
    diesel::update(conversations::table.find(id))
        .set((conversations::last_message_at.eq(now), conversations::last_author.eq(author)))
        .execute(tx.conn())?;
    if author == Author::User {
        // read by the patient is asked anew for each message of ours
        diesel::update(conversations::table.find(id))
            .set((
                conversations::read_by_patient_at.eq(None::<Ts>),
                conversations::answer.eq(None::<OneTap>),
                (conversations::notice_email.eq(None::<State>), conversations::notice_text.eq(None::<State>)),
            ))
            .execute(tx.conn())?;
        attention::settle(tx, id)?;
    }
    let all = participants::table.filter(participants::conversation_id.eq(id));
    diesel::update(all).set(participants::last_message_at.eq(now)).execute(tx.conn())?;
    let others = all.filter(participants::user_id.ne(writer.unwrap_or(UserId(0))));
    diesel::update(others)
        .set((participants::unread.eq(true), participants::done_at.eq(None::<Ts>)))
        .execute(tx.conn())
        .map(drop)
}

/// Adds a participant who is not there yet.
pub fn add_participant(
    tx: &mut Tx,
    conversation: ConversationId,
    user: UserId,
    unread: bool,
    last_message_at: Ts,
) -> QueryResult<usize> {
    let row = (
        (participants::conversation_id.eq(conversation), participants::user_id.eq(user)),
        (participants::unread.eq(unread), participants::done_at.eq(None::<Ts>)),
        participants::last_message_at.eq(last_message_at),
    );
    Both(diesel::insert_into(participants::table).values(row).on_conflict_do_nothing()).execute(tx.conn())
}

/// A note is news to the other participants, but moves nothing: the patient's side of the conversation is as it was.
pub fn note(tx: &mut Tx, id: ConversationId, writer: UserId) -> QueryResult<()> {
    let all = participants::table.filter(participants::conversation_id.eq(id));
    diesel::update(all.filter(participants::user_id.ne(writer)))
        .set((participants::unread.eq(true), participants::done_at.eq(None::<Ts>)))
        .execute(tx.conn())
        .map(drop)
}

/// The idempotency key as stored: who sent, the form's key, and what was sent. The content is part of it, because a
/// page that was gone back to carries its old key: other words sent from it are another message, not a retry.
pub fn send_key(who: &str, form_key: &str, conversation: i64, words: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{conversation}\0{words}").as_bytes());
    format!("{who}:{form_key}:{}", data_encoding::HEXLOWER.encode(&digest[..16]))
}
