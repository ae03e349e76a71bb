//! The Outbox: every notification of the clinic, narrowed down, a page at a time by key. Each filter, and each combination of
//! them, is read along indexes in the order of the page: a rare one costs in a large clinic what it costs in a small one.

use super::rows::NotificationRow;
use super::states::State;
use super::templates::Kind;
use crate::access::{Authority, ConfirmedUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::db::schema::notifications as n;
use crate::db::schema::{messages, patients, users};
use crate::db::{
    CaregiverId, Conn, Counted, MessageId, MultiBackend, NotificationId, PatientId, Ts, Tx, UserId, in_time,
};
use crate::delivery::Channel;
use crate::text::Lang;
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

/// A notification as the Outbox shows it.
#[derive(Debug, Clone)]
pub struct SentRow {
    /// itself
    pub row: NotificationRow,
    /// none of the same kind was sent later for the same message, or of access to the same patient, by this road
    pub is_newest: bool,
    /// its message was taken back
    pub is_recalled: bool,
    /// the patient's name
    pub patient: String,
    /// the name of the caregiver of that patient whom it is for; `None`: the patient
    pub caregiver: Option<String>,
    /// who wrote the message, or gave access; nobody for a passcode, which the patient asks for
    pub user: Option<String>,
}

impl SentRow {
    /// Whom it is for, in words: the patient, or the caregiver who reads for them.
    pub fn recipient(&self, lang: &Lang) -> String {
        match &self.caregiver {
            Some(name) => lang.t2("person-for", "name", name.as_str(), "patient", self.patient.as_str()),
            None => self.patient.clone(),
        }
    }
}

/// Words may find so many patients; of more, the list holds the best, and the page says so.
pub const MOST_PATIENTS: usize = 20;

/// A filter whose words were looked up.
#[derive(Debug, Clone)]
pub struct Narrowed {
    filter: SentFilter,
    /// those to whom it is narrowed; `None`: to nobody in particular
    patients: Option<Vec<PatientId>>,
    /// the words find more patients than [`MOST_PATIENTS`]
    pub is_cut: bool,
}

impl SentFilter {
    /// Looks its words up.
    pub fn narrowed(self, conn: &mut Conn) -> QueryResult<Narrowed> {
        let one = self.patient;
        if self.words.trim().is_empty() {
            return Ok(Narrowed { patients: one.map(|one| vec![one]), filter: self, is_cut: false });
        }
        let mut found = crate::patients::found_by(conn, &self.words)?;
        found.retain(|patient| one.is_none_or(|one| one == *patient));
        let is_cut = found.len() > MOST_PATIENTS;
        found.truncate(MOST_PATIENTS);
        Ok(Narrowed { patients: Some(found), filter: self, is_cut })
    }
}

impl Narrowed {
    /// How many of state, kind, road and user it is narrowed by. By one of them the list stands in an index of its own.
    fn parts(&self) -> usize {
        let filter = &self.filter;
        let parts = [filter.state.is_some(), filter.kind.is_some(), filter.channel.is_some(), filter.user.is_some()];
        parts.into_iter().filter(|is_asked| *is_asked).count()
    }

    fn states(&self) -> Vec<State> {
        self.filter.state.map_or_else(|| State::ALL.to_vec(), |one| vec![one])
    }

    fn kinds(&self) -> Vec<Kind> {
        self.filter.kind.map_or_else(|| Kind::ALL.to_vec(), |one| vec![one])
    }

    fn channels(&self) -> Vec<Channel> {
        self.filter.channel.map_or_else(|| Channel::ALL.to_vec(), |one| vec![one])
    }
}

/// By what the list is ordered.
type Place = (Ts, NotificationId);

/// The dates of a filter, and its user: what follows in every index, or begins one.
macro_rules! of_days {
    ($query:expr, $filter:expr) => {{
        let mut query = $query.into_boxed::<MultiBackend>();
        if let Some(from) = $filter.from {
            query = query.filter(n::created_at.ge(from));
        }
        if let Some(until) = $filter.until {
            query = query.filter(n::created_at.lt(until));
        }
        query
    }};
}

/// Where one patient's notifications stand that the filter lets through. All that it looks at is of that patient: an
/// expression keeps the database from another index, which would hold those of everybody else.
macro_rules! of_patient {
    ($query:expr, $narrowed:expr, $patient:expr, $with_state:expr) => {{
        let filter = &$narrowed.filter;
        let mut query = of_days!($query, filter).filter(in_time()).filter(n::patient_id.eq($patient));
        if let Some(state) = filter.state.filter(|_| $with_state) {
            query = query.filter(n::state.concat("").eq(state.as_str()));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(n::kind.concat("").eq(kind.as_str()));
        }
        if let Some(channel) = filter.channel {
            query = query.filter(n::channel.concat("").eq(channel.as_str()));
        }
        if let Some(user) = filter.user {
            query = query.filter((n::user_id + 0_i64).eq(user.0));
        }
        query.order((n::created_at.desc(), n::id.desc()))
    }};
}

/// A walk along one index, from where the page before ended. What it begins with follows from the rest, and lets the walk
/// begin there.
macro_rules! walked {
    ($conn:expr, $query:expr, $before:expr, $limit:expr) => {{
        let mut query = $query;
        if let Some((at, id)) = $before {
            let earlier = n::created_at.lt(at).or(n::created_at.eq(at).and(n::id.lt(id)));
            query = query.filter(n::created_at.le(at)).filter(earlier);
        }
        query.order((n::created_at.desc(), n::id.desc())).limit($limit).load::<Place>($conn)?
    }};
}

/// The places of the next page: from as many walks as the filter needs, each in the order of the page and no longer than it.
/// However large the Outbox is, nothing is passed over.
fn places(conn: &mut Conn, narrowed: &Narrowed, before: Option<Place>, limit: i64) -> QueryResult<Vec<Place>> {
    let (filter, columns) = (&narrowed.filter, (n::created_at, n::id));
    let mut found: Vec<Place> = Vec::new();
    match &narrowed.patients {
        Some(patients) => {
            for patient in patients {
                let theirs = of_patient!(n::table.select(columns), narrowed, *patient, true);
                found.extend(walked!(conn, theirs, before, limit));
            }
        }
        None if narrowed.parts() < 2 => {
            let mut query = of_days!(n::table.select(columns), filter);
            if let Some(state) = filter.state {
                query = query.filter(n::state.eq(state));
            }
            if let Some(kind) = filter.kind {
                query = query.filter(n::kind.eq(kind));
            }
            if let Some(channel) = filter.channel {
                query = query.filter(n::channel.eq(channel));
            }
            if let Some(user) = filter.user {
                query = query.filter(n::user_id.eq(user));
            }
            found = walked!(conn, query, before, limit);
        }
        None => {
            for kind in narrowed.kinds() {
                for channel in narrowed.channels() {
                    for state in narrowed.states() {
                        let mut query = of_days!(n::table.select(columns), filter)
                            .filter(n::kind.eq(kind))
                            .filter(n::channel.eq(channel))
                            .filter(n::state.eq(state));
                        if let Some(user) = filter.user {
                            query = query.filter(n::user_id.eq(user));
                        }
                        found.extend(walked!(conn, query, before, limit));
                    }
                }
            }
        }
    }
    found.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
    found.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(found)
}

type Joined = (NotificationRow, (String, String), Option<String>, Option<Ts>);

/// The notifications that the filter lets through, newest first: those before `before`, at most `limit`.
pub fn sent(
    conn: &mut Conn,
    _: &impl Authority<rights::Notify>,
    narrowed: &Narrowed,
    before: Option<(Ts, NotificationId)>,
    limit: i64,
) -> QueryResult<Vec<SentRow>> {
    let ids: Vec<NotificationId> = places(conn, narrowed, before, limit)?.into_iter().map(|(_, id)| id).collect();
    let mut rows: Vec<Joined> = n::table
        .inner_join(patients::table)
        .left_join(users::table)
        .left_join(messages::table)
        .filter(n::id.eq_any(ids))
        .select((
            NotificationRow::as_select(),
            (patients::given_name, patients::family_name),
            users::name.nullable(),
            messages::recalled_at.nullable(),
        ))
        .load(conn)?;
    rows.sort_unstable_by_key(|(row, ..)| std::cmp::Reverse((row.created_at, row.id)));
    let later = later(conn, rows.iter().map(|(row, ..)| row))?;
    let ids: Vec<CaregiverId> = rows.iter().filter_map(|(row, ..)| row.caregiver_id).collect();
    let caregivers = caregivers::named(conn, &ids)?;
    let shown = |(row, (given, family), user, recalled): Joined| SentRow {
        caregiver: row.caregiver_id.and_then(|id| caregivers.get(&id)).map(|(name, _)| name.clone()),
        is_newest: later.get(&NoticeKey::from_row(&row)).is_none_or(|id| *id <= row.id),
        row,
        is_recalled: recalled.is_some(),
        patient: format!("{given} {family}").trim().to_owned(),
        user,
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// What a notification says, to whom and by which road: who is sent it again is told the same.
#[derive(PartialEq, Eq, Hash)]
struct NoticeKey(Option<MessageId>, PatientId, Option<CaregiverId>, &'static str);

impl NoticeKey {
    fn from_row(row: &NotificationRow) -> NoticeKey {
        NoticeKey(row.message_id, row.patient_id, row.caregiver_id, row.channel.as_str())
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
        let again = n::table.filter(n::message_id.eq_any(messages));
        found.extend(again.select(NotificationRow::as_select()).load(conn)?);
    }
    if !patients.is_empty() {
        let again = n::table.filter(n::patient_id.eq_any(patients));
        let again = again.filter(n::kind.eq(Kind::PortalAccess));
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
    narrowed: &Narrowed,
) -> QueryResult<Vec<(State, i64)>> {
    let filter = &narrowed.filter;
    let mut counts: Vec<(State, i64)> = State::ALL.iter().map(|state| (*state, 0)).collect();
    if let Some(patients) = &narrowed.patients {
        for patient in patients {
            let theirs = of_patient!(n::table.select(n::state), narrowed, *patient, false);
            for state in theirs.limit(MOST_COUNTED + 1).load::<State>(conn)? {
                counts.iter_mut().filter(|(one, _)| *one == state).for_each(|(_, count)| *count += 1);
            }
        }
        counts.iter_mut().for_each(|(_, count)| *count = (*count).min(MOST_COUNTED + 1));
        return Ok(counts);
    }
    for (state, count) in &mut counts {
        let mut query = of_days!(n::table.select(n::id), filter).filter(n::state.eq(*state));
        // every kind and road is named where one is: the index has them in front of the state
        if filter.kind.is_some() || filter.channel.is_some() || filter.user.is_some() {
            query = query.filter(n::kind.eq_any(narrowed.kinds())).filter(n::channel.eq_any(narrowed.channels()));
        } else {
            // the order of the state's index: PostgreSQL would read the whole table for a rare state
            query = query.order((n::created_at.desc(), n::id.desc()));
        }
        if let Some(user) = filter.user {
            query = query.filter(n::user_id.eq(user));
        }
        *count = Counted(query.limit(MOST_COUNTED + 1)).get_result(conn)?;
    }
    Ok(counts)
}

/// Leaves the trace that the list was exported; before the first line goes out.
pub fn sent_exported(tx: &mut Tx, now: Ts, by: &ConfirmedUser<rights::Notify>) -> QueryResult<()> {
    let actor = Actor::User(by.user().id());
    audit::append(tx, now, Entry::of_clinic(actor, Event::OutboxExported, Subject::None))
}
