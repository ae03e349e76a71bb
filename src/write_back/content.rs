//! A message, as far as it goes into the record of an EMR.

use crate::attachments::{self, Attachment};
use crate::caregivers;
use crate::db::schema::{conversations as c, emr_writes as w, messages as m, patient_sources as p};
use crate::db::sealed::{Held, MessageHtml, Opened};
use crate::db::{CaregiverId, Conn, ConversationId, MessageId, PatientId, Ts, UserId};
use crate::patients::ArchiveReason;
use crate::settings;
use crate::storage::Blob;
use crate::text::CleanHtml;
use crate::threads::Author;
use crate::users;
use data_encoding::HEXLOWER;
use diesel::prelude::*;
use sha2::{Digest, Sha256};

/// Bound into [`uid`], so that it tells nothing of the key.
const PURPOSE: &[u8] = b"postern write-back 1";

/// A message and its surroundings.
pub(super) struct Content {
    /// the identifier of the message
    pub uid: String,
    /// that of its conversation
    pub conversation_uid: String,
    /// the conversation where another message of it has found it at the EMR; else empty
    pub known_part_of: String,
    pub conversation: ConversationId,
    pub closed_at: Option<Ts>,
    pub title: String,
    pub patient: PatientId,
    /// the patient's id at the EMR
    pub there: String,
    pub author: Author,
    /// who wrote it: the user or the caregiver; `None`: the patient, or the clinic itself
    pub by: Option<String>,
    pub clinic: String,
    pub sent_at: Ts,
    pub read_at: Option<Ts>,
    pub is_taken_back: bool,
    /// its conversation was taken back as a whole
    pub is_gone: bool,
    pub words: String,
    /// identifier and address of the message that it answers, where that goes to the EMR too
    pub answers: Option<(String, String)>,
    pub files: Vec<(Attachment, Blob)>,
}

impl Content {
    /// The identifier of one of its files.
    pub fn file_uid(&self, file: &Attachment) -> String {
        format!("{}-{}", self.uid, file.number)
    }
}

/// A name that nothing else has, here or at another clinic: numbers alone are given again after a restore.
pub(super) fn uid(key: &[u8], kind: &str, id: i64, made_at: Ts) -> String {
    let hash = Sha256::new().chain_update(PURPOSE).chain_update(key);
    let hash = hash.chain_update(format!("{kind} {id} {}", made_at.micros())).finalize();
    HEXLOWER.encode(hash.get(..16).unwrap_or_default())
}

type Row = (
    ConversationId,
    (Author, Option<UserId>, Option<CaregiverId>),
    Held<MessageHtml>,
    (Ts, Option<Ts>, Option<Ts>),
    Option<MessageId>,
);

/// Reads a message for an EMR; `None` where the EMR does not know the patient, and for what is no message to or of them.
pub(super) fn read(
    conn: &mut Conn,
    message: MessageId,
    source: &str,
    uid_of_it: String,
) -> QueryResult<Option<Content>> {
    let writers = (m::author, m::user_id, m::caregiver_id);
    let times = (m::created_at, m::read_by_patient_at, m::recalled_at);
    let columns = (m::conversation_id, writers, m::body_html, times, m::corrects_id);
    let found = m::table.find(message).filter(m::internal.eq(false)).select(columns);
    let found: Option<Row> = found.first(conn).optional()?;
    let Some((conversation, (author, user, caregiver), html, (sent_at, read_at, recalled_at), corrects)) = found else {
        return Ok(None);
    };
    let of_it =
        c::table.find(conversation).select((c::title, c::patient_id, c::created_at, (c::closed_at, c::recalled_at)));
    let (title, patient, made_at, (closed_at, gone_at)): (Opened, PatientId, Ts, (Option<Ts>, Option<Ts>)) =
        of_it.first(conn)?;
    let own = p::table.filter(p::patient_id.eq(patient)).filter(p::source.eq(source)).order(p::id);
    let mut records: Vec<(String, Option<String>)> = own.select((p::source_id, p::standing)).load(conn)?;
    // the first that is in use there, if any is
    let ended = [ArchiveReason::Replaced, ArchiveReason::Inactive].map(ArchiveReason::as_str);
    records.sort_by_key(|(_, standing)| standing.as_deref().is_some_and(|word| ended.contains(&word)));
    let Some((there, _)) = records.into_iter().next() else { return Ok(None) };
    let settings = settings::load(conn)?;
    let by = match (user, caregiver) {
        (Some(user), _) => users::names_of(conn, &[user])?.pop().map(|(_, name)| name),
        (None, Some(who)) => caregivers::named(conn, &[who])?.remove(&who).map(|(name, _)| name),
        (None, None) => None,
    };
    let lang = settings.lang();
    let struck = |words: &str| lang.t1("paper-struck", "words", words);
    let words = CleanHtml::stored(html.of(conversation)?).plain_lines(&struck);
    let siblings = w::table
        .inner_join(m::table.on(m::id.eq(w::message_id)))
        .filter(m::conversation_id.eq(conversation))
        .filter(w::source.eq(source))
        .filter(w::part_of.ne(""))
        .order(w::id);
    let known_part_of: Option<String> = siblings.select(w::part_of).first(conn).optional()?;
    let answered = match corrects {
        Some(original) => Some(original),
        None => last_of_others(conn, conversation, message, author)?,
    };
    let answers = match answered {
        Some(id) => {
            let of_it = w::table.filter(w::message_id.eq(id)).filter(w::source.eq(source));
            let of_it = of_it.filter(w::is_paper.eq(false));
            of_it.select((w::uid, w::resource)).first::<(String, String)>(conn).optional()?
        }
        None => None,
    };
    Ok(Some(Content {
        uid: uid_of_it,
        conversation_uid: uid(&settings::cookie_key(conn)?, "conversation", conversation.0, made_at),
        known_part_of: known_part_of.unwrap_or_default(),
        conversation,
        // one that was taken back as a whole is closed too, and is no document
        closed_at: closed_at.filter(|_| gone_at.is_none()),
        title: title.0,
        patient,
        there,
        author,
        by,
        clinic: settings.name,
        sent_at,
        read_at,
        is_taken_back: recalled_at.is_some(),
        is_gone: gone_at.is_some(),
        words,
        answers,
        files: attachments::contents(conn, &[message])?,
    }))
}

/// The last message of the other side before this one.
fn last_of_others(
    conn: &mut Conn,
    conversation: ConversationId,
    message: MessageId,
    author: Author,
) -> QueryResult<Option<MessageId>> {
    let of_it = m::table.filter(m::conversation_id.eq(conversation)).filter(m::id.lt(message));
    let of_it = of_it.filter(m::internal.eq(false)).filter(m::recalled_at.is_null()).order(m::id.desc());
    match author {
        Author::Patient => of_it.filter(m::author.ne(Author::Patient)).select(m::id).first(conn).optional(),
        Author::User | Author::System => {
            of_it.filter(m::author.eq(Author::Patient)).select(m::id).first(conn).optional()
        }
    }
}
