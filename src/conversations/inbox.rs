//! The clinic's list of conversations, a page at a time by key: the two-hundred-thousandth costs what the first does.

use super::types::Status;
use crate::access::{ChartAccess, Right, SignedInUser};
use crate::db::schema::{conversations, participants, patients};
use crate::db::sealed::Opened;
use crate::db::{self, Conn, ConversationId, MultiBackend, PatientId, Ts};
use crate::notifications::{RoadStates, State};
use crate::text_enum;
use crate::threads::{Attention, Author, OneTap};
use diesel::prelude::*;

text_enum! {
    /// Whose conversations.
    pub enum Scope {
        /// those that I take part in
        Mine = "mine",
        /// the clinic's
        All = "all",
    }
}

text_enum! {
    /// Which of them.
    pub enum InboxFilter {
        /// every one
        Any = "any",
        /// with something that I have not seen
        Unread = "unread",
        /// not closed
        Open = "open",
        /// open, and the patient has the word
        WaitingForPatient = "waiting_for_patient",
        /// open, and the patient wrote last
        WaitingForUs = "waiting_for_us",
        /// the patient could not be told
        NeedsAttention = "needs_attention",
        /// that I marked done
        Done = "done",
        /// closed
        Closed = "closed",
    }
}

/// A line of the inbox.
#[derive(Debug, Clone)]
pub struct InboxRow {
    /// identity
    pub id: ConversationId,
    /// whose
    pub patient_id: PatientId,
    /// their name
    pub patient_name: String,
    /// title
    pub title: String,
    /// newest message
    pub last_message_at: Ts,
    /// who wrote it
    pub last_author: Author,
    /// in one word
    pub status: Status,
    /// how the patient was told of the last message, by each road
    pub told: RoadStates,
    /// I have not seen it
    pub unread: bool,
    /// the patient could not be told
    pub needs_attention: bool,
    /// what the patient answered with one tap, since we wrote last
    pub answer: Option<OneTap>,
    /// the patient has not opened our last message within the time of its plan
    pub not_opened: bool,
}

/// Where a page ends: the next begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxCursor {
    /// unread ones come first
    pub unread: bool,
    /// then by time
    pub at: Ts,
    /// then by identity
    pub id: ConversationId,
}

impl InboxRow {
    /// Whether it is worth saying what each road came to: one failed, and the patient has not shown up since.
    pub fn shows_roads(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Notified | Status::Queued) && self.told.any_failed()
    }
}

type Roads = (Option<State>, Option<State>);
type Line =
    (ConversationId, PatientId, Opened, Ts, Author, Option<Ts>, Roads, Option<Ts>, Option<Attention>, Option<OneTap>);
type Joined = (Line, (String, String), Option<bool>);

macro_rules! line {
    () => {
        (
            (
                conversations::id,
                conversations::patient_id,
                conversations::title,
                conversations::last_message_at,
                conversations::last_author,
                conversations::read_by_patient_at,
                (conversations::notice_email, conversations::notice_text),
                conversations::closed_at,
                conversations::attention,
                conversations::answer,
            ),
            (patients::given_name, patients::family_name),
            participants::unread.nullable(),
        )
    };
}

impl From<Joined> for InboxRow {
    fn from((line, (given, family), unread): Joined) -> InboxRow {
        let (id, patient_id, title, last_message_at, last_author, read_at, notice, closed_at, attention, answer) = line;
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
            needs_attention: attention.is_some_and(|why| why != Attention::Unopened),
            answer,
            not_opened: attention == Some(Attention::Unopened),
        }
    }
}

/// Lines of the inbox: mine with unread first, all by time. At most `limit`; the second value tells where the next
/// page begins.
pub fn inbox<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    scope: Scope,
    filter: InboxFilter,
    after: Option<InboxCursor>,
    limit: i64,
) -> QueryResult<(Vec<InboxRow>, Option<InboxCursor>)> {
    // what is a user's own mark is found from their own side, whichever list they look at
    let own = scope == Scope::Mine || matches!(filter, InboxFilter::Unread | InboxFilter::Done);
    let mut rows: Vec<Joined> = match own {
        true => mine(conn, user, filter, after, limit + 1)?,
        false => all(conn, user, filter, after, limit + 1)?,
    };
    let next = db::cut(&mut rows, limit, |(line, _, unread)| InboxCursor {
        unread: own && unread.unwrap_or(false),
        at: line.3,
        id: line.0,
    });
    Ok((rows.into_iter().map(InboxRow::from).collect(), next))
}

fn mine<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    filter: InboxFilter,
    after: Option<InboxCursor>,
    limit: i64,
) -> QueryResult<Vec<Joined>> {
    use participants as p;
    let mut query = p::table
        .inner_join(conversations::table.inner_join(patients::table))
        .filter(p::user_id.eq(user.id()))
        .filter(db::in_time())
        .order((p::unread.desc(), p::last_message_at.desc(), p::conversation_id.desc()))
        .limit(limit)
        .select(line!())
        .into_boxed::<MultiBackend>();
    query = match filter {
        InboxFilter::Any => query,
        InboxFilter::Unread => query.filter(p::unread.eq(true)),
        InboxFilter::Done => query.filter(p::done_at.is_not_null()),
        InboxFilter::NeedsAttention => query.filter(conversations::attention.is_not_null()),
        InboxFilter::Open => query.filter(conversations::closed_at.is_null()),
        InboxFilter::Closed => query.filter(conversations::closed_at.is_not_null()),
        InboxFilter::WaitingForPatient => {
            query.filter(conversations::closed_at.is_null()).filter(conversations::last_author.ne(Author::Patient))
        }
        InboxFilter::WaitingForUs => {
            query.filter(conversations::closed_at.is_null()).filter(conversations::last_author.eq(Author::Patient))
        }
    };
    if let Some(after) = after {
        let same_time = p::last_message_at.eq(after.at).and(p::conversation_id.lt(after.id));
        let later = p::unread.eq(after.unread).and(p::last_message_at.lt(after.at).or(same_time));
        query = if after.unread { query.filter(p::unread.eq(false).or(later)) } else { query.filter(later) };
    }
    query.load(conn)
}

fn all<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    filter: InboxFilter,
    after: Option<InboxCursor>,
    limit: i64,
) -> QueryResult<Vec<Joined>> {
    use conversations as c;
    let own = participants::conversation_id.eq(c::id).and(participants::user_id.eq(user.id()));
    let mut query = c::table
        .inner_join(patients::table)
        .left_join(participants::table.on(own))
        .filter(db::in_time())
        // what is left of a deleted record is no conversation
        .filter(patients::deleted_at.is_null())
        .order((c::last_message_at.desc(), c::id.desc()))
        .limit(limit)
        .select(line!())
        .into_boxed::<MultiBackend>();
    query = match filter {
        InboxFilter::Any | InboxFilter::Unread | InboxFilter::Done => query,
        InboxFilter::NeedsAttention => query.filter(c::attention.is_not_null()),
        InboxFilter::Open => query.filter(c::closed_at.is_null()),
        InboxFilter::Closed => query.filter(c::closed_at.is_not_null()),
        InboxFilter::WaitingForPatient => {
            query.filter(c::closed_at.is_null()).filter(c::last_author.ne(Author::Patient))
        }
        InboxFilter::WaitingForUs => query.filter(c::closed_at.is_null()).filter(c::last_author.eq(Author::Patient)),
    };
    if let Some(after) = after {
        let same = c::last_message_at.eq(after.at).and(c::id.lt(after.id));
        query = query.filter(c::last_message_at.lt(after.at).or(same));
    }
    query.load(conn)
}

/// This patient's conversations, newest first, at most `limit`.
pub fn of_patient<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, limit: i64) -> QueryResult<Vec<InboxRow>> {
    use conversations as c;
    let own = participants::conversation_id.eq(c::id).and(participants::user_id.eq(access.user().id()));
    let rows: Vec<Joined> = c::table
        .inner_join(patients::table)
        .left_join(participants::table.on(own))
        .filter(c::patient_id.eq(access.patient()))
        .order((c::last_message_at.desc(), c::id.desc()))
        .limit(limit)
        .select(line!())
        .load(conn)?;
    Ok(rows.into_iter().map(InboxRow::from).collect())
}

/// How many open conversations need somebody's attention.
pub fn count_attention(conn: &mut Conn) -> QueryResult<i64> {
    conversations::table.filter(conversations::attention.is_not_null()).count().get_result(conn)
}

/// How many conversations hold something that this user has not seen, counted up to 100.
pub fn count_unread<R: Right>(conn: &mut Conn, user: &SignedInUser<R>) -> QueryResult<usize> {
    let unread = participants::table
        .filter(participants::user_id.eq(user.id()))
        .filter(participants::unread.eq(true))
        .select(participants::conversation_id)
        .limit(100);
    Ok(unread.load::<ConversationId>(conn)?.len())
}
