//! Drafts: what a user is writing to a patient, as the form stands, one for each user and patient.
//!
//! A save says over which version it was typed. Where another window saved meanwhile, or the message was sent, it is
//! refused: nothing is overwritten in silence, and nothing comes back from the dead.

use crate::access::{ChartAccess, Right, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::drafts;
use crate::db::{Conn, DbError, Ts, Tx};
use diesel::prelude::*;

/// The longest form that is kept, in bytes.
const LONGEST: usize = 600_000;

/// What is kept.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// the version to type over; 0 where there never was one
    pub version: i64,
    /// the form's names and values, and when it was saved; `None` where there is no draft
    pub kept: Option<(Vec<(String, String)>, Ts)>,
}

/// Why a draft was not saved.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// Saved in another window, thrown away or sent since this one was loaded.
    #[error("there is a newer draft")]
    Newer,
    /// Longer than any message may be.
    #[error("the draft is too long")]
    TooLong,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for DraftError {
    fn from(cause: diesel::result::Error) -> Self {
        DraftError::Db(cause.into())
    }
}

/// The user's draft to this patient.
///
/// # Errors
/// Those of the database, also where what is kept cannot be read.
pub fn draft<R: Right>(conn: &mut Conn, access: &ChartAccess<R>) -> Result<Draft, DbError> {
    let Some(row) = find(conn, access)? else { return Ok(Draft::default()) };
    let kept = row.form.map(|text| read(&text).map(|pairs| (pairs, row.saved_at))).transpose()?;
    Ok(Draft { version: row.version, kept })
}

/// Keeps the form over `version` and gives the new version. The first save of a draft leaves an audit row; those that
/// follow as one types are the same draft.
///
/// # Errors
/// See [`DraftError`].
pub fn save_draft(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::Send>,
    version: i64,
    form: &[(String, String)],
) -> Result<i64, DraftError> {
    let text = serde_json::to_string(form).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?;
    if text.len() > LONGEST {
        return Err(DraftError::TooLong);
    }
    let before = locked(tx, access)?;
    if before.as_ref().map_or(0, |row| row.version) != version {
        return Err(DraftError::Newer);
    }
    if before.is_none_or(|row| row.form.is_none()) {
        note(tx, now, access, Event::DraftSaved)?;
    }
    put(tx, now, access, version + 1, Some(&text))?;
    Ok(version + 1)
}

/// Throws the draft away. The version is the one that the page showed: a newer one of another window stays.
pub fn drop_draft(tx: &mut Tx, now: Ts, access: &ChartAccess<rights::Send>, version: i64) -> Result<(), DbError> {
    match locked(tx, access)? {
        Some(before) if before.version == version && before.form.is_some() => {
            put(tx, now, access, version + 1, None)?;
            note(tx, now, access, Event::DraftDiscarded)
        }
        _ => Ok(()),
    }
}

/// What was written is sent: its draft goes, by the version that the form shows or by the form's own key, as the last
/// save may still have been under way when Submit was pressed. The message leaves the audit row.
pub(super) fn draft_is_sent(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::Send>,
    version: i64,
    key: &str,
) -> Result<(), DbError> {
    let before = locked(tx, access)?;
    let kept = before.as_ref().and_then(|row| row.form.as_deref()).map(read).transpose()?.unwrap_or_default();
    let is_this_form = kept.iter().any(|(name, value)| name == "key" && value == key);
    let current = before.map_or(0, |row| row.version);
    // a row is left also where nothing was ever saved: a late save of this form must find it
    if is_this_form || current == version { put(tx, now, access, current + 1, None) } else { Ok(()) }
}

#[derive(Queryable)]
struct Row {
    version: i64,
    form: Option<String>,
    saved_at: Ts,
}

fn find<R: Right>(conn: &mut Conn, access: &ChartAccess<R>) -> QueryResult<Option<Row>> {
    let mine = drafts::table.find((access.user().id(), access.patient()));
    mine.select((drafts::version, drafts::form, drafts::saved_at)).first(conn).optional()
}

/// The row, held until the transaction ends. There may be none of the draft to lock, but there is one of the patient.
fn locked(tx: &mut Tx, access: &ChartAccess<rights::Send>) -> QueryResult<Option<Row>> {
    crate::db::lock_row(tx, "patients", access.patient().0)?;
    find(tx, access)
}

fn put(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::Send>,
    version: i64,
    form: Option<&str>,
) -> Result<(), DbError> {
    let (user, patient) = (access.user().id(), access.patient());
    let values = (drafts::version.eq(version), drafts::form.eq(form), drafts::saved_at.eq(now));
    let changed = diesel::update(drafts::table.find((user, patient))).set(values).execute(tx.conn())?;
    if changed == 0 {
        let whose = (drafts::user_id.eq(user), drafts::patient_id.eq(patient));
        diesel::insert_into(drafts::table)
            .values((whose.0, whose.1, values.0, values.1, values.2))
            .execute(tx.conn())?;
    }
    Ok(())
}

fn read(text: &str) -> Result<Vec<(String, String)>, DbError> {
    Ok(serde_json::from_str(text).map_err(|cause| diesel::result::Error::DeserializationError(cause.into()))?)
}

fn note(tx: &mut Tx, now: Ts, access: &ChartAccess<rights::Send>, event: Event) -> Result<(), DbError> {
    let entry = Entry::of_patient(Actor::User(access.user().id()), event, access.patient(), Subject::None);
    Ok(audit::append(tx, now, entry)?)
}
