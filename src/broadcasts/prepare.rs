//! Prepares a broadcast: reads the list, finds out who can be told, and keeps both.

use super::due::words_for;
use super::types::{Fate, Roads, State, words_of};
use crate::access::{self, SignedInUser, rights};
use crate::attachments::{self, AttachError, Picks};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::conversations::Fields;
use crate::db::schema::{broadcast_recipients as r, broadcasts as b};
use crate::db::sealed;
use crate::db::{Both, BroadcastId, Conn, DbError, PatientId, Ts, Tx, lock_row};
use crate::notifications;
use crate::patients::{self, Patient};
use crate::settings;
use diesel::prelude::*;
use std::collections::{HashMap, HashSet};

/// The most lines of a list.
pub const LONGEST_LIST: usize = 10_000;

/// So many rows are written by one statement.
const ROWS: usize = 500;

/// Lines of a list, by their numbers, that name nobody to write to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unread {
    /// nobody is known by it
    pub unknown: Vec<usize>,
    /// it names a patient of an earlier line
    pub double: Vec<usize>,
    /// several patients are known by it
    pub several: Vec<usize>,
}

struct Recipient {
    patient: PatientId,
    reason: Option<String>,
    roads: Option<Roads>,
}

/// A list that was read, and who of it can be told.
pub struct Checked {
    /// lines that were left out
    pub unread: Unread,
    recipients: Vec<Recipient>,
}

impl Checked {
    /// How many patients the list names.
    pub fn count(&self) -> usize {
        self.recipients.len()
    }
}

/// The lines of a list that say something, with their numbers: of each what stands before a comma, semicolon or tab, as the first
/// column of a table.
pub fn lines_of(list: &str) -> Vec<(usize, String)> {
    let first =
        |line: &str| line.split([',', ';', '\t']).next().unwrap_or_default().trim().trim_matches('"').to_owned();
    let lines = list.lines().enumerate().map(|(at, line)| (at + 1, first(line)));
    lines.filter(|(_, line)| !line.is_empty()).collect()
}

/// Reads the list of a form, and asks of each patient whether they can be told, and whether the words can be filled in for them.
pub fn check(
    conn: &mut Conn,
    now: Ts,
    user: &SignedInUser<rights::SendMany>,
    form: &[(String, String)],
) -> QueryResult<Checked> {
    let lines = lines_of(Fields(form).get("recipients"));
    let words: Vec<String> = lines.iter().map(|(_, line)| line.clone()).collect();
    let named = patients::named_by_lines(conn, &words)?;
    let (mut unread, mut order, mut seen) = (Unread::default(), Vec::new(), HashSet::new());
    for ((at, _), named) in lines.iter().zip(named) {
        match named.as_slice() {
            [] => unread.unknown.push(*at),
            [one] if seen.insert(*one) => order.push(*one),
            [_] => unread.double.push(*at),
            _ => unread.several.push(*at),
        }
    }
    let settings = settings::load(conn)?;
    let mut records: HashMap<PatientId, Patient> = HashMap::new();
    for patient in patients::patients_by_ids(conn, &order)? {
        records.insert(patient.id, patient);
    }
    let there: Vec<Patient> = order.iter().filter_map(|id| records.remove(id)).collect();
    let mut recipients = Vec::with_capacity(there.len());
    for some in there.chunks(ROWS) {
        let blocks = notifications::blocks_of(conn, some)?;
        let cared_for = notifications::with_caregiver(conn, (now, now), some)?;
        for (patient, blocks) in some.iter().zip(blocks) {
            let obstacles = notifications::obstacles(&settings, patient, &blocks);
            let obstacles = notifications::without_address(obstacles, cared_for.contains(&patient.id));
            let reason = match obstacles.is_empty() {
                false => Some(words_of(&obstacles)),
                true => words_for(form, patient, user.name(), &settings, now).err().map(|why| why.as_str().to_owned()),
            };
            let roads = Roads::of(&notifications::plan(patient, &blocks).links).filter(|_| reason.is_none());
            recipients.push(Recipient { patient: patient.id, reason, roads });
        }
    }
    Ok(Checked { unread, recipients })
}

/// What was written.
pub struct NewBroadcast {
    /// the form, as it came, with nothing but what is to be kept
    pub form: Vec<(String, String)>,
    /// names and sizes of its files, kept with the form: see [`super::KEPT_FILE`]
    pub named: Vec<(String, String)>,
    /// its files: uploads for many
    pub files: Picks,
    /// the form's idempotency key
    pub key: String,
    /// the one that was prepared before, in whose place it comes
    pub replaces: Option<BroadcastId>,
    /// the version of the draft that the form showed; -1: none
    pub draft: i64,
}

/// Why nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The user was deactivated a moment ago.
    #[error("the user may not sign in any more")]
    Deactivated,
    /// The one in whose place it was to come has been sent, or removed, meanwhile.
    #[error("it was sent or removed meanwhile")]
    Overtaken,
    /// A file cannot be sent.
    #[error(transparent)]
    Files(#[from] AttachError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(PrepareError);

/// Keeps it with its list, in the caller's transaction; nothing of it goes out. The same key gives the first result again.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::SendMany>,
    new: &NewBroadcast,
    checked: &Checked,
) -> Result<BroadcastId, PrepareError> {
    // whoever saves the draft waits for the user too
    lock_row(tx, "users", user.id().0)?;
    if access::active(tx, &[user.id()])?.is_empty() {
        return Err(PrepareError::Deactivated);
    }
    let fields = Fields(&new.form);
    let form =
        serde_json::to_string(&new.form).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?;
    let digest = sealed::digest(&form)?;
    // as for what is sent at once: other words from the same form are another message
    let form_key = format!("u{}:{}:{}", user.id(), new.key, data_encoding::HEXLOWER.encode(&digest));
    if let Some(old) = new.replaces {
        lock_row(tx, "broadcasts", old.0)?;
    }
    // below the lock: where the same form was pressed twice, the second press waits there for the first
    let before = b::table.filter(b::form_key.eq(&form_key)).select(b::id).first::<BroadcastId>(tx.conn());
    if let Some(before) = before.optional()? {
        return Ok(before);
    }
    if let Some(old) = new.replaces {
        attachments::free_of_many(tx, user, old, &new.files)?;
        if !super::send::forget(tx, now, old)? {
            return Err(PrepareError::Overtaken);
        }
    }
    // what the files are called is no part of the key: a second press finds them with the first one's message
    let kept: Vec<&(String, String)> = new.form.iter().chain(&new.named).collect();
    let form = serde_json::to_string(&kept).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?;
    let row = (
        (b::user_id.eq(user.id()), b::title.eq(sealed::text(fields.get("title"))), b::form.eq(sealed::text(&form))),
        (b::state.eq(State::Prepared), b::created_at.eq(now), b::state_at.eq(now), b::form_key.eq(&form_key)),
    );
    // the same form at the same moment, where it comes in the place of none: one of them is kept
    let is_first = Both(diesel::insert_into(b::table).values(row).on_conflict_do_nothing()).execute(tx.conn())? > 0;
    let id: BroadcastId = b::table.filter(b::form_key.eq(&form_key)).select(b::id).first(tx.conn())?;
    if !is_first {
        return Ok(id);
    }
    let confirmed = attachments::hold_for_many(tx, user, id, &new.files)?;
    for some in checked.recipients.chunks(ROWS) {
        add(tx, id, some)?;
    }
    super::draft::is_prepared(tx, now, user.id(), new.draft, &new.key)?;
    let entry = Entry::of_clinic(Actor::User(user.id()), Event::BroadcastPrepared, Subject::Broadcast(id));
    // after the last row that another may hold: who has that row may wait for the clinic's chain
    for entry in confirmed.into_iter().chain([entry]) {
        audit::append(tx, now, entry)?;
    }
    Ok(id)
}

/// One statement for many rows: what is written into it are numbers, and words of the program.
fn add(tx: &mut Tx, id: BroadcastId, some: &[Recipient]) -> QueryResult<()> {
    let quoted = |word: Option<&str>| word.map_or_else(|| "NULL".to_owned(), |word| format!("'{word}'"));
    let rows: Vec<String> = some
        .iter()
        .map(|one| {
            let fate = if one.reason.is_some() { Fate::NotSent } else { Fate::Waiting };
            let (reason, roads) = (quoted(one.reason.as_deref()), quoted(one.roads.map(Roads::as_str)));
            format!("({id}, {}, '{}', {reason}, {roads})", one.patient, fate.as_str())
        })
        .collect();
    let statement = format!(
        "INSERT INTO broadcast_recipients (broadcast_id, patient_id, state, reason, roads) VALUES {}",
        rows.join(", ")
    );
    diesel::sql_query(statement).execute(tx.conn())?;
    Ok(())
}

/// Whether anybody is left to whom it could go.
pub(super) fn waits(conn: &mut Conn, id: BroadcastId) -> QueryResult<bool> {
    let waiting = r::table.filter(r::broadcast_id.eq(id)).filter(r::state.eq(Fate::Waiting));
    Ok(waiting.select(r::id).order(r::id).first::<crate::db::RecipientId>(conn).optional()?.is_some())
}

#[cfg(test)]
mod tests {
    use super::lines_of;

    #[test]
    fn a_line_is_what_stands_in_the_first_column() {
        let list = "943 476 5919\r\n\r\n\"12-34\", Jane\n  \nA7;x\n";
        let lines = [(1, "943 476 5919"), (3, "12-34"), (5, "A7")];
        assert_eq!(lines_of(list), lines.map(|(at, line)| (at, line.to_owned())));
    }
}
