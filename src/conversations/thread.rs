//! One conversation as the clinic sees it.

use super::answer::{self, Given};
use super::assignment::{self, Assignment};
use super::events::{self, ThreadEvent};
use super::message_row::{MessageRow, Named};
use super::store::{self, Conversation};
use crate::access::{ConversationAccess, Right};
use crate::attachments;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::db::schema::{messages, participants, users};
use crate::db::sealed::{Held, MessageHtml};
use crate::db::{self, CaregiverId, Conn, ConversationId, MessageId, MultiBackend, TeamId, Ts, Tx, UserId};
use crate::notifications::history::{self, Step};
use crate::notifications::{self, Call, NotificationRow, PlanKind, PlanStep, PrintedLetter, RoadStates};
use crate::teams;
use crate::text::{CleanHtml, Lang};
use crate::threads::{self, Attention, Author, News};
use diesel::prelude::*;
use std::collections::HashMap;

/// A conversation with its messages, oldest first.
#[derive(Debug, Clone)]
pub struct Thread {
    /// its title, as text
    pub title: String,
    /// whether the patient may answer
    pub replies_allowed: bool,
    /// when it was closed, and by whom; `None`: it is open
    pub closed: Option<(Ts, String)>,
    /// when nothing of it was left for the patient
    pub recalled_at: Option<Ts>,
    /// messages, oldest first
    pub messages: Vec<MessageRow>,
    /// where the page of earlier messages ends, if there are any
    pub earlier: Option<MessageId>,
    /// the first message of the page of later ones, if there is one
    pub later: Option<MessageId>,
    /// the newest message that the reader of this page knows of: of the conversation, unless it was opened further up
    pub newest: Option<MessageId>,
    /// the steps that are or were planned for messages that are not opened
    pub plan: Vec<PlanStep>,
    /// what became of the calls that a plan asked for
    pub calls: Vec<Call>,
    /// the letters that it asked for, as they were printed
    pub letters: Vec<PrintedLetter>,
    /// the state of the notification of the last message, by each channel
    pub told: RoadStates,
    /// all notifications
    pub notifications: Vec<NotificationRow>,
    /// the delivery steps of these notifications
    pub steps: Vec<Step>,
    /// what a user must see to in the last notification, if anything
    pub attention: Option<Attention>,
    /// how many of all its messages were taken back
    pub recalled: i64,
    /// by when the patient was told that they have an answer
    pub answer_by: Option<Ts>,
    /// when it began: who became a caregiver later neither sees it nor is told of it
    pub began: Ts,
    /// no caregiver sees it or is told of it
    pub only_patient: bool,
    /// the names of the caregivers to whom its notifications went
    pub caregivers: HashMap<CaregiverId, Named>,
    /// users who take part: id, name, and whether they are done
    pub participants: Vec<(UserId, String, bool)>,
    /// those of them who take part through a team alone
    pub by_team: Vec<UserId>,
    /// the teams that take part, by name
    pub teams: Vec<(TeamId, String)>,
    /// which of them sees to it, until when
    pub assignment: Option<Assignment>,
    /// what happened beside the messages of this page, oldest first
    pub events: Vec<ThreadEvent>,
}

impl Thread {
    /// The same without what is the clinic's own: internal notes, those on telephone calls, what messages said that were taken back,
    /// and the title where nothing was left for the patient. That there was something stays.
    pub fn without_notes(mut self, lang: Lang) -> Thread {
        self.messages.retain(|message| !message.internal);
        self.messages.iter_mut().filter(|message| message.is_left_out(false)).for_each(MessageRow::leave_out);
        self.calls.iter_mut().for_each(|call| call.note.clear());
        if self.recalled_at.is_some() {
            self.title = lang.t("recalled-tag").to_owned();
        }
        self
    }
}

/// How many messages one page shows.
const PAGE: i64 = 100;

/// A page that is opened at a message begins so much before it that the next page begins so many after it.
const FROM_IT_ON: i64 = 90;

/// Which page of a conversation is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadPage {
    /// its newest messages
    Newest,
    /// those before this message
    Before(MessageId),
    /// those around this message
    With(MessageId),
}

type Joined = (
    MessageId,
    Author,
    (Option<UserId>, Option<String>),
    Held<MessageHtml>,
    bool,
    Ts,
    (Option<Ts>, Option<Ts>, Option<CaregiverId>, Option<CaregiverId>),
    String,
    Turned,
);
/// When it was taken back, by whom, and which message it corrects.
type Turned = (Option<Ts>, Option<UserId>, Option<MessageId>);

/// Reads a conversation, and one page of its messages.
pub fn thread<R: Right>(conn: &mut Conn, access: &ConversationAccess<R>, which: ThreadPage) -> QueryResult<Thread> {
    let conversation = store::conversation(conn, access.conversation())?;
    thread_of(conn, conversation, which)
}

/// The same for a conversation whose reader has shown a proof for all of them.
pub(super) fn thread_of(conn: &mut Conn, conversation: Conversation, which: ThreadPage) -> QueryResult<Thread> {
    let before = match which {
        ThreadPage::Newest => None,
        ThreadPage::Before(message) => Some(message),
        ThreadPage::With(message) => end_of_page_with(conn, conversation.id, message)?,
    };
    let (messages, earlier) = page(conn, &conversation, before, true)?;
    let last = newest(conn, &conversation, &messages, (before, true))?;
    let of_page = messages.last().map(|message| message.id);
    let closed = match (conversation.closed_at, conversation.closed_by) {
        (Some(at), Some(by)) => Some((at, users::table.find(by).select(users::name).first::<String>(conn)?)),
        _ => None,
    };
    let participants = participants::table
        .inner_join(users::table)
        .filter(participants::conversation_id.eq(conversation.id))
        .order((users::name, users::id))
        .select((users::id, users::name, participants::done_at.is_not_null()))
        .load(conn)?;
    let by_team = participants::table.filter(participants::conversation_id.eq(conversation.id));
    let by_team = by_team.filter(participants::by_team.eq(true)).select(participants::user_id).load(conn)?;
    let there: Vec<TeamId> = threads::teams_of(conn, conversation.id)?.into_iter().map(|(team, _)| team).collect();
    let recalled = messages::table.filter(messages::conversation_id.eq(conversation.id));
    let recalled: i64 = recalled.filter(messages::recalled_at.is_not_null()).count().get_result(conn)?;
    let notifications = notifications::of_conversation(conn, conversation.id)?;
    let ids: Vec<_> = notifications.iter().map(|row| row.id).collect();
    let told: Vec<CaregiverId> = notifications.iter().filter_map(|row| row.caregiver_id).collect();
    let plan = notifications::plan_of(conn, conversation.id)?;
    let has = |kind| plan.iter().any(|step| step.step == kind);
    let calls = if has(PlanKind::Phone) { notifications::calls_of(conn, conversation.id)? } else { Vec::new() };
    let letters = if has(PlanKind::Letter) { notifications::letters_of(conn, conversation.id)? } else { Vec::new() };
    Ok(Thread {
        assignment: assignment::of_all(conn, &[conversation.id])?.remove(&conversation.id),
        teams: teams::names_of(conn, &there)?,
        by_team,
        events: events::of_page(conn, conversation.id, &messages, (before, earlier.is_some()))?,
        steps: history::of_all(conn, &ids)?,
        caregivers: named(conn, &told)?,
        began: conversation.created_at,
        only_patient: conversation.only_patient,
        answer_by: conversation.answer_by.filter(|_| conversation.closed_at.is_none()),
        attention: conversation.attention,
        told: RoadStates { email: conversation.notice_email, text: conversation.notice_text },
        plan,
        calls,
        letters,
        title: conversation.title.to_string(),
        replies_allowed: conversation.replies_allowed,
        closed,
        recalled_at: conversation.recalled_at,
        later: before.filter(|_| of_page < last),
        // who was led to a message has not seen those of later pages
        newest: if matches!(which, ThreadPage::With(_)) { of_page } else { last },
        messages,
        earlier,
        notifications,
        recalled,
        participants,
    })
}

/// Where the page ends that is opened at a message; `None`: with the newest.
fn end_of_page_with(
    conn: &mut Conn,
    conversation: ConversationId,
    message: MessageId,
) -> QueryResult<Option<MessageId>> {
    let later = messages::table.filter(messages::conversation_id.eq(conversation)).filter(messages::id.gt(message));
    let later: Vec<MessageId> = later.order(messages::id).limit(FROM_IT_ON).select(messages::id).load(conn)?;
    // where there are not so many, the newest page holds it
    Ok(later.last().copied().filter(|_| later.len() as i64 == FROM_IT_ON))
}

/// The newest message that the reader of a page may see: the last one of the page, unless it is a page of earlier ones.
pub(super) fn newest(
    conn: &mut Conn,
    conversation: &Conversation,
    page: &[MessageRow],
    (before, with_notes): (Option<MessageId>, bool),
) -> QueryResult<Option<MessageId>> {
    match before {
        None => Ok(page.last().map(|message| message.id)),
        Some(_) => store::newest(conn, conversation.id, with_notes),
    }
}

/// One page of messages, oldest first, and where the page before it ends.
pub(super) fn page(
    conn: &mut Conn,
    conversation: &Conversation,
    before: Option<MessageId>,
    with_notes: bool,
) -> QueryResult<(Vec<MessageRow>, Option<MessageId>)> {
    let mut query = messages::table
        .left_join(users::table)
        .filter(messages::conversation_id.eq(conversation.id))
        .filter(messages::id.lt(before.unwrap_or(MessageId(i64::MAX))))
        .order(messages::id.desc())
        .limit(PAGE + 1)
        .select((
            messages::id,
            messages::author,
            (messages::user_id, users::name.nullable()),
            messages::body_html,
            messages::internal,
            messages::created_at,
            (messages::read_by_patient_at, messages::listed_at, messages::caregiver_id, messages::reader_id),
            messages::offers,
            (messages::recalled_at, messages::recalled_by, messages::corrects_id),
        ))
        .into_boxed::<MultiBackend>();
    if !with_notes {
        query = query.filter(messages::internal.eq(false)).filter(messages::recalled_at.is_null());
    }
    let mut rows: Vec<Joined> = query.load(conn)?;
    let earlier = db::cut(&mut rows, PAGE, |(id, ..)| *id);
    let ids: Vec<MessageId> = rows.iter().map(|(id, ..)| *id).collect();
    let mut files = attachments::of_messages(conn, &ids)?;
    // only the clinic sees that a source has withdrawn something; telling the patient is up to the clinic
    let mut gone = if with_notes { attachments::taken_back(conn, &ids)? } else { Vec::new() };
    let offering: Vec<MessageId> = rows.iter().filter(|row| !row.7.is_empty()).map(|row| row.0).collect();
    let mut given = answer::given(conn, &offering)?;
    let turned = Corrections::of(conn, &rows)?;
    let answering = given.values().flatten().filter_map(|(_, _, caregiver)| *caregiver);
    let caring = rows.iter().flat_map(|row| [row.6.2, row.6.3]).flatten().chain(answering);
    let caring: Vec<CaregiverId> = caring.collect();
    let caring = named(conn, &caring)?;
    let named = |id: Option<CaregiverId>| caring.get(&id?).cloned();
    let rows = rows.into_iter().rev().map(|row| {
        let (id, author, (user, user_name), html, internal, created_at, marks, offers, turn) = row;
        let (read_by_patient_at, listed_at, caregiver, reader) = marks;
        let (body, offers) = (CleanHtml::stored(html.of(conversation.id)?), answer::offers_of(&offers));
        let given = given.remove(&id).unwrap_or_default();
        let answers = given.iter().map(|(answer, at, _)| (*answer, *at)).collect();
        let by_caregiver = |(answer, _, caregiver): &Given| Some((*answer, named(*caregiver)?));
        let answered_for = given.iter().filter_map(by_caregiver).collect();
        let files = files.extract_if(.., |file| file.message_id == id).collect();
        let taken_back = gone.extract_if(.., |copy| copy.message == id).collect();
        Ok(MessageRow {
            id,
            author,
            user,
            user_name,
            body,
            internal,
            created_at,
            read_by_patient_at,
            files,
            taken_back,
            offers,
            answers,
            answered_for,
            caregiver: named(caregiver),
            reader: named(reader),
            listed_at,
            recalled: turned.recalled(turn),
            corrects: turn.2.and_then(|original| Some((original, *turned.originals.get(&original)?))),
            corrected_by: turned.corrected.get(&id).copied(),
        })
    });
    Ok((rows.collect::<QueryResult<_>>()?, earlier))
}

/// These caregivers, as pages name them.
fn named(conn: &mut Conn, ids: &[CaregiverId]) -> QueryResult<HashMap<CaregiverId, Named>> {
    let found = caregivers::named(conn, ids)?.into_iter();
    Ok(found.map(|(id, (name, relation))| (id, Named { id, name, relation })).collect())
}

/// Who took messages back, and which correct which.
#[derive(Default)]
struct Corrections {
    names: HashMap<UserId, String>,
    originals: HashMap<MessageId, Ts>,
    corrected: HashMap<MessageId, MessageId>,
}

impl Corrections {
    fn of(conn: &mut Conn, rows: &[Joined]) -> QueryResult<Corrections> {
        let there = || messages::table.filter(messages::recalled_at.is_null());
        let ids: Vec<MessageId> = rows.iter().map(|row| row.0).collect();
        let by: Vec<UserId> = rows.iter().filter_map(|row| row.8.1).collect();
        let of: Vec<MessageId> = rows.iter().filter_map(|row| row.8.2).collect();
        let corrected: Vec<(Option<MessageId>, MessageId)> = there()
            .filter(messages::corrects_id.eq_any(ids))
            .order(messages::id)
            .select((messages::corrects_id, messages::id))
            .load(conn)?;
        let mut all = Corrections::default();
        all.corrected.extend(corrected.into_iter().filter_map(|(original, by)| Some((original?, by))));
        if !by.is_empty() {
            let names = users::table.filter(users::id.eq_any(by)).select((users::id, users::name));
            all.names.extend(names.load::<(UserId, String)>(conn)?);
        }
        if !of.is_empty() {
            let originals = there().filter(messages::id.eq_any(of)).select((messages::id, messages::created_at));
            all.originals.extend(originals.load::<(MessageId, Ts)>(conn)?);
        }
        Ok(all)
    }

    fn recalled(&self, (at, by, _): Turned) -> Option<(Ts, String)> {
        Some((at?, self.names.get(&by?).cloned().unwrap_or_default()))
    }
}

/// Marks that a user looked: an audit row, and their own read mark. Says what was new to them.
pub fn mark_viewed<R: Right>(tx: &mut Tx, now: Ts, access: &ConversationAccess<R>) -> QueryResult<News> {
    let news = threads::mark_seen(tx, access.conversation(), access.user().id())?;
    let subject = Subject::Conversation(access.conversation());
    let actor = Actor::User(access.user().id());
    audit::append(tx, now, Entry::of_patient(actor, Event::ConversationViewed, access.patient(), subject))?;
    Ok(news)
}

/// Whether somebody can write in a conversation.
pub fn is_open<R: Right>(conn: &mut Conn, access: &ConversationAccess<R>) -> QueryResult<bool> {
    Ok(store::conversation(conn, access.conversation())?.closed_at.is_none())
}

/// A conversation's title.
pub fn title<R: Right>(conn: &mut Conn, access: &ConversationAccess<R>) -> QueryResult<String> {
    Ok(store::conversation(conn, access.conversation())?.title.to_string())
}
