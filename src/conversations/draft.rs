//! Drafts keep what a user is writing, as the fields of the form: one draft for each user and patient, and in each
//! conversation one of a reply and one of a note.
//!
//! A save names the version that it was typed over. Where another window has saved since, or the message was sent, the
//! save is refused: no newer text is overwritten, and a draft that was sent does not come back.

use super::fields::Fields;
use super::types::{BodyFormat, Writing};
use crate::access::{self, ChartAccess, ConversationAccess, Right, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{conversation_drafts, conversations, drafts};
use crate::db::sealed::{self, ConversationDraftForm, DraftForm, Held, Owned};
use crate::db::{Conn, ConversationId, DbError, PatientId, Ts, Tx, UserId};
use crate::text::CleanHtml;
use diesel::prelude::*;

/// The longest form that is kept, in bytes.
const LONGEST: usize = 600_000;

/// A draft as it is stored.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// the version that the next save must name; 0 where there never was a draft
    pub version: i64,
    /// the form's names and values, and when it was saved; `None` where there is no draft
    pub kept: Option<(Vec<(String, String)>, Ts)>,
}

/// The user of a draft, and what it is a draft of. Only a proof makes one, so that nobody reads another user's draft.
#[derive(Debug, Clone, Copy)]
pub struct DraftPlace {
    user: UserId,
    patient: PatientId,
    within: Option<(ConversationId, Writing)>,
}

impl DraftPlace {
    /// A new message to this patient.
    pub fn new_message<R: Right>(access: &ChartAccess<R>) -> DraftPlace {
        DraftPlace { user: access.user().id(), patient: access.patient(), within: None }
    }

    /// A reply or note in this conversation.
    pub fn within<R: Right>(access: &ConversationAccess<R>, writing: Writing) -> DraftPlace {
        let within = Some((access.conversation(), writing));
        DraftPlace { user: access.user().id(), patient: access.patient(), within }
    }
}

/// The place of a draft in which the user has the right to write.
#[derive(Debug, Clone, Copy)]
pub struct OwnDraft(DraftPlace);

impl OwnDraft {
    /// A new message to this patient.
    pub fn new_message(access: &ChartAccess<rights::Send>) -> OwnDraft {
        OwnDraft(DraftPlace::new_message(access))
    }

    /// A reply or note in this conversation.
    pub fn within(access: &ConversationAccess<rights::Send>, writing: Writing) -> OwnDraft {
        OwnDraft(DraftPlace::within(access, writing))
    }
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

crate::from_database!(DraftError);

/// The user's draft at this place.
///
/// # Errors
/// Database errors, also where the stored draft cannot be read.
pub fn draft(conn: &mut Conn, place: DraftPlace) -> Result<Draft, DbError> {
    let Some(row) = find(conn, place)? else { return Ok(Draft::default()) };
    let kept = row.form.map(|text| read(&text).map(|pairs| (pairs, row.saved_at))).transpose()?;
    Ok(Draft { version: row.version, kept })
}

/// Saves the form over `version` and gives the new version. The first save of a draft leaves an audit row; later saves,
/// as the user types on, leave none.
///
/// # Errors
/// See [`DraftError`].
pub fn save_draft(
    tx: &mut Tx,
    now: Ts,
    OwnDraft(place): OwnDraft,
    version: i64,
    form: &[(String, String)],
) -> Result<i64, DraftError> {
    let text = serde_json::to_string(form).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?;
    if text.len() > LONGEST {
        return Err(DraftError::TooLong);
    }
    // the drafts of a user who was deactivated a moment ago belong to somebody else now
    let is_theirs = !access::active(tx, &[place.user])?.is_empty();
    let place = held(tx, place)?;
    let before = find(tx, place)?;
    if !is_theirs || before.as_ref().map_or(0, |row| row.version) != version {
        return Err(DraftError::Newer);
    }
    if before.is_none_or(|row| row.form.is_none()) {
        audit_draft(tx, now, place, Event::DraftSaved)?;
    }
    put(tx, now, place, version + 1, Some(&text))?;
    Ok(version + 1)
}

/// Throws the draft away. `version` is the one that the page showed: a newer draft of another window stays.
pub fn drop_draft(tx: &mut Tx, now: Ts, OwnDraft(place): OwnDraft, version: i64) -> Result<(), DbError> {
    let place = held(tx, place)?;
    match find(tx, place)? {
        Some(before) if before.version == version && before.form.is_some() => {
            put(tx, now, place, version + 1, None)?;
            audit_draft(tx, now, place, Event::DraftDiscarded)
        }
        _ => Ok(()),
    }
}

/// The drafts of every user to one patient become drafts to another. Where a user has both, the words of one stand
/// below those of the other. Gives each user's form as it was, for [`put_drafts_back`].
pub fn move_drafts(tx: &mut Tx, now: Ts, from: PatientId, to: PatientId) -> Result<Vec<(UserId, String)>, DbError> {
    let rows: Vec<(UserId, i64, Option<Held<DraftForm>>)> = drafts::table
        .filter(drafts::patient_id.eq(from))
        .order(drafts::user_id)
        .select((drafts::user_id, drafts::version, drafts::form))
        .load(tx.conn())?;
    let mut moved = Vec::new();
    for (user, version, form) in rows {
        let Some(form) = form.map(|form| form.of(user)).transpose()? else { continue };
        let place = |patient| DraftPlace { user, patient, within: None };
        move_draft(tx, now, (place(from), version, &form), place(to))?;
        moved.push((user, form));
    }
    Ok(moved)
}

/// Moves a draft to another place, below a draft that is there already.
fn move_draft(
    tx: &mut Tx,
    now: Ts,
    (from, version, form): (DraftPlace, i64, &str),
    to: DraftPlace,
) -> Result<(), DbError> {
    let before = find(tx, to)?;
    let newest = before.as_ref().map_or(0, |row| row.version).max(version) + 1;
    let text = match before.and_then(|row| row.form) {
        Some(own) => joined(read(&own)?, read(form)?)?,
        None => form.to_owned(),
    };
    put(tx, now, to, newest, Some(&text))?;
    put(tx, now, from, version + 1, None)
}

type Begun = (DraftPlace, i64, String);

/// Everything that a user has begun to write, by patient.
fn begun(conn: &mut Conn, user: UserId) -> QueryResult<Vec<Begun>> {
    let new: Vec<(PatientId, i64, Option<Held<DraftForm>>)> = drafts::table
        .filter(drafts::user_id.eq(user))
        .filter(drafts::form.is_not_null())
        .select((drafts::patient_id, drafts::version, drafts::form))
        .load(conn)?;
    use conversation_drafts as d;
    type Within = (PatientId, ConversationId, Writing, i64, Option<Held<ConversationDraftForm>>);
    let within: Vec<Within> = d::table
        .inner_join(conversations::table.on(conversations::id.eq(d::conversation_id)))
        .filter(d::user_id.eq(user))
        .filter(d::form.is_not_null())
        .select((conversations::patient_id, d::conversation_id, d::writing, d::version, d::form))
        .load(conn)?;
    let new = new.into_iter().map(|(patient, version, form)| {
        let form = opened(user, form)?.unwrap_or_default();
        Ok((DraftPlace { user, patient, within: None }, version, form))
    });
    let within = within.into_iter().map(|(patient, conversation, writing, version, form)| {
        let form = opened(user, form)?.unwrap_or_default();
        Ok((DraftPlace { user, patient, within: Some((conversation, writing)) }, version, form))
    });
    let mut all: Vec<Begun> = new.chain(within).collect::<QueryResult<_>>()?;
    all.sort_by_key(|(place, ..)| (place.patient, place.within.map(|(conversation, _)| conversation)));
    Ok(all)
}

/// How many drafts a user has.
pub fn count_drafts(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    Ok(begun(conn, user)?.len() as i64)
}

/// Gives the drafts of one user to another, who goes on from there. Where both have a draft, the words of one stand
/// below those of the other. Gives the patients, and the conversations for drafts of replies and notes.
pub fn hand_over_drafts(
    tx: &mut Tx,
    now: Ts,
    from: UserId,
    to: UserId,
) -> Result<Vec<(PatientId, Option<ConversationId>)>, DbError> {
    let mut handed = Vec::new();
    for (place, version, form) in begun(tx, from)? {
        move_draft(tx, now, (place, version, &form), DraftPlace { user: to, ..place })?;
        handed.push((place.patient, place.within.map(|(conversation, _)| conversation)));
    }
    Ok(handed)
}

/// Gives users their drafts to a patient back, where they have begun none since.
pub fn put_drafts_back(tx: &mut Tx, now: Ts, to: PatientId, kept: &[(UserId, String)]) -> Result<(), DbError> {
    for (user, form) in kept {
        let theirs = drafts::table.find((*user, to)).select((drafts::version, drafts::form, drafts::saved_at));
        let before =
            theirs.first::<Found<DraftForm>>(tx.conn()).optional()?.map(|found| row(*user, found)).transpose()?;
        if let Some(row) = before.filter(|row| row.form.is_none()) {
            let place = DraftPlace { user: *user, patient: to, within: None };
            put(tx, now, place, row.version + 1, Some(form))?;
        }
    }
    Ok(())
}

/// One form with the words of both: the title is the first one's, the texts stand below each other, and so do the
/// files. Where one of them was for the patient alone, no caregiver reads its words.
fn joined(own: Vec<(String, String)>, other: Vec<(String, String)>) -> Result<String, DbError> {
    let is_mixed = Fields(&own).format() != Fields(&other).format();
    let (mut both, other) = if is_mixed { (in_markdown(own), in_markdown(other)) } else { (own, other) };
    let is_alone = |form: &[(String, String)]| form.iter().any(|(name, _)| name == "only_patient");
    let takes_tick = is_alone(&other) && !is_alone(&both);
    for (name, value) in other {
        match both.iter_mut().find(|(n, _)| *n == name && name == "body") {
            Some(_) if value.is_empty() => {}
            Some((_, body)) => *body = format!("{body}\n\n{value}"),
            None if name == "upload" || name == "chart_item" || name == "body" => both.push((name, value)),
            None if name == "only_patient" && takes_tick => both.push((name, value)),
            None => {}
        }
    }
    Ok(serde_json::to_string(&both).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?)
}

/// The form with its text as Markdown, where it was HTML from the editor.
fn in_markdown(mut form: Vec<(String, String)>) -> Vec<(String, String)> {
    if Fields(&form).format() == BodyFormat::Html {
        for (name, value) in &mut form {
            match name.as_str() {
                "body" => *value = CleanHtml::from_html(value).to_markdown().trim_end().to_owned(),
                "body_format" => *value = BodyFormat::Markdown.as_str().to_owned(),
                _ => {}
            }
        }
    }
    form
}

/// Removes the draft of what was sent, found by the version that the form shows or by the form's own key: the last save
/// may still have been under way when Submit was pressed. The message itself leaves the audit row.
pub(super) fn draft_is_sent(
    tx: &mut Tx,
    now: Ts,
    OwnDraft(place): OwnDraft,
    version: i64,
    key: &str,
) -> Result<(), DbError> {
    let place = held(tx, place)?;
    let before = find(tx, place)?;
    let kept = before.as_ref().and_then(|row| row.form.as_deref()).map(read).transpose()?.unwrap_or_default();
    let is_this_form = kept.iter().any(|(name, value)| name == "key" && value == key);
    let current = before.map_or(0, |row| row.version);
    // a row stays also where nothing was ever saved, so that a late save of this form is refused
    if is_this_form || current == version { put(tx, now, place, current + 1, None) } else { Ok(()) }
}

struct Row {
    version: i64,
    form: Option<String>,
    saved_at: Ts,
}

type Found<C> = (i64, Option<Held<C>>, Ts);

fn row<C: Owned>(user: UserId, (version, form, saved_at): Found<C>) -> QueryResult<Row> {
    Ok(Row { version, form: opened(user, form)?, saved_at })
}

fn opened<C: Owned>(user: UserId, form: Option<Held<C>>) -> QueryResult<Option<String>> {
    form.map(|form| form.of(user)).transpose()
}

fn find(conn: &mut Conn, place: DraftPlace) -> QueryResult<Option<Row>> {
    match place.within {
        None => {
            use drafts::dsl;
            let mine = drafts::table.find((place.user, place.patient));
            let found = mine.select((dsl::version, dsl::form, dsl::saved_at)).first(conn).optional()?;
            found.map(|found: Found<DraftForm>| row(place.user, found)).transpose()
        }
        Some((conversation, writing)) => {
            use conversation_drafts::dsl;
            let mine = conversation_drafts::table.find((place.user, conversation, writing));
            let found = mine.select((dsl::version, dsl::form, dsl::saved_at)).first(conn).optional()?;
            found.map(|found: Found<ConversationDraftForm>| row(place.user, found)).transpose()
        }
    }
}

/// The place as it is in this transaction, with a row locked: the draft itself may have no row yet, but the
/// conversation has one, or the patient, whose chart may have been merged since the proof was made.
fn held(tx: &mut Tx, place: DraftPlace) -> QueryResult<DraftPlace> {
    match place.within {
        Some((conversation, _)) => {
            crate::db::lock_row(tx, "conversations", conversation.0)?;
            Ok(place)
        }
        None => Ok(DraftPlace { patient: access::held(tx, place.patient)?, ..place }),
    }
}

fn put(tx: &mut Tx, now: Ts, place: DraftPlace, version: i64, form: Option<&str>) -> Result<(), DbError> {
    let form = form.map(|form| sealed::of(place.user, form));
    match place.within {
        None => {
            use drafts::dsl;
            let values = (dsl::version.eq(version), dsl::form.eq(form), dsl::saved_at.eq(now));
            let mine = drafts::table.find((place.user, place.patient));
            if diesel::update(mine).set(values.clone()).execute(tx.conn())? == 0 {
                let whose = (dsl::user_id.eq(place.user), dsl::patient_id.eq(place.patient));
                let row = (whose.0, whose.1, values.0, values.1, values.2);
                diesel::insert_into(drafts::table).values(row).execute(tx.conn())?;
            }
        }
        Some((conversation, writing)) => {
            use conversation_drafts::dsl;
            let values = (dsl::version.eq(version), dsl::form.eq(form), dsl::saved_at.eq(now));
            let mine = conversation_drafts::table.find((place.user, conversation, writing));
            if diesel::update(mine).set(values.clone()).execute(tx.conn())? == 0 {
                let whose = (dsl::user_id.eq(place.user), dsl::conversation_id.eq(conversation));
                let row = (whose.0, whose.1, dsl::writing.eq(writing), values.0, values.1, values.2);
                diesel::insert_into(conversation_drafts::table).values(row).execute(tx.conn())?;
            }
        }
    }
    Ok(())
}

fn read(text: &str) -> Result<Vec<(String, String)>, DbError> {
    Ok(serde_json::from_str(text).map_err(|cause| diesel::result::Error::DeserializationError(cause.into()))?)
}

fn audit_draft(tx: &mut Tx, now: Ts, place: DraftPlace, event: Event) -> Result<(), DbError> {
    let subject = place.within.map_or(Subject::None, |(conversation, _)| Subject::Conversation(conversation));
    let entry = Entry::of_patient(Actor::User(place.user), event, place.patient, subject);
    Ok(audit::append(tx, now, entry)?)
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn words_of_two_stand_below_each_other() {
        let form = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let of = |body, format| form(&[("title", "Iron"), ("body", body), ("body_format", format)]);
        let both = joined(of("Mine", "markdown"), of("<p>See <strong>me</strong></p>", "html")).unwrap();
        assert_eq!(both, serde_json::to_string(&of("Mine\n\nSee **me**", "markdown")).unwrap());
        let both = joined(of("<p>Mine</p>", "html"), form(&[("body", "**Yours**"), ("only_patient", "on")])).unwrap();
        let alone = [of("Mine\n\n**Yours**", "markdown"), form(&[("only_patient", "on")])].concat();
        assert_eq!(both, serde_json::to_string(&alone).unwrap());
        let once = joined(alone.clone(), alone).unwrap();
        assert_eq!(once.matches("only_patient").count(), 1);
    }
}
