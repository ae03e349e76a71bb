//! The database statements that several verbs share. Nothing here decides who may do what.

use super::answer::offers_text;
use super::types::Body;
use crate::access::PortalVisit;
use crate::db::schema::{conversations, messages};
use crate::db::sealed::{self, Opened};
use crate::db::{CaregiverId, Conn, ConversationId, MessageId, MultiBackend, PatientId, Ts, Tx, UserId};
use crate::notifications::State;
use crate::threads::{Attention, Author, OneTap};
use crate::values::Title;
use crate::write_back;
use diesel::prelude::*;
use time::Duration;

/// A conversation's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = conversations, check_for_backend(MultiBackend))]
pub struct Conversation {
    pub id: ConversationId,
    #[diesel(deserialize_as = Opened)]
    pub title: Title,
    pub replies_allowed: bool,
    pub replies_since: Option<Ts>,
    pub created_at: Ts,
    pub last_message_at: Ts,
    pub closed_at: Option<Ts>,
    pub closed_by: Option<UserId>,
    pub recalled_at: Option<Ts>,
    pub answer_by: Option<Ts>,
    pub attention: Option<Attention>,
    pub notice_email: Option<State>,
    pub notice_text: Option<State>,
    pub only_patient: bool,
}

/// Reads a conversation and, on PostgreSQL, locks it until the transaction ends: it stays open or closed while the
/// caller acts upon that.
pub fn locked(tx: &mut Tx, id: ConversationId) -> QueryResult<Conversation> {
    crate::db::lock_row(tx, "conversations", id.0)?;
    conversation(tx, id)
}

pub fn conversation(conn: &mut Conn, id: ConversationId) -> QueryResult<Conversation> {
    conversations::table.find(id).select(Conversation::as_select()).first(conn)
}

/// A conversation as its patient, or a caregiver, finds it: one that was taken back as a whole is not there, and for a caregiver
/// none that they may not see.
pub fn of_number(conn: &mut Conn, visit: &PortalVisit, number: i64) -> QueryResult<Option<Conversation>> {
    let found: Option<Conversation> = conversations::table
        .filter(conversations::patient_id.eq(visit.patient()))
        .filter(conversations::number.eq(number))
        .filter(conversations::recalled_at.is_null())
        .select(Conversation::as_select())
        .first(conn)
        .optional()?;
    Ok(found.filter(|one| visit.sees(one.only_patient, one.created_at)))
}

/// The newest message of a conversation: for users, or without notes and what was taken back.
pub fn newest(conn: &mut Conn, conversation: ConversationId, with_notes: bool) -> QueryResult<Option<MessageId>> {
    let seen_by_patients = messages::internal.eq(false).and(messages::recalled_at.is_null());
    let of_it =
        messages::table.filter(messages::conversation_id.eq(conversation)).select(diesel::dsl::max(messages::id));
    if with_notes { of_it.first(conn) } else { of_it.filter(seen_by_patients).first(conn) }
}

/// Whether others have written after message `shown`, the newest on the reader's page: nobody answers what they have
/// not read. For a user the others are the patient and the colleagues, with their notes; for the patient (`reader` is
/// `None`) the clinic. `shown` is `None` where the form comes from no page: then nothing counts as newer.
pub fn others_wrote(
    conn: &mut Conn,
    conversation: ConversationId,
    shown: Option<MessageId>,
    reader: Option<UserId>,
) -> QueryResult<bool> {
    let Some(shown) = shown else { return Ok(false) };
    let newer = messages::table.filter(messages::conversation_id.eq(conversation)).filter(messages::id.gt(shown));
    let first = newer.select(messages::id);
    let found: Option<MessageId> = match reader {
        Some(user) => {
            first.filter(messages::user_id.is_null().or(messages::user_id.ne(user))).first(conn).optional()?
        }
        None => first
            .filter(messages::author.ne(Author::Patient))
            .filter(messages::internal.eq(false))
            .filter(messages::recalled_at.is_null())
            .first(conn)
            .optional()?,
    };
    Ok(found.is_some())
}

/// The conversation and message that were sent under this key before, if any.
pub fn sent_before(conn: &mut Conn, key: &str) -> QueryResult<Option<(ConversationId, MessageId)>> {
    let found = messages::table.filter(messages::send_key.eq(key));
    found.select((messages::conversation_id, messages::id)).first(conn).optional()
}

/// What the keys begin with of all that a user sent or put off from one page; see [`send_key`].
pub fn of_page(user: UserId, form_key: &str) -> String {
    format!("u{user}:{form_key}:")
}

/// A browser goes back to a page at most so long after it has sent it.
const BACK_WITHIN: Duration = Duration::DAY;

/// Whether a user has sent a message, and not a note, from the page with this key a short time ago: in this conversation, or as the
/// first of a new one with this patient. No prefix of a key can be searched alike in both databases, so that the few messages are read
/// which it can be.
pub fn sent_from_page(
    conn: &mut Conn,
    now: Ts,
    user: UserId,
    form_key: &str,
    (patient, within): (PatientId, Option<ConversationId>),
) -> QueryResult<bool> {
    let since = now.plus(-BACK_WITHIN);
    let places: Vec<ConversationId> = match within {
        Some(conversation) => vec![conversation],
        None => conversations::table
            .filter(conversations::patient_id.eq(patient))
            .filter(conversations::created_at.ge(since))
            .select(conversations::id)
            .load(conn)?,
    };
    let of_page = of_page(user, form_key);
    for place in places {
        let sent = messages::table.filter(messages::conversation_id.eq(place)).filter(messages::user_id.eq(user));
        let sent = sent.filter(messages::internal.eq(false)).filter(messages::created_at.ge(since));
        let keys: Vec<String> = sent.select(messages::send_key).load(conn)?;
        if keys.iter().any(|key| key.starts_with(&of_page)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A message to be written.
pub struct NewMessage<'a> {
    pub conversation: ConversationId,
    pub author: Author,
    pub user: Option<UserId>,
    /// the caregiver who wrote it in the patient's place
    pub caregiver: Option<CaregiverId>,
    pub body: &'a Body,
    pub internal: bool,
    pub offers: &'a [OneTap],
    /// the message that this one corrects
    pub corrects: Option<MessageId>,
    pub send_key: &'a str,
}

pub fn insert_message(tx: &mut Tx, now: Ts, new: &NewMessage) -> QueryResult<MessageId> {
    let of = |text| sealed::of(new.conversation, text);
    let row = (
        (messages::conversation_id.eq(new.conversation), messages::author.eq(new.author)),
        (messages::user_id.eq(new.user), messages::body_format.eq(new.body.format)),
        (messages::body_source.eq(of(&new.body.source)), messages::body_html.eq(of(new.body.html.as_str()))),
        (messages::internal.eq(new.internal), messages::send_key.eq(new.send_key)),
        (messages::created_at.eq(now), messages::read_by_patient_at.eq(None::<Ts>)),
        (messages::offers.eq(offers_text(new.offers)), messages::corrects_id.eq(new.corrects)),
        messages::caregiver_id.eq(new.caregiver),
    );
    let id = diesel::insert_into(messages::table).values(row).returning(messages::id).get_result(tx.conn())?;
    if !new.internal {
        write_back::queue(tx, now, (id, new.conversation))?;
    }
    Ok(id)
}

/// The idempotency key as stored: who sent, the form's key, and a digest of what was sent. The content is part of it,
/// because a page that the browser went back to carries its old key: other words sent from it are another message, not
/// a retry. Where a key is configured, nobody without it can guess the words from the digest.
pub fn send_key(who: &str, form_key: &str, conversation: i64, words: &str) -> QueryResult<String> {
    let digest = sealed::digest(&format!("{conversation}\0{words}"))?;
    Ok(format!("{who}:{form_key}:{}", data_encoding::HEXLOWER.encode(&digest)))
}
