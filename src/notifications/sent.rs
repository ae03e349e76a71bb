//! The Outbox: every notification of the clinic, narrowed down, a page at a time by key.

use super::rows::NotificationRow;
use super::states::State;
use super::templates::Kind;
use crate::access::{Authority, ConfirmedUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{notifications, patients, users};
use crate::db::{Conn, MessageId, MultiBackend, NotificationId, PatientId, Ts, Tx, UserId, in_time};
use crate::delivery::Channel;
use diesel::prelude::*;
use std::collections::HashMap;

/// Which notifications.
#[derive(Debug, Clone, Default)]
pub struct SentFilter {
    /// in this state
    pub state: Option<State>,
    /// of this kind
    pub kind: Option<Kind>,
    /// by this road
    pub channel: Option<Channel>,
    /// of a message that this user wrote
    pub user: Option<UserId>,
    /// to this patient
    pub patient: Option<PatientId>,
    /// made at or after this moment
    pub from: Option<Ts>,
    /// made before this moment
    pub until: Option<Ts>,
    /// to patients who are found by these words; empty: to all
    pub words: String,
}

impl SentFilter {
    /// Whether many rows may have to be looked at for the few that are wanted: one of state, kind and road is found by an index,
    /// and what is looked at is bounded.
    fn is_searched(&self) -> bool {
        let by_index = [self.state.is_some(), self.kind.is_some(), self.channel.is_some()];
        let is_narrowed = self.user.is_some() || self.patient.is_some() || self.from.is_some() || self.until.is_some();
        is_narrowed || !self.words.trim().is_empty() || by_index.into_iter().filter(|is_asked| *is_asked).count() > 1
    }
}

/// A notification as the Outbox shows it.
#[derive(Debug, Clone)]
pub struct SentRow {
    /// itself
    pub row: NotificationRow,
    /// none of the same kind was sent later for the same message, or of access to the same patient, by this road
    pub is_newest: bool,
    /// the patient's name
    pub patient: String,
    /// who wrote the message, or gave access; nobody for a passcode, which the patient asks for
    pub user: Option<String>,
}

/// Most patients that words may find; a search that finds more is too wide to be of use.
const MOST_PATIENTS: i64 = 500;

type Joined = (NotificationRow, (String, String), Option<String>);

/// A query of notifications with everything of the filter but the state.
macro_rules! narrowed {
    ($conn:expr, $filter:expr, $all:expr) => {{
        let filter: &SentFilter = $filter;
        let mut query = $all.into_boxed::<MultiBackend>();
        if filter.is_searched() {
            query = query.filter(in_time());
        }
        if let Some(kind) = filter.kind {
            query = query.filter(notifications::kind.eq(kind));
        }
        if let Some(channel) = filter.channel {
            query = query.filter(notifications::channel.eq(channel));
        }
        if let Some(user) = filter.user {
            query = query.filter(notifications::user_id.eq(user));
        }
        if let Some(patient) = filter.patient {
            query = query.filter(notifications::patient_id.eq(patient));
        }
        if let Some(from) = filter.from {
            query = query.filter(notifications::created_at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(notifications::created_at.lt(until));
        }
        if !filter.words.trim().is_empty() {
            let found = crate::patients::search($conn, &filter.words, true, None, MOST_PATIENTS)?;
            let found: Vec<PatientId> = found.patients.into_iter().map(|patient| patient.id).collect();
            query = query.filter(notifications::patient_id.eq_any(found));
        }
        query
    }};
}

/// The notifications that the filter lets through, newest first: those before `before`, at most `limit`.
pub fn sent(
    conn: &mut Conn,
    _: &impl Authority<rights::Notify>,
    filter: &SentFilter,
    before: Option<(Ts, NotificationId)>,
    limit: i64,
) -> QueryResult<Vec<SentRow>> {
    let all = notifications::table.inner_join(patients::table).left_join(users::table);
    let mut query = narrowed!(conn, filter, all);
    if let Some(state) = filter.state {
        query = query.filter(notifications::state.eq(state));
    }
    if let Some((at, id)) = before {
        let same = notifications::created_at.eq(at).and(notifications::id.lt(id));
        query = query.filter(notifications::created_at.lt(at).or(same));
    }
    let rows: Vec<Joined> = query
        .order((notifications::created_at.desc(), notifications::id.desc()))
        .limit(limit)
        .select((NotificationRow::as_select(), (patients::given_name, patients::family_name), users::name.nullable()))
        .load(conn)?;
    let later = later(conn, rows.iter().map(|(row, ..)| row))?;
    let shown = |(row, (given, family), user): Joined| SentRow {
        is_newest: later.get(&NoticeKey::from_row(&row)).is_none_or(|id| *id <= row.id),
        row,
        patient: format!("{given} {family}").trim().to_owned(),
        user,
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// What a notification says, to whom and by which road: who is sent it again is told the same.
#[derive(PartialEq, Eq, Hash)]
struct NoticeKey(Option<MessageId>, PatientId, &'static str);

impl NoticeKey {
    fn from_row(row: &NotificationRow) -> NoticeKey {
        NoticeKey(row.message_id, row.patient_id, row.channel.as_str())
    }
}

/// The newest notification for each thing that those of these rows say which ended badly.
fn later<'a>(
    conn: &mut Conn,
    rows: impl Iterator<Item = &'a NotificationRow>,
) -> QueryResult<HashMap<NoticeKey, NotificationId>> {
    let bad: Vec<&NotificationRow> = rows.filter(|row| row.state.ended_badly()).collect();
    let messages: Vec<MessageId> = bad.iter().filter_map(|row| row.message_id).collect();
    let others = bad.iter().filter(|row| row.message_id.is_none());
    let patients: Vec<PatientId> = others.map(|row| row.patient_id).collect();
    let mut found: Vec<NotificationRow> = Vec::new();
    if !messages.is_empty() {
        let again = notifications::table.filter(notifications::message_id.eq_any(messages));
        found.extend(again.select(NotificationRow::as_select()).load(conn)?);
    }
    if !patients.is_empty() {
        let again = notifications::table.filter(notifications::patient_id.eq_any(patients));
        let again = again.filter(notifications::kind.eq(Kind::PortalAccess));
        found.extend(again.select(NotificationRow::as_select()).load(conn)?);
    }
    let mut newest = HashMap::new();
    for row in &found {
        let id = newest.entry(NoticeKey::from_row(row)).or_insert(row.id);
        *id = row.id.max(*id);
    }
    Ok(newest)
}

/// So many are counted in each state: the page says no larger number, and costs the same in a large clinic.
pub const MOST_COUNTED: i64 = 1_000;

/// How many there are in each state, of those that the filter lets through whatever their state. Beyond [`MOST_COUNTED`]
/// it is one more than that.
pub fn sent_counts(
    conn: &mut Conn,
    _: &impl Authority<rights::Notify>,
    filter: &SentFilter,
) -> QueryResult<Vec<(State, i64)>> {
    let mut counts = Vec::new();
    for state in State::ALL {
        let query = narrowed!(conn, filter, notifications::table).filter(notifications::state.eq(*state));
        let ids: Vec<NotificationId> = query.select(notifications::id).limit(MOST_COUNTED + 1).load(conn)?;
        counts.push((*state, ids.len() as i64));
    }
    Ok(counts)
}

/// Leaves the trace that the list was exported; before the first line goes out.
pub fn sent_exported(tx: &mut Tx, now: Ts, by: &ConfirmedUser<rights::Notify>) -> QueryResult<()> {
    let actor = Actor::User(by.user().id());
    audit::append(tx, now, Entry::of_clinic(actor, Event::OutboxExported, Subject::None))
}
