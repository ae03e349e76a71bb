//! Finds conversations by words, newest first: each by its newest message that has all of them.

use super::candidates::Candidates;
use super::{Part, words};
use crate::access::{Right, SignedInUser};
use crate::db::schema::{attachments, conversations, messages, patients};
use crate::db::sealed::{Held, MessageHtml, Opened};
use crate::db::{self, Conn, ConversationId, MessageId, Narrowing, PatientId, Ts};
use crate::text::{self, CleanHtml, Piece, Sought};
use crate::threads::Author;
use diesel::prelude::*;
use std::collections::HashSet;

/// The most words of one search.
const MOST: usize = 16;
/// Characters of a message that a line shows.
const EXCERPT: usize = 200;
/// Characters of a title or of the name of a file: all of them.
const WHOLE: usize = 1_000;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// what was typed: all of its words have to be there, the last one at least as a beginning
    pub text: String,
    /// in this part alone
    pub part: Option<Part>,
    /// in conversations that are open, or that are closed
    pub is_open: Option<bool>,
    /// in this patient's conversations
    pub patient: Option<PatientId>,
    /// written at this moment or later
    pub from: Option<Ts>,
    /// written before
    pub until: Option<Ts>,
}

/// A conversation that was found, by its newest message with the words.
#[derive(Debug, Clone)]
pub struct Hit {
    /// the message
    pub message: MessageId,
    /// when it was written
    pub at: Ts,
    /// by whom
    pub author: Author,
    /// it is a note that the patient never sees
    pub internal: bool,
    /// the conversation
    pub conversation: ConversationId,
    /// its patient
    pub patient: PatientId,
    /// the patient's name
    pub patient_name: String,
    /// nobody can write in it any more
    pub is_closed: bool,
    /// its title, marked
    pub title: Vec<Piece>,
    /// the message around the first of the words, marked
    pub text: Vec<Piece>,
    /// the names of its files that have one of the words, marked
    pub files: Vec<Vec<Piece>>,
    /// where the words stand
    pub parts: Vec<Part>,
}

/// A page of what was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// the conversations, the newest message first
    pub hits: Vec<Hit>,
    /// before which message the next page begins
    pub next: Option<MessageId>,
    /// the page ends there because it has looked at enough messages, not because it is full
    pub is_tired: bool,
    /// the last word begins more words than are looked for
    pub is_cut: bool,
    /// more words were typed than are looked for
    pub is_long: bool,
}

/// Finds at most `limit` conversations, by messages before `before`. Every user may open every conversation, so the proof of
/// being one is enough; what was taken back, and records that were deleted, are not found.
pub fn find<R: Right>(
    conn: &mut Conn,
    _reader: &SignedInUser<R>,
    search: &Search,
    before: Option<MessageId>,
    limit: usize,
) -> QueryResult<Found> {
    let mut sought = text::sought(&search.text);
    let (mut groups, mut found) = (Vec::new(), Found { is_long: sought.len() > MOST, ..Found::default() });
    sought.truncate(MOST);
    for one in &sought {
        let (ids, is_cut) = words::of(conn, one)?;
        found.is_cut |= is_cut;
        groups.push(ids);
    }
    if groups.is_empty() || groups.iter().any(Vec::is_empty) {
        return Ok(found);
    }
    let mut candidates = Candidates::of(conn, search, &groups, before)?;
    let narrowing = Narrowing {
        groups,
        parts: search.part.map_or(0, Part::bit),
        is_open: search.is_open,
        patient: search.patient,
        from: search.from.unwrap_or(Ts::FIRST),
        until: search.until.unwrap_or(Ts::LAST),
    };
    let (mut ids, mut seen): (Vec<MessageId>, HashSet<ConversationId>) = Default::default();
    while ids.len() <= limit {
        let some = candidates.next(conn)?;
        if some.is_empty() {
            break;
        }
        let hits = db::hits(conn, &narrowing, &some, before)?.into_iter();
        ids.extend(hits.filter(|(_, conversation)| seen.insert(*conversation)).map(|(id, _)| id));
    }
    let is_full = ids.len() > limit;
    ids.truncate(limit);
    found.next = if is_full { ids.last().copied() } else { candidates.ended_at() };
    found.is_tired = !is_full && found.next.is_some();
    found.hits = shown(conn, &ids, &sought)?;
    Ok(found)
}

type Row = (
    (MessageId, ConversationId, Ts, Author, bool),
    Held<MessageHtml>,
    (Opened, Option<Ts>),
    (PatientId, String, String),
);

/// Reads what the page shows of these messages, in their order.
fn shown(conn: &mut Conn, ids: &[MessageId], sought: &[Sought]) -> QueryResult<Vec<Hit>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = messages::table
        .inner_join(conversations::table.inner_join(patients::table))
        .filter(messages::id.eq_any(ids.to_vec()))
        .select((
            (messages::id, messages::conversation_id, messages::created_at, messages::author, messages::internal),
            messages::body_html,
            (conversations::title, conversations::closed_at),
            (patients::id, patients::given_name, patients::family_name),
        ))
        .load(conn)?;
    let files: Vec<(MessageId, Opened)> = attachments::table
        .filter(attachments::message_id.eq_any(ids.to_vec()))
        .order((attachments::message_id, attachments::number))
        .select((attachments::message_id, attachments::file_name))
        .load(conn)?;
    let mut hits = Vec::with_capacity(rows.len());
    for ((message, conversation, at, author, internal), html, (Opened(title), closed), (patient, given, family)) in rows
    {
        let body = text::one_line(&CleanHtml::stored(html.of(conversation)?).plain());
        let names = files.iter().filter(|(of, _)| *of == message).map(|(_, Opened(name))| name);
        let names: Vec<&String> = names.filter(|name| text::holds(name, sought)).collect();
        let of_message = if internal { Part::Note } else { Part::Message };
        let places = [
            (Part::Title, text::holds(&title, sought)),
            (of_message, text::holds(&body, sought)),
            (Part::File, !names.is_empty()),
        ];
        hits.push(Hit {
            message,
            at,
            author,
            internal,
            conversation,
            patient,
            patient_name: format!("{given} {family}"),
            is_closed: closed.is_some(),
            title: text::excerpt(&title, sought, WHOLE),
            text: text::excerpt(&body, sought, EXCERPT),
            files: names.into_iter().map(|name| text::excerpt(name, sought, WHOLE)).collect(),
            parts: places.into_iter().filter(|(_, is_there)| *is_there).map(|(part, _)| part).collect(),
        });
    }
    hits.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.message));
    Ok(hits)
}
