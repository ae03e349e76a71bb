//! Who takes part, to whom it is news, and for whom it is done.

use super::assignment::due_of;
use super::events::{Happening, NewEvent, happened};
use super::teams::Place;
use super::{Author, teams, to_do};
use crate::db::schema::{conversations, messages, participants};
use crate::db::{Both, Conn, ConversationId, MessageId, MultiBackend, PatientId, TeamId, Ts, Tx, UserId, lock_row};
use diesel::prelude::*;

/// Adds a participant who is not there yet, or only through a team: from now on they stay also without it. Says how many came.
pub fn add_participant(
    tx: &mut Tx,
    conversation: ConversationId,
    user: UserId,
    unread: bool,
    last_message_at: Ts,
) -> QueryResult<usize> {
    // it opens at the newest the first time: that is what they are added for
    let came = insert(tx, conversation, user, (unread, None), last_message_at, false)?;
    let came = if came > 0 { came } else { stays(tx, conversation, user, unread)? };
    if came > 0 {
        to_do::marked(tx, conversation, user)?;
    }
    Ok(came)
}

/// Whoever is there through a team stays also without it. Says how many were.
fn stays(tx: &mut Tx, conversation: ConversationId, user: UserId, unread: bool) -> QueryResult<usize> {
    let row = participants::table.find((conversation, user));
    let by_team = row.filter(participants::by_team.eq(true));
    let came = diesel::update(by_team).set(participants::by_team.eq(false)).execute(tx.conn())?;
    if came > 0 && unread {
        let news = (participants::unread.eq(true), participants::done_at.eq(None::<Ts>));
        diesel::update(row).set(news).execute(tx.conn())?;
    }
    Ok(came)
}

/// Adds a participant through a team; whoever is there stays as they are. What they come to is news to them where `unread`. Says how
/// many came.
pub(super) fn add_by_team(
    tx: &mut Tx,
    conversation: ConversationId,
    user: UserId,
    unread: bool,
    last_message_at: Ts,
) -> QueryResult<usize> {
    // what they have not been told of, they have not seen
    let seen = if unread { None } else { Some(MessageId(0)) };
    let came = insert(tx, conversation, user, (unread, seen), last_message_at, true)?;
    if came > 0 {
        to_do::marked(tx, conversation, user)?;
    }
    Ok(came)
}

/// A participant of a conversation that begins with this message: it is open, and nothing in it waits for the clinic.
pub fn begin_with(tx: &mut Tx, conversation: ConversationId, user: UserId, unread: bool, now: Ts) -> QueryResult<()> {
    insert(tx, conversation, user, (unread, Some(MessageId(0))), now, false).map(drop)
}

/// Removes a participant with all that their row holds: their marks, and what was assigned to them.
pub fn remove_participant(tx: &mut Tx, conversation: ConversationId, user: UserId) -> QueryResult<()> {
    diesel::delete(participants::table.find((conversation, user))).execute(tx.conn())?;
    // what was assigned to them is their team's again
    teams::in_step(tx, conversation)
}

fn insert(
    tx: &mut Tx,
    conversation: ConversationId,
    user: UserId,
    (unread, seen): (bool, Option<MessageId>),
    last_message_at: Ts,
    by_team: bool,
) -> QueryResult<usize> {
    let row = (
        (participants::conversation_id.eq(conversation), participants::user_id.eq(user)),
        (participants::unread.eq(unread), participants::done_at.eq(None::<Ts>)),
        (participants::last_message_at.eq(last_message_at), participants::seen_id.eq(seen)),
        participants::to_do_since.eq(unread.then_some(last_message_at)),
        participants::to_do_due.eq(unread.then_some(last_message_at)),
        participants::by_team.eq(by_team),
    );
    Both(diesel::insert_into(participants::table).values(row).on_conflict_do_nothing()).execute(tx.conn())
}

/// Who takes part.
pub fn participants_of(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<UserId>> {
    let all = participants::table.filter(participants::conversation_id.eq(conversation));
    all.order(participants::user_id).select(participants::user_id).load(conn)
}

/// Those of them who do not take part through a team alone.
pub fn by_themselves(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<UserId>> {
    let all = participants::table.filter(participants::conversation_id.eq(conversation));
    let own = all.filter(participants::by_team.eq(false));
    own.order(participants::user_id).select(participants::user_id).load(conn)
}

/// Whether anybody who takes part has seen all that the patient wrote. Who marked it done in a list has looked at nothing.
pub fn is_opened(conn: &mut Conn, conversation: ConversationId) -> QueryResult<bool> {
    let of_patient =
        messages::table.filter(messages::conversation_id.eq(conversation)).filter(messages::author.eq(Author::Patient));
    let newest: Option<MessageId> = of_patient.select(diesel::dsl::max(messages::id)).first(conn)?;
    // whoever came later without anything new for them came by writing in it, or took it on
    let came_later = participants::seen_id.is_null().and(participants::done_at.is_null());
    let seen = participants::table
        .filter(participants::conversation_id.eq(conversation))
        .filter(participants::unread.eq(false))
        .filter(came_later.or(participants::seen_id.ge(newest.unwrap_or(MessageId(0)))));
    Ok(seen.select(participants::user_id).first::<UserId>(conn).optional()?.is_some())
}

/// There is something new for all who take part but `writer`: unread, and no longer done.
pub fn is_news(tx: &mut Tx, conversation: ConversationId, writer: Option<UserId>) -> QueryResult<()> {
    let all = participants::table.filter(participants::conversation_id.eq(conversation));
    diesel::update(all.filter(participants::user_id.ne(writer.unwrap_or(UserId(0)))))
        .set((participants::unread.eq(true), participants::done_at.eq(None::<Ts>)))
        .execute(tx.conn())?;
    to_do::changed(tx, conversation)
}

/// There is something new for this one user, or for all who take part where this one does not any more.
pub fn is_news_to(tx: &mut Tx, conversation: ConversationId, user: UserId) -> QueryResult<()> {
    if mark_unread(tx, conversation, user)? { Ok(()) } else { is_news(tx, conversation, None) }
}

/// There is something that a user has to come back to: unread, and no longer done. Says whether they take part.
pub fn mark_unread(tx: &mut Tx, conversation: ConversationId, user: UserId) -> QueryResult<bool> {
    let theirs = diesel::update(participants::table.find((conversation, user)))
        .set((participants::unread.eq(true), participants::done_at.eq(None::<Ts>)))
        .execute(tx.conn())?;
    to_do::marked(tx, conversation, user)?;
    Ok(theirs > 0)
}

/// A user's own mark that it needs nothing more from them. Says how many have not made it yet.
pub fn mark_done(tx: &mut Tx, now: Ts, conversation: ConversationId, user: UserId) -> QueryResult<i64> {
    let all = participants::table.filter(participants::conversation_id.eq(conversation));
    diesel::update(all.filter(participants::user_id.eq(user)))
        .set((participants::done_at.eq(now), participants::unread.eq(false)))
        .execute(tx.conn())?;
    to_do::marked(tx, conversation, user)?;
    all.filter(participants::done_at.is_null()).count().get_result(tx.conn())
}

/// The same, where they have not made it yet. Says whether it is new.
pub fn mark_done_once(tx: &mut Tx, now: Ts, conversation: ConversationId, user: UserId) -> QueryResult<bool> {
    let mine = participants::table.find((conversation, user)).filter(participants::done_at.is_null());
    let marks = (participants::done_at.eq(now), participants::unread.eq(false));
    let is_new = diesel::update(mine).set(marks).execute(tx.conn())? > 0;
    to_do::marked(tx, conversation, user)?;
    Ok(is_new)
}

/// A user takes that mark back. Says whether they had made it.
pub fn mark_not_done(tx: &mut Tx, conversation: ConversationId, user: UserId) -> QueryResult<bool> {
    let mine = participants::table.find((conversation, user)).filter(participants::done_at.is_not_null());
    let was = diesel::update(mine).set(participants::done_at.eq(None::<Ts>)).execute(tx.conn())? > 0;
    to_do::marked(tx, conversation, user)?;
    Ok(was)
}

/// What is new to a user who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum News {
    /// nothing
    #[default]
    Nothing,
    /// what others wrote from this message on
    From(MessageId),
    /// something: they marked it as unread themselves, or nobody knows how far they had looked
    Something,
}

/// A user has looked at all that is there. Says what was new to them.
pub fn mark_seen(tx: &mut Tx, conversation: ConversationId, user: UserId) -> QueryResult<News> {
    let mine = participants::table.find((conversation, user)).filter(participants::unread.eq(true));
    let before: Option<Option<MessageId>> = mine.select(participants::seen_id).first(tx.conn()).optional()?;
    let Some(before) = before else { return Ok(News::Nothing) };
    let all = messages::table.filter(messages::conversation_id.eq(conversation));
    let seen: Option<MessageId> = all.select(diesel::dsl::max(messages::id)).first(tx.conn())?;
    let marks = (participants::unread.eq(false), participants::seen_id.eq(seen));
    // of two pages that open at the same moment one has the news
    if diesel::update(mine).set(marks).execute(tx.conn())? == 0 {
        return Ok(News::Nothing);
    }
    to_do::marked(tx, conversation, user)?;
    let Some(before) = before else { return Ok(News::Something) };
    let first: Option<MessageId> = all
        .filter(messages::id.gt(before))
        .filter(messages::user_id.is_null().or(messages::user_id.ne(user)))
        .order(messages::id)
        .select(messages::id)
        .first(tx.conn())
        .optional()?;
    Ok(first.map_or(News::Something, News::From))
}

/// Those of a user's conversations in which something may still come: the open ones, and those that were closed after
/// `since`. In which they take part through a team alone, is the team's.
macro_rules! still_open {
    ($user:expr, $since:expr) => {
        participants::table
            .inner_join(conversations::table)
            .filter(participants::user_id.eq($user))
            .filter(participants::by_team.eq(false))
            .filter(conversations::closed_at.is_null().or(conversations::closed_at.gt($since)))
    };
}

/// In how many conversations a user takes part that are open, or were closed after `since`.
pub fn count_open(conn: &mut Conn, user: UserId, since: Ts) -> QueryResult<i64> {
    still_open!(user, since).count().get_result(conn)
}

/// How many of these are assigned to them.
pub fn count_assigned(conn: &mut Conn, user: UserId, since: Ts) -> QueryResult<i64> {
    still_open!(user, since).filter(participants::assigned_until.is_not_null()).count().get_result(conn)
}

/// A user's place in every conversation that is open, or was closed after `since`, becomes another's, with the marks that
/// it had, and what was assigned to them is assigned to the other; or all that is a team's, with these members, who are active until
/// the transaction ends. What the patient wrote last is news to whoever comes to it.
/// Gives the conversations, by patient.
pub fn hand_over(
    tx: &mut Tx,
    (now, by): (Ts, Option<UserId>),
    from: UserId,
    (to, team): (UserId, Option<(TeamId, &[UserId])>),
    since: Ts,
) -> QueryResult<Vec<(PatientId, ConversationId)>> {
    type Row = (Author, bool, Option<Ts>, Ts, Option<Ts>);
    let places: Vec<(PatientId, ConversationId)> = still_open!(from, since)
        .order((conversations::patient_id, conversations::id))
        .select((conversations::patient_id, conversations::id))
        .into_boxed::<MultiBackend>()
        .load(tx.conn())?;
    let mut handed = Vec::new();
    for (patient, conversation) in places {
        // as it stands from here on: a moment ago the patient may have written, and others have changed who takes part or sees to it
        lock_row(tx, "conversations", conversation.0)?;
        let mut rows: Vec<Row> = still_open!(from, since)
            .filter(participants::conversation_id.eq(conversation))
            .select((
                conversations::last_author,
                participants::unread,
                participants::done_at,
                participants::last_message_at,
                participants::assigned_until,
            ))
            .into_boxed::<MultiBackend>()
            .load(tx.conn())?;
        let Some((last_author, unread, done_at, last_message_at, until)) = rows.pop() else { continue };
        let waits = last_author == Author::Patient || until.is_some();
        let news = unread || (done_at.is_none() && waits);
        diesel::delete(participants::table.find((conversation, from))).execute(tx.conn())?;
        happened(tx, now, conversation, NewEvent { kind: Happening::Left, by, user: from, due: None })?;
        if let Some(team) = team {
            let place = Place { conversation, from, news, until, last_message_at };
            teams::takes_over(tx, (now, by), &place, team)?;
            handed.push((patient, conversation));
            continue;
        }
        let came = insert(tx, conversation, to, (news, None), last_message_at, false)?;
        let theirs = participants::table.find((conversation, to));
        if came > 0 {
            happened(tx, now, conversation, NewEvent { kind: Happening::Added, by, user: to, due: None })?;
            diesel::update(theirs).set(participants::done_at.eq(done_at)).execute(tx.conn())?;
        } else if done_at.is_none() {
            diesel::update(theirs).set(participants::done_at.eq(None::<Ts>)).execute(tx.conn())?;
        }
        if came == 0 {
            diesel::update(theirs).set(participants::by_team.eq(false)).execute(tx.conn())?;
        }
        if came == 0 && news {
            diesel::update(theirs).set(participants::unread.eq(true)).execute(tx.conn())?;
        }
        if let Some(until) = until {
            diesel::update(theirs).set(participants::assigned_until.eq(until)).execute(tx.conn())?;
            let event = NewEvent { kind: Happening::Assigned, by, user: to, due: due_of(until) };
            happened(tx, now, conversation, event)?;
        }
        to_do::marked(tx, conversation, to)?;
        teams::in_step(tx, conversation)?;
        handed.push((patient, conversation));
    }
    Ok(handed)
}
