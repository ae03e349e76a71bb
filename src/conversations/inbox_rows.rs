//! A line of the inbox.

use super::assignment::Assignment;
use super::types::Status;
use crate::access::{Right, SignedInUser};
use crate::caregivers;
use crate::db::schema::{conversations, messages};
use crate::db::sealed::{Held, MessageHtml, Opened};
use crate::db::{CaregiverId, Conn, ConversationId, MessageId, PatientId, Ts};
use crate::notifications::{RoadStates, State};
use crate::text::CleanHtml;
use crate::text_enum;
use crate::threads::{Attention, Author, OneTap};
use diesel::prelude::*;
use std::collections::HashMap;

text_enum! {
    /// Whose turn it is in a conversation, for the user who reads the inbox.
    pub enum Turn {
        /// nobody can write any more
        Closed = "closed",
        /// the reader has marked it done
        Done = "done",
        /// the patient wrote last
        WaitingForUs = "waiting_for_us",
        /// the patient could not be notified
        NotReached = "not_reached",
        /// the patient opened it after our last message
        Read = "read",
        /// the patient was notified, or will be, and has not opened it
        WaitingForPatient = "waiting_for_patient",
    }
}

/// A line of the inbox.
#[derive(Debug, Clone)]
pub struct InboxRow {
    /// identity
    pub id: ConversationId,
    /// the patient
    pub patient_id: PatientId,
    /// the patient's name
    pub patient_name: String,
    /// title
    pub title: String,
    /// when the newest message was written
    pub last_message_at: Ts,
    /// who wrote it
    pub last_author: Author,
    /// the state, in one word
    pub status: Status,
    /// how the patient was notified of the last message, by each channel
    pub told: RoadStates,
    /// it has something that the reader has not seen
    pub unread: bool,
    /// the reader takes part
    pub takes_part: bool,
    /// the reader has marked it done
    pub done: bool,
    /// since when the patient waits for an answer
    pub waiting_since: Option<Ts>,
    /// by when the patient was told that they have an answer
    pub answer_by: Option<Ts>,
    /// the patient could not be notified
    pub needs_attention: bool,
    /// users are asked to phone the patient
    pub to_phone: bool,
    /// users are asked to send the patient a letter
    pub to_post: bool,
    /// what the patient answered with one tap since the clinic's last message
    pub answer: Option<OneTap>,
    /// the patient has not opened the clinic's last message within the time of its plan
    pub not_opened: bool,
    /// it was taken back as a whole before the patient opened it
    pub recalled: bool,
    /// the reader was mentioned in a note since they last looked
    pub mentioned: bool,
    /// who sees to it, until when
    pub assigned: Option<Assignment>,
}

impl InboxRow {
    /// Whether the line shows the state of each channel: one failed, and the patient has neither read nor answered.
    pub fn shows_roads(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Notified | Status::Queued) && self.told.any_failed()
    }

    /// By when the patient was told that they have an answer, where the line is to say so: it waits for us.
    pub fn promised(&self) -> Option<Ts> {
        self.answer_by.filter(|_| self.turn() == Turn::WaitingForUs)
    }

    /// Whose turn it is.
    pub fn turn(&self) -> Turn {
        match self.status {
            Status::Closed => Turn::Closed,
            _ if self.done => Turn::Done,
            Status::Replied => Turn::WaitingForUs,
            Status::Failed => Turn::NotReached,
            Status::Read => Turn::Read,
            Status::Notified | Status::Queued => Turn::WaitingForPatient,
        }
    }
}

type Roads = (Option<State>, Option<State>);
type Line = (
    ConversationId,
    PatientId,
    Opened,
    Ts,
    Author,
    Option<Ts>,
    Roads,
    Option<Ts>,
    Option<Attention>,
    Option<OneTap>,
    Option<Ts>,
);
/// The reader's marks: whether it is unread, when they marked it done, since when it is in their list to do, and until when it
/// is assigned to them and to a team of theirs, by when it is due in their list, and when they were mentioned last.
type Marks = (Option<bool>, Option<Ts>, Option<Ts>, Option<Ts>, Option<Ts>, Option<Ts>, Option<Ts>);
/// Since when the patient waits, since when it is in the clinic's list to do, by when an answer was promised, by when it is due, and by
/// when it is due in the list to do.
type Since = (Option<Ts>, Option<Ts>, Option<Ts>, Option<Ts>, Option<Ts>);
pub(super) type Joined = (Line, (String, String), Marks, Since);

impl From<Joined> for InboxRow {
    fn from((line, (given, family), (unread, done_at, ..), (waiting_since, _, answer_by, ..)): Joined) -> InboxRow {
        let (
            id,
            patient_id,
            title,
            last_message_at,
            last_author,
            read_at,
            notice,
            closed_at,
            attention,
            answer,
            recalled,
        ) = line;
        let told = RoadStates { email: notice.0, text: notice.1 };
        InboxRow {
            id,
            patient_id,
            patient_name: format!("{given} {family}"),
            title: title.into(),
            last_message_at,
            last_author,
            status: Status::derive(closed_at.is_some(), last_author, read_at.is_some(), told.best()),
            told,
            unread: unread.unwrap_or(false),
            takes_part: unread.is_some(),
            done: done_at.is_some(),
            waiting_since,
            answer_by,
            needs_attention: attention
                .is_some_and(|why| !matches!(why, Attention::Unopened | Attention::Phone | Attention::Letter)),
            to_phone: attention == Some(Attention::Phone),
            to_post: attention == Some(Attention::Letter),
            answer,
            not_opened: attention == Some(Attention::Unopened),
            recalled: recalled.is_some(),
            // asked for the lines of a page together
            mentioned: false,
            assigned: None,
        }
    }
}

/// The newest message of a conversation in one line.
#[derive(Debug, Clone)]
pub struct Excerpt {
    /// who wrote it
    pub author: Author,
    /// the name of the caregiver who wrote it in the patient's place
    pub caregiver: Option<String>,
    /// it is an internal note
    pub internal: bool,
    /// it was taken back
    pub recalled: bool,
    /// its beginning
    pub text: String,
}

/// The longest excerpt, in characters: as many as a wide line shows.
const EXCERPT: usize = 140;

/// The beginning of the newest message of each of these conversations, which are those of one page. Each message is
/// found at the end of its conversation by an index, and opened where it is sealed.
pub fn newest_lines<R: Right>(
    conn: &mut Conn,
    _: &SignedInUser<R>,
    rows: &[InboxRow],
) -> QueryResult<HashMap<ConversationId, Excerpt>> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let conversations: Vec<ConversationId> = rows.iter().map(|row| row.id).collect();
    let newest = messages::table
        .filter(messages::conversation_id.eq(conversations::id))
        .order(messages::id.desc())
        .select(messages::id)
        .limit(1)
        .single_value();
    let ids: Vec<Option<MessageId>> =
        conversations::table.filter(conversations::id.eq_any(conversations)).select(newest).load(conn)?;
    let ids: Vec<MessageId> = ids.into_iter().flatten().collect();
    type Newest = (ConversationId, (Author, Option<CaregiverId>), bool, Option<Ts>, Held<MessageHtml>);
    let found: Vec<Newest> = messages::table
        .filter(messages::id.eq_any(ids))
        .select((
            messages::conversation_id,
            (messages::author, messages::caregiver_id),
            messages::internal,
            messages::recalled_at,
            messages::body_html,
        ))
        .load(conn)?;
    let caring: Vec<CaregiverId> = found.iter().filter_map(|row| row.1.1).collect();
    let names = caregivers::named(conn, &caring)?;
    let read = found.into_iter().map(|(conversation, (author, caregiver), internal, recalled, html)| {
        let text = beginning(html.of(conversation)?, EXCERPT);
        let caregiver = caregiver.and_then(|id| names.get(&id)).map(|(name, _)| name.clone());
        Ok((conversation, Excerpt { author, caregiver, internal, recalled: recalled.is_some(), text }))
    });
    read.collect()
}

/// The beginning of a message, at most `most` characters, as text in one line.
pub(super) fn beginning(html: String, most: usize) -> String {
    let line = CleanHtml::stored(html).plain();
    let mut short: String = line.chars().take(most).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}
