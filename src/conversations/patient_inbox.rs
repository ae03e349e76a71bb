//! Conversations as the patient sees them: only their own, never a note.

use super::inbox_rows::beginning;
use super::message_row::MessageRow;
use super::opening::open;
use super::patient_reply::cannot_reply;
use super::reply_draft::kept;
use super::store;
use super::thread::{newest, page};
use super::types::CannotReply;
use crate::access::PortalVisit;
use crate::attachments::Attachment;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::db::schema::{conversations, messages, participants, users};
use crate::db::sealed::{Held, MessageHtml, Opened};
use crate::db::{CaregiverId, Conn, ConversationId, MessageId, MultiBackend, TeamId, Ts, Tx, UserId};
use crate::patients;
use crate::settings;
use crate::teams;
use crate::text::{CleanHtml, Lang};
use crate::threads::{self, Author, OneTap};
use diesel::prelude::*;
use std::collections::HashMap;

/// A line of the patient's list.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = conversations, check_for_backend(MultiBackend))]
pub struct PatientRow {
    /// identity, for the mark that its line was seen; never shown
    pub id: ConversationId,
    /// the conversation's number within the patient
    pub number: i64,
    /// title
    #[diesel(deserialize_as = Opened)]
    pub title: String,
    /// when the newest message was written
    pub last_message_at: Ts,
    /// who wrote it
    pub last_author: Author,
    /// when the patient opened it after our last message
    pub read_by_patient_at: Option<Ts>,
    /// when it was closed; `None` while it is open
    pub closed_at: Option<Ts>,
}

impl PatientRow {
    /// Whether the newest message is the clinic's and the patient has not opened it.
    pub fn unread(&self) -> bool {
        self.last_author != Author::Patient && self.read_by_patient_at.is_none()
    }
}

/// What the list shows of a conversation's newest message.
#[derive(Debug, Clone)]
pub struct PatientExcerpt {
    /// its beginning, as text
    pub words: String,
    /// the name of the user, patient or caregiver who wrote it; `None` for whoever reads, and for the system
    pub by: Option<String>,
}

/// A conversation's number and identity, and the text of its newest message, with the user or caregiver who wrote it.
type Newest = (i64, ConversationId, Option<Held<MessageHtml>>, Option<UserId>, Option<CaregiverId>);

/// The newest message of each conversation of one page of the list, by the conversation's number, in one query and one for the
/// names. It finds each message at the end of its conversation by an index, however long the conversation is.
pub fn excerpts(
    conn: &mut Conn,
    visit: &PortalVisit,
    rows: &[PatientRow],
) -> QueryResult<HashMap<i64, PatientExcerpt>> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    let newest = || {
        messages::table
            .filter(messages::conversation_id.eq(conversations::id))
            .filter(messages::internal.eq(false))
            .filter(messages::recalled_at.is_null())
            .order(messages::id.desc())
    };
    let html = newest().select(messages::body_html).limit(1).single_value();
    let user = newest().select(messages::user_id).limit(1).single_value();
    let caregiver = newest().select(messages::caregiver_id).limit(1).single_value();
    let newest: Vec<Newest> = conversations::table
        .filter(conversations::patient_id.eq(visit.patient()))
        .filter(conversations::number.eq_any(numbers))
        .select((conversations::number, conversations::id, html, user, caregiver))
        .load(conn)?;
    let writers: Vec<UserId> = newest.iter().filter_map(|row| row.3).collect();
    let names: Vec<(UserId, String)> =
        users::table.filter(users::id.eq_any(writers)).select((users::id, users::name)).load(conn)?;
    let names: HashMap<UserId, String> = names.into_iter().collect();
    let caring: Vec<CaregiverId> = newest.iter().filter_map(|row| row.4).collect();
    let caring = caregivers::named(conn, &caring)?;
    let patient = match visit.caregiver() {
        Some(_) => Some(patients::patient_by_id(conn, visit.patient())?.name()),
        None => None,
    };
    let read = newest.into_iter().filter_map(|(number, conversation, html, user, caregiver)| {
        let by = match (user, caregiver) {
            (Some(user), _) => names.get(&user).cloned(),
            (None, caregiver) if caregiver == visit.caregiver() => None,
            (None, Some(other)) => caring.get(&other).map(|(name, _)| name.clone()),
            (None, None) => patient.clone(),
        };
        let html = html?.of(conversation);
        Some(html.map(|html| (number, PatientExcerpt { words: beginning(html, EXCERPT), by })))
    });
    read.collect()
}

/// The longest excerpt, in characters.
const EXCERPT: usize = 120;

/// The patient's conversations, newest first, at most `limit`; those after the one with this time and number.
pub fn patient_inbox(
    conn: &mut Conn,
    visit: &PortalVisit,
    before: Option<(Ts, i64)>,
    limit: i64,
) -> QueryResult<Vec<PatientRow>> {
    let mut query = conversations::table
        .filter(conversations::patient_id.eq(visit.patient()))
        .filter(conversations::recalled_at.is_null())
        .order((conversations::last_message_at.desc(), conversations::id.desc()))
        .limit(limit)
        .select(PatientRow::as_select())
        .into_boxed::<MultiBackend>();
    if let Some(carer) = visit.carer() {
        query = query.filter(conversations::only_patient.eq(false)).filter(conversations::created_at.ge(carer.since()));
    }
    if let Some((at, number)) = before {
        let same = conversations::last_message_at.eq(at).and(conversations::number.lt(number));
        query = query.filter(conversations::last_message_at.lt(at).or(same));
    }
    query.load(conn)
}

/// A conversation as its patient sees it.
#[derive(Debug, Clone)]
pub struct PatientThread {
    /// identity, for the read mark; never shown
    pub id: ConversationId,
    /// number within the patient
    pub number: i64,
    /// title
    pub title: String,
    /// the patient's name
    pub patient: String,
    /// messages, oldest first
    pub messages: Vec<MessageRow>,
    /// where the page of earlier messages ends, if there are any
    pub earlier: Option<MessageId>,
    /// the newest message of the conversation, also where a page of earlier ones is shown
    pub newest: Option<MessageId>,
    /// the caregiver who reads; `None`: the patient
    pub reader: Option<CaregiverId>,
    /// why the patient cannot write, if so
    pub cannot_reply: Option<CannotReply>,
    /// what the patient was writing, and when it was saved
    pub draft: Option<(String, Ts)>,
    /// names of the users who take part, where the clinic lets patients read them
    pub readers: Vec<String>,
    /// by when the patient was told that they have an answer; `None` where nothing was promised, or they have it
    pub answer_by: Option<Ts>,
    /// by when they would have one if they wrote now, where the page is to say so
    pub answer_if_now: Option<Ts>,
}

/// Reads one of the patient's conversations; `None` where they have none of that number.
pub fn patient_thread(
    conn: &mut Conn,
    visit: &PortalVisit,
    number: i64,
    before: Option<MessageId>,
) -> QueryResult<Option<PatientThread>> {
    let Some(conversation) = store::of_number(conn, visit, number)? else { return Ok(None) };
    let (messages, earlier) = page(conn, &conversation, before, false)?;
    let newest = newest(conn, &conversation, &messages, (before, false))?;
    let cannot_reply = cannot_reply(conn, visit, &conversation)?;
    let (id, title, draft) = (conversation.id, conversation.title.to_string(), kept(conn, visit, conversation.id)?);
    let readers = readers(conn, id)?;
    let patient = patients::patient_by_id(conn, visit.patient())?.name();
    let answer_by = conversation.answer_by.filter(|_| conversation.closed_at.is_none());
    let answer_if_now = None;
    Ok(Some(PatientThread {
        id,
        number,
        title,
        patient,
        messages,
        earlier,
        newest,
        reader: visit.caregiver(),
        cannot_reply,
        draft,
        readers,
        answer_by,
        answer_if_now,
    }))
}

/// Whether the clinic has taken back all that it wrote in the patient's conversation of this number.
pub fn was_recalled(conn: &mut Conn, visit: &PortalVisit, number: i64) -> QueryResult<bool> {
    let theirs = conversations::table
        .filter(conversations::patient_id.eq(visit.patient()))
        .filter(conversations::number.eq(number))
        .filter(conversations::recalled_at.is_not_null());
    let found = theirs.select((conversations::only_patient, conversations::created_at));
    let found: Option<(bool, Ts)> = found.first(conn).optional()?;
    Ok(found.is_some_and(|(only_patient, created_at)| visit.sees(only_patient, created_at)))
}

/// The names of at most 20 users who read what the patient writes, and of the teams through which others do; none where the clinic has
/// chosen not to tell.
fn readers(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<String>> {
    if !settings::load(conn)?.portal_names {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = participants::table
        .inner_join(users::table)
        .filter(participants::conversation_id.eq(conversation))
        .filter(participants::by_team.eq(false))
        .filter(users::active.eq(true))
        .order((users::name, users::id))
        .select(users::name)
        .limit(20)
        .load(conn)?;
    let there: Vec<TeamId> = threads::teams_of(conn, conversation)?.into_iter().map(|(team, _)| team).collect();
    names.extend(teams::names_of(conn, &there)?.into_iter().map(|(_, name)| name));
    Ok(names)
}

impl PatientThread {
    /// Who wrote a message that came from the portal, in words: "You", the patient, or a caregiver on behalf of them.
    pub fn writer(&self, message: &MessageRow, lang: &Lang) -> String {
        match message.caregiver.as_ref().map(|who| who.id) == self.reader {
            true => lang.t("you").to_owned(),
            false => message.writer(lang, &self.patient),
        }
    }

    /// An answer with one tap, in words: by whoever reads, or by whom else.
    pub fn answered(&self, message: &MessageRow, (answer, when): (OneTap, String), lang: &Lang) -> String {
        let (words, by) = (lang.t_of("one-tap", answer.as_str()), message.answered_by(&answer));
        if by.map(|who| who.id) == self.reader {
            return lang.t2("you-answered", "answer", words, "when", when);
        }
        let said = format!("{words}, {when}");
        let name = by.map_or(self.patient.as_str(), |who| who.name.as_str());
        lang.t2("said-by", "name", name, "said", said)
    }

    /// Stores that the patient has opened the conversation: read marks and audit row. `false`, and no trace, where the clinic
    /// has taken a message back since: then the page is read anew.
    pub fn mark_read(&self, tx: &mut Tx, now: Ts, visit: &PortalVisit) -> QueryResult<bool> {
        let shown: Vec<MessageId> =
            self.messages.iter().filter(|m| m.author != Author::Patient).map(|m| m.id).collect();
        if !open(tx, now, visit, self.id, &shown)? {
            return Ok(false);
        }
        let (patient, subject) = (visit.patient(), Subject::Conversation(self.id));
        let who = Actor::at_portal(patient, visit.caregiver());
        audit::append(tx, now, Entry::of_patient(who, Event::MessageRead, patient, subject))?;
        Ok(true)
    }
}

/// A message that a user is writing to a patient.
#[derive(Debug, Clone)]
pub struct Preview {
    /// the name of the patient
    pub patient: String,
    /// the name of the user
    pub by: String,
    /// title; may still be empty
    pub title: String,
    /// the message
    pub body: CleanHtml,
    /// "Allow patient to respond in this conversation"
    pub replies_allowed: bool,
    /// the files that would be attached
    pub files: Vec<Attachment>,
    /// the answers with one tap that it offers
    pub offers: Vec<OneTap>,
    /// by when an answer is promised to whoever writes now
    pub answer_by: Option<Ts>,
}

/// The conversation as its patient would see it if it were sent now.
pub fn preview(written: Preview, now: Ts) -> PatientThread {
    let message = MessageRow {
        id: MessageId(0),
        author: Author::User,
        user: None,
        user_name: Some(written.by),
        body: written.body,
        internal: false,
        created_at: now,
        read_by_patient_at: None,
        files: written.files,
        taken_back: Vec::new(),
        offers: written.offers,
        answers: Vec::new(),
        answered_for: Vec::new(),
        caregiver: None,
        reader: None,
        listed_at: None,
        recalled: None,
        corrects: None,
        corrected_by: None,
    };
    PatientThread {
        id: ConversationId(0),
        number: 0,
        title: written.title,
        patient: written.patient,
        messages: vec![message],
        earlier: None,
        newest: None,
        reader: None,
        cannot_reply: (!written.replies_allowed).then_some(CannotReply::RepliesOff(now)),
        draft: None,
        readers: Vec::new(),
        answer_by: None,
        answer_if_now: written.answer_by.filter(|_| written.replies_allowed),
    }
}
