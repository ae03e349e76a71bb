//! The clinic's list of conversations, read a page at a time by key: the two-hundred-thousandth page costs as much as
//! the first.

use super::assignment;
use super::inbox_rows::{InboxRow, Joined};
use crate::access::{ChartAccess, Right, SignedInUser};
use crate::db::schema::{conversations, participants, patients};
use crate::db::{self, Conn, ConversationId, MultiBackend, Ts, UserId};
use crate::text_enum;
use crate::threads;
use diesel::prelude::*;
use std::collections::HashSet;

text_enum! {
    /// Whose conversations are listed.
    pub enum Scope {
        /// those in which the reader takes part
        Mine = "mine",
        /// every conversation of the clinic
        All = "all",
    }
}

text_enum! {
    /// The views of the inbox, in the order of the page.
    pub enum InboxFilter {
        /// open, and the patient waits for an answer or could not be reached; among the reader's own also those with
        /// something new and those assigned to them, and without those that the reader has marked done
        ToDo = "to_do",
        /// open, assigned to the reader, and not marked done by them
        Assigned = "assigned",
        /// open, a team of the reader's takes part, no user has taken it on, and not marked done by the reader
        MyTeams = "my_teams",
        /// open, the reader was mentioned in a note, and has not marked it done
        Mentions = "mentions",
        /// open, and the patient wrote last
        WaitingForUs = "waiting_for_us",
        /// with something that the reader has not seen
        Unread = "unread",
        /// the patient could not be notified
        NeedsAttention = "needs_attention",
        /// open, and it is the patient's turn
        WaitingForPatient = "waiting_for_patient",
        /// not closed
        Open = "open",
        /// marked done by the reader
        Done = "done",
        /// closed
        Closed = "closed",
        /// every one
        Any = "any",
    }
}

text_enum! {
    /// The order of a list.
    pub enum InboxOrder {
        /// what waits longest comes first
        Longest = "longest",
        /// what is due soonest comes first: by the word that the patient was given, and where none was given since when it waits
        Due = "due",
        /// what came last comes first
        Newest = "newest",
    }
}

impl InboxFilter {
    /// The order where none is asked for: work is done in the order in which it came.
    pub fn usual_order(self) -> InboxOrder {
        match self {
            InboxFilter::ToDo | InboxFilter::Assigned | InboxFilter::MyTeams => InboxOrder::Longest,
            InboxFilter::WaitingForUs => InboxOrder::Due,
            _ => InboxOrder::Newest,
        }
    }

    /// The orders that the reader can ask for; none where there is but one. In the list of all their own conversations the
    /// unread ones always come first, and among those assigned to them or their teams what is to be seen to first.
    pub fn orders(self, scope: Scope) -> &'static [InboxOrder] {
        match (self, scope) {
            (InboxFilter::Assigned | InboxFilter::MyTeams, _) | (InboxFilter::Any, Scope::Mine) => &[],
            (InboxFilter::ToDo, _) => InboxOrder::ALL,
            (InboxFilter::WaitingForUs, _) => &[InboxOrder::Due, InboxOrder::Newest],
            _ => &[InboxOrder::Longest, InboxOrder::Newest],
        }
    }

    /// Whether the page offers the view only to readers for whom it holds something: many are in no team, and are not mentioned.
    pub fn is_for_some(self) -> bool {
        matches!(self, InboxFilter::MyTeams | InboxFilter::Mentions)
    }

    /// Whether the view depends on the reader's own marks only: it is read from the reader's rows of `participants`,
    /// also in the list of the whole clinic.
    pub(super) fn is_own(self) -> bool {
        use InboxFilter::{Assigned, Done, Mentions, MyTeams, Unread};
        matches!(self, Unread | Done | Assigned | MyTeams | Mentions)
    }
}

/// What the reader asks to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxView {
    /// whose
    pub scope: Scope,
    /// which
    pub filter: InboxFilter,
    /// in which order
    pub order: InboxOrder,
}

/// The end of a page; the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxCursor {
    /// whether it is unread: where the view has no order of its own, unread ones come first
    pub unread: bool,
    /// then by the time of the view
    pub at: Ts,
    /// then by identity
    pub id: ConversationId,
}

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
                conversations::recalled_at,
            ),
            (patients::given_name, patients::family_name),
            (
                participants::unread.nullable(),
                participants::done_at.nullable(),
                participants::to_do_since.nullable(),
                participants::assigned_until.nullable(),
                participants::team_until.nullable(),
                participants::to_do_due.nullable(),
                participants::mentioned_at.nullable(),
            ),
            (
                conversations::waiting_since,
                conversations::to_do_since,
                conversations::answer_by,
                conversations::answer_due,
                conversations::to_do_due,
            ),
        )
    };
}

/// Orders a query by a key and an identity, and begins where the page before ended. The first of the two conditions
/// follows from the second; it lets the database begin there in the index.
macro_rules! ordered {
    ($query:expr, $key:expr, $id:expr, $order:expr, $after:expr) => {{
        let query = match $order {
            InboxOrder::Newest => $query.order(($key.desc(), $id.desc())),
            InboxOrder::Longest | InboxOrder::Due => $query.order(($key.asc(), $id.asc())),
        };
        match ($after, $order) {
            (None, _) => query,
            (Some(InboxCursor { at, id, .. }), InboxOrder::Newest) => {
                query.filter($key.le(at)).filter($key.lt(at).or($key.eq(at).and($id.lt(id))))
            }
            (Some(InboxCursor { at, id, .. }), InboxOrder::Longest | InboxOrder::Due) => {
                query.filter($key.ge(at)).filter($key.gt(at).or($key.eq(at).and($id.gt(id))))
            }
        }
    }};
}

/// A view of the reader's own conversations: every condition is on the reader's rows of `participants`, by an index.
macro_rules! of_mine {
    ($query:expr, $user:expr, $view:expr) => {{
        use participants as p;
        let query = $query.filter(p::user_id.eq($user)).into_boxed::<MultiBackend>();
        match $view.filter {
            InboxFilter::Any => query,
            // the condition of the index that has this order
            InboxFilter::ToDo if $view.order == InboxOrder::Due => query.filter(p::to_do_due.is_not_null()),
            InboxFilter::ToDo => query.filter(p::to_do_since.is_not_null()),
            InboxFilter::Assigned => query
                .filter(p::assigned_until.is_not_null())
                .filter(p::closed_at.is_null())
                .filter(p::done_at.is_null()),
            InboxFilter::MyTeams => {
                query.filter(p::team_until.is_not_null()).filter(p::closed_at.is_null()).filter(p::done_at.is_null())
            }
            InboxFilter::Mentions => {
                query.filter(p::mentioned_at.is_not_null()).filter(p::closed_at.is_null()).filter(p::done_at.is_null())
            }
            InboxFilter::Unread => query.filter(p::unread.eq(true)),
            InboxFilter::Done => query.filter(p::done_at.is_not_null()),
            InboxFilter::NeedsAttention => query.filter(p::attention.is_not_null()),
            InboxFilter::Open => query.filter(p::closed_at.is_null()),
            InboxFilter::Closed => query.filter(p::closed_at.is_not_null()),
            InboxFilter::WaitingForPatient => query.filter(p::closed_at.is_null()).filter(p::waiting_since.is_null()),
            InboxFilter::WaitingForUs => query.filter(p::answer_due.is_not_null()),
        }
    }};
}

/// A view of the whole clinic's conversations.
macro_rules! of_all {
    ($query:expr, $view:expr) => {{
        use conversations as c;
        let query = $query.into_boxed::<MultiBackend>();
        match $view.filter {
            // the reader's own marks are read from their rows of `participants`
            InboxFilter::Unread | InboxFilter::Done | InboxFilter::Assigned => query,
            InboxFilter::MyTeams | InboxFilter::Mentions | InboxFilter::Any => query,
            InboxFilter::ToDo if $view.order == InboxOrder::Due => query.filter(c::to_do_due.is_not_null()),
            InboxFilter::ToDo => query.filter(c::to_do_since.is_not_null()),
            InboxFilter::NeedsAttention => query.filter(c::attention.is_not_null()),
            InboxFilter::Open => query.filter(c::closed_at.is_null()),
            InboxFilter::Closed => query.filter(c::closed_at.is_not_null()),
            InboxFilter::WaitingForPatient => query.filter(c::closed_at.is_null()).filter(c::waiting_since.is_null()),
            InboxFilter::WaitingForUs => query.filter(c::answer_due.is_not_null()),
        }
    }};
}

/// Lines of the inbox, at most `limit`; the second value tells where the next page begins.
pub fn inbox<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    view: InboxView,
    after: Option<InboxCursor>,
    limit: i64,
) -> QueryResult<(Vec<InboxRow>, Option<InboxCursor>)> {
    let own = view.scope == Scope::Mine || view.filter.is_own();
    let mut rows: Vec<Joined> = match own {
        true => mine(conn, user.id(), view, after, limit + 1)?,
        false => all(conn, user.id(), view, after, limit + 1)?,
    };
    let next = db::cut(&mut rows, limit, |(line, _, marks, since)| {
        let ((unread, _, my_to_do, assigned, of_team, my_due, mentioned), (_, to_do, _, answer_due, due)) =
            (marks, since);
        let at = match (view.filter, view.order) {
            (InboxFilter::ToDo, InboxOrder::Due) => *(if own { my_due } else { due }),
            (InboxFilter::ToDo, _) => *(if own { my_to_do } else { to_do }),
            (InboxFilter::WaitingForUs, _) => *answer_due,
            (InboxFilter::Assigned, _) => *assigned,
            (InboxFilter::MyTeams, _) => *of_team,
            (InboxFilter::Mentions, _) => *mentioned,
            _ => None,
        };
        InboxCursor { unread: unread.unwrap_or(false), at: at.unwrap_or(line.3), id: line.0 }
    });
    let ids: Vec<ConversationId> = rows.iter().map(|(line, ..)| line.0).collect();
    let mut assigned = assignment::of_all(conn, &ids)?;
    let unread: Vec<ConversationId> =
        rows.iter().filter(|(.., marks, _)| marks.0 == Some(true)).map(|(line, ..)| line.0).collect();
    let mentioned = match unread.is_empty() {
        true => HashSet::new(),
        false => threads::newly_mentioned(conn, user.id(), &unread)?,
    };
    let rows = rows.into_iter().map(InboxRow::from).map(|row| InboxRow {
        assigned: assigned.remove(&row.id),
        mentioned: mentioned.contains(&row.id),
        ..row
    });
    Ok((rows.collect(), next))
}

fn mine(
    conn: &mut Conn,
    user: UserId,
    view: InboxView,
    after: Option<InboxCursor>,
    limit: i64,
) -> QueryResult<Vec<Joined>> {
    use participants as p;
    let lines = p::table.inner_join(conversations::table.inner_join(patients::table)).select(line!());
    let query = of_mine!(lines.filter(db::in_time()).limit(limit), user, view);
    match view.filter {
        InboxFilter::ToDo if view.order == InboxOrder::Due => {
            ordered!(query, p::to_do_due, p::conversation_id, view.order, after).load(conn)
        }
        InboxFilter::ToDo => ordered!(query, p::to_do_since, p::conversation_id, view.order, after).load(conn),
        InboxFilter::Assigned => ordered!(query, p::assigned_until, p::conversation_id, view.order, after).load(conn),
        InboxFilter::MyTeams => ordered!(query, p::team_until, p::conversation_id, view.order, after).load(conn),
        InboxFilter::Mentions => ordered!(query, p::mentioned_at, p::conversation_id, view.order, after).load(conn),
        InboxFilter::WaitingForUs => ordered!(query, p::answer_due, p::conversation_id, view.order, after).load(conn),
        InboxFilter::Any => {
            let mut query = query.order((p::unread.desc(), p::last_message_at.desc(), p::conversation_id.desc()));
            if let Some(after) = after {
                let same_time = p::last_message_at.eq(after.at).and(p::conversation_id.lt(after.id));
                let later = p::unread.eq(after.unread).and(p::last_message_at.lt(after.at).or(same_time));
                query = match after.unread {
                    true => query.filter(p::unread.eq(false).or(later)),
                    false => query.filter(p::unread.eq(false)).filter(p::last_message_at.le(after.at)).filter(later),
                };
            }
            query.load(conn)
        }
        _ => ordered!(query, p::last_message_at, p::conversation_id, view.order, after).load(conn),
    }
}

fn all(
    conn: &mut Conn,
    user: UserId,
    view: InboxView,
    after: Option<InboxCursor>,
    limit: i64,
) -> QueryResult<Vec<Joined>> {
    use conversations as c;
    let own = participants::conversation_id.eq(c::id).and(participants::user_id.eq(user));
    let lines = c::table.inner_join(patients::table).left_join(participants::table.on(own)).select(line!());
    // a deleted record may leave an empty row, which is not a conversation: see `db::erase`
    let there = lines.filter(patients::deleted_at.is_null());
    let query = of_all!(there.filter(db::in_time()).limit(limit), view);
    match view.filter {
        InboxFilter::ToDo if view.order == InboxOrder::Due => {
            ordered!(query, c::to_do_due, c::id, view.order, after).load(conn)
        }
        InboxFilter::ToDo => ordered!(query, c::to_do_since, c::id, view.order, after).load(conn),
        InboxFilter::WaitingForUs => ordered!(query, c::answer_due, c::id, view.order, after).load(conn),
        _ => ordered!(query, c::last_message_at, c::id, view.order, after).load(conn),
    }
}

/// Those of these conversations that the user has marked done.
pub fn done_among<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    ids: &[ConversationId],
) -> QueryResult<Vec<ConversationId>> {
    participants::table
        .filter(participants::user_id.eq(user.id()))
        .filter(participants::conversation_id.eq_any(ids.to_vec()))
        .filter(participants::done_at.is_not_null())
        .order(participants::conversation_id)
        .select(participants::conversation_id)
        .load(conn)
}

/// Lines of these conversations, in the order of their numbers; those that are gone are left out.
pub fn lines<R: Right>(conn: &mut Conn, user: &SignedInUser<R>, ids: &[ConversationId]) -> QueryResult<Vec<InboxRow>> {
    use conversations as c;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let own = participants::conversation_id.eq(c::id).and(participants::user_id.eq(user.id()));
    let rows: Vec<Joined> = c::table
        .inner_join(patients::table)
        .left_join(participants::table.on(own))
        .filter(patients::deleted_at.is_null())
        .filter(c::id.eq_any(ids.to_vec()))
        .order(c::id)
        .select(line!())
        .load(conn)?;
    let mut assigned = assignment::of_all(conn, ids)?;
    let rows = rows.into_iter().map(InboxRow::from);
    Ok(rows.map(|row| InboxRow { assigned: assigned.remove(&row.id), ..row }).collect())
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

/// How many conversations need somebody's attention; closing one takes that away.
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
