//! Reading broadcasts.

use super::due;
use super::types::{Fate, Roads, State, StopReason};
use crate::access::{Right, SignedInUser};
use crate::attachments;
use crate::conversations::Fields;
use crate::db::schema::{broadcast_recipients as r, broadcasts as b, patients as p};
use crate::db::sealed::Opened;
use crate::db::{BroadcastId, Conn, ConversationId, PatientId, RecipientId, Ts, UploadId, UserId};
use crate::patients::{self, ArchiveReason};
use crate::settings::Settings;
use crate::storage::Scan;
use crate::text::CleanHtml;
use crate::users;
use diesel::dsl::count_star;
use diesel::prelude::*;
use std::collections::HashMap;

/// A broadcast as the list shows it.
#[derive(Debug, Clone)]
pub struct BroadcastRow {
    /// identity
    pub id: BroadcastId,
    /// its title, as written: with placeholders
    pub title: String,
    /// who prepared it, or sent it
    pub user_name: String,
    /// what has become of it
    pub state: State,
    /// since when
    pub state_at: Ts,
}

/// A broadcast.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// identity
    pub id: BroadcastId,
    /// its title, as written: with placeholders
    pub title: String,
    /// who prepared it, or sent it
    pub user_name: String,
    /// what has become of it
    pub state: State,
    /// since when
    pub state_at: Ts,
    /// when it was sent
    pub sent_at: Option<Ts>,
    /// why it was stopped
    pub reason: Option<StopReason>,
    /// the name of the user who stopped it
    pub stopped_by: Option<String>,
}

impl Broadcast {
    /// Why it was stopped, as a word.
    pub fn stop_word(&self) -> &'static str {
        self.reason.unwrap_or(StopReason::User).as_str()
    }
}

/// The clinic's broadcasts, the newest first, after `after`; at most `limit`.
pub fn list(conn: &mut Conn, after: Option<BroadcastId>, limit: i64) -> QueryResult<Vec<BroadcastRow>> {
    let before = after.unwrap_or(BroadcastId(i64::MAX));
    let page = b::table.filter(b::id.lt(before)).order(b::id.desc()).limit(limit);
    let rows: Vec<(BroadcastId, Opened, UserId, State, Ts)> =
        page.select((b::id, b::title, b::user_id, b::state, b::state_at)).load(conn)?;
    let users: Vec<UserId> = rows.iter().map(|row| row.2).collect();
    let names: HashMap<UserId, String> = users::names_of(conn, &users)?.into_iter().collect();
    let shown = rows.into_iter().map(|(id, Opened(title), user, state, state_at)| BroadcastRow {
        id,
        title,
        user_name: names.get(&user).cloned().unwrap_or_default(),
        state,
        state_at,
    });
    Ok(shown.collect())
}

type Found = ((BroadcastId, Opened, UserId), (State, Ts, Option<Ts>), (Option<StopReason>, Option<UserId>));

/// One of the clinic's broadcasts.
pub fn find(conn: &mut Conn, id: BroadcastId) -> QueryResult<Option<Broadcast>> {
    let row = b::table.find(id).select((
        (b::id, b::title, b::user_id),
        (b::state, b::state_at, b::sent_at),
        (b::reason, b::stopped_by),
    ));
    let Some(row) = row.first::<Found>(conn).optional()? else { return Ok(None) };
    let ((id, Opened(title), user), (state, state_at, sent_at), (reason, stopped_by)) = row;
    let users: Vec<UserId> = [Some(user), stopped_by].into_iter().flatten().collect();
    let names: HashMap<UserId, String> = users::names_of(conn, &users)?.into_iter().collect();
    Ok(Some(Broadcast {
        id,
        title,
        user_name: names.get(&user).cloned().unwrap_or_default(),
        state,
        state_at,
        sent_at,
        reason,
        stopped_by: stopped_by.and_then(|by| names.get(&by).cloned()),
    }))
}

/// What was written, and the lines of the list that were left out.
pub fn form_of(conn: &mut Conn, id: BroadcastId) -> QueryResult<Option<Vec<(String, String)>>> {
    match due::form(conn, id) {
        Err(diesel::result::Error::NotFound) => Ok(None),
        form => form.map(Some),
    }
}

/// A file that everybody on the list gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOfMany {
    /// its name
    pub name: String,
    /// size in bytes
    pub size: i64,
    /// what the virus scanner says; `None` once it has gone to everybody or was stopped: then the conversations have it
    pub scan: Option<Scan>,
}

/// The names under which a form keeps the names and the sizes of its files, for when the files themselves are let go.
pub const KEPT_FILE: (&str, &str) = ("file_name", "file_size");

/// The files of a broadcast whose form this is, in their order.
pub fn files_of(conn: &mut Conn, id: BroadcastId, form: &[(String, String)]) -> QueryResult<Vec<FileOfMany>> {
    let scans: HashMap<UploadId, Scan> = attachments::scans_of_shared(conn, id)?.into_iter().collect();
    let all = |named: &'static str| form.iter().filter(move |(name, _)| name == named).map(|(_, value)| value);
    let said = all(KEPT_FILE.0).zip(all(KEPT_FILE.1));
    let files = Fields(form).uploads().into_iter().zip(said).map(|(upload, (name, size))| FileOfMany {
        name: name.clone(),
        size: size.parse().unwrap_or_default(),
        scan: scans.get(&upload).copied(),
    });
    Ok(files.collect())
}

/// How many patients there are in each state. A list has at most [`super::LONGEST_LIST`] of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// to whom it has not gone yet
    pub waiting: i64,
    /// to whom it has gone
    pub sent: i64,
    /// to whom it does not go
    pub not_sent: i64,
    /// who is, or was to be, told by which ways
    pub roads: Vec<(Roads, i64)>,
    /// why it does not go to some: the words of a reason, the most frequent first
    pub reasons: Vec<(String, i64)>,
}

impl Counts {
    /// How many patients are on the list.
    pub fn all(&self) -> i64 {
        self.waiting + self.sent + self.not_sent
    }
}

/// Counts the patients of a broadcast.
pub fn counts(conn: &mut Conn, id: BroadcastId) -> QueryResult<Counts> {
    type Group = (Fate, Option<String>, Option<Roads>, i64);
    let groups: Vec<Group> = r::table
        .filter(r::broadcast_id.eq(id))
        .group_by((r::state, r::reason, r::roads))
        .select((r::state, r::reason, r::roads, count_star()))
        .load(conn)?;
    let mut counts = Counts::default();
    let (mut roads, mut reasons): (HashMap<Roads, i64>, HashMap<String, i64>) = (HashMap::new(), HashMap::new());
    for (fate, reason, by, count) in groups {
        match fate {
            Fate::Waiting => counts.waiting += count,
            Fate::Sent => counts.sent += count,
            Fate::NotSent => counts.not_sent += count,
        }
        if let (Some(by), Fate::Waiting | Fate::Sent) = (by, fate) {
            *roads.entry(by).or_default() += count;
        }
        if let (Some(reason), Fate::NotSent) = (reason, fate) {
            *reasons.entry(reason).or_default() += count;
        }
    }
    counts.roads = Roads::ALL.iter().filter_map(|by| Some((*by, *roads.get(by)?))).collect();
    counts.reasons = reasons.into_iter().collect();
    counts.reasons.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    Ok(counts)
}

/// A patient of the list.
#[derive(Debug, Clone)]
pub struct RecipientRow {
    /// identity
    pub id: RecipientId,
    /// who
    pub patient_id: PatientId,
    /// their name
    pub patient_name: String,
    /// why their record is archived
    pub archive_reason: Option<ArchiveReason>,
    /// what has become of it
    pub fate: Fate,
    /// the words of the reason why it does not go to them
    pub reason: Option<String>,
    /// by which ways they are told
    pub roads: Option<Roads>,
    /// the conversation with them
    pub conversation_id: Option<ConversationId>,
}

/// The patients of a broadcast who are in this state, in the order of the list, after `after`; at most `limit`.
pub fn recipients(
    conn: &mut Conn,
    id: BroadcastId,
    fate: Fate,
    after: Option<RecipientId>,
    limit: i64,
) -> QueryResult<Vec<RecipientRow>> {
    type Row = (
        (RecipientId, PatientId, Fate, Option<String>, Option<Roads>, Option<ConversationId>),
        (String, String, Option<ArchiveReason>),
    );
    let rows: Vec<Row> = r::table
        .inner_join(p::table)
        .filter(r::broadcast_id.eq(id))
        .filter(r::state.eq(fate))
        .filter(r::id.gt(after.unwrap_or(RecipientId(0))))
        .order(r::id)
        .limit(limit)
        .select((
            (r::id, r::patient_id, r::state, r::reason, r::roads, r::conversation_id),
            (p::given_name, p::family_name, p::archive_reason),
        ))
        .load(conn)?;
    let shown = rows.into_iter().map(|((id, patient_id, fate, reason, roads, conversation_id), of)| RecipientRow {
        id,
        patient_id,
        patient_name: format!("{} {}", of.0, of.1).trim().to_owned(),
        archive_reason: of.2,
        fate,
        reason,
        roads,
        conversation_id,
    });
    Ok(shown.collect())
}

/// A broadcast as one patient gets it.
pub struct Sample {
    /// the patient's name
    pub patient_name: String,
    /// the title
    pub title: String,
    /// the message
    pub body: CleanHtml,
}

/// A broadcast that is not sent as the first patient of its list would get it from this user; `None` where nobody can be told.
pub fn sample<R: Right>(
    conn: &mut Conn,
    now: Ts,
    user: &SignedInUser<R>,
    settings: &Settings,
    id: BroadcastId,
) -> QueryResult<Option<Sample>> {
    let waiting = r::table.filter(r::broadcast_id.eq(id)).filter(r::state.eq(Fate::Waiting));
    let first: Option<PatientId> = waiting.order(r::id).select(r::patient_id).first(conn).optional()?;
    let Some(patient) = first else { return Ok(None) };
    let (form, found) = (due::form(conn, id)?, patients::patients_by_ids(conn, &[patient])?);
    let Some(patient) = found.into_iter().next() else { return Ok(None) };
    let words = due::words_for(&form, &patient, user.name(), settings, now).ok();
    Ok(words.map(|(title, body)| Sample {
        patient_name: patient.name(),
        title: title.as_str().to_owned(),
        body: body.html,
    }))
}

/// The broadcast that began a conversation, and the name of its sender.
pub fn of_conversation(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Option<(BroadcastId, String)>> {
    let row = r::table.inner_join(b::table).filter(r::conversation_id.eq(conversation));
    let found: Option<(BroadcastId, UserId)> = row.select((b::id, b::user_id)).first(conn).optional()?;
    let Some((id, user)) = found else { return Ok(None) };
    let name = users::names_of(conn, &[user])?.into_iter().next().map(|(_, name)| name);
    Ok(Some((id, name.unwrap_or_default())))
}
