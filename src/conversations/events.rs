//! What happened in a conversation beside its messages, as its page shows it between them.

use super::message_row::MessageRow;
use crate::db::schema::{conversation_events as events, messages, users};
use crate::db::{Conn, ConversationId, MessageId, MultiBackend, TeamId, Ts, UserId};
use crate::teams;
use crate::threads::Happening;
use diesel::prelude::*;
use std::collections::HashMap;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct ThreadEvent {
    /// identity
    pub id: i64,
    /// when
    pub at: Ts,
    /// what
    pub kind: Happening,
    /// the name of who did it; `None`: the program, or a command
    pub by: Option<String>,
    /// the name of whom it is about
    pub user: String,
    /// it is the name of a team
    pub is_team: bool,
    /// they did it themselves
    pub is_own: bool,
    /// until when it is to be seen to
    pub due: Option<Ts>,
}

/// The most that one page shows, the newest ones.
const MOST: i64 = 100;

/// What happened around the messages of one page, oldest first: from its first message on, where there are earlier ones, and
/// before `before`, the first message of the page after it.
pub(super) fn of_page(
    conn: &mut Conn,
    conversation: ConversationId,
    page: &[MessageRow],
    (before, has_earlier): (Option<MessageId>, bool),
) -> QueryResult<Vec<ThreadEvent>> {
    let mut query = events::table.filter(events::conversation_id.eq(conversation)).into_boxed::<MultiBackend>();
    if let Some(first) = page.first().filter(|_| has_earlier) {
        query = query.filter(events::at.ge(first.created_at));
    }
    if let Some(before) = before {
        let next = messages::table.filter(messages::conversation_id.eq(conversation)).filter(messages::id.eq(before));
        let at: Option<Ts> = next.select(messages::created_at).first(conn).optional()?;
        query = query.filter(events::at.lt(at.unwrap_or(Ts::LAST)));
    }
    type Row = (i64, Ts, Happening, Option<UserId>, UserId, Option<Ts>, Option<TeamId>);
    let rows: Vec<Row> = query
        .order((events::at.desc(), events::id.desc()))
        .limit(MOST)
        .select((events::id, events::at, events::kind, events::by_id, events::user_id, events::due_at, events::team_id))
        .load(conn)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<UserId> = rows.iter().flat_map(|(_, _, _, by, user, ..)| by.iter().chain([user])).copied().collect();
    let names = users::table.filter(users::id.eq_any(ids)).select((users::id, users::name));
    let names: HashMap<UserId, String> = names.load(conn)?.into_iter().collect();
    let name = |id: UserId| names.get(&id).cloned().unwrap_or_default();
    let ids: Vec<TeamId> = rows.iter().filter_map(|row| row.6).collect();
    let teams: HashMap<TeamId, String> = teams::names_of(conn, &ids)?.into_iter().collect();
    let rows = rows.into_iter().rev().map(|(id, at, kind, by, user, due, team)| ThreadEvent {
        id,
        at,
        kind,
        by: by.map(name),
        user: team.map_or_else(|| name(user), |team| teams.get(&team).cloned().unwrap_or_default()),
        is_team: team.is_some(),
        is_own: team.is_none() && by == Some(user),
        due,
    });
    Ok(rows.collect())
}
