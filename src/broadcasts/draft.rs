//! What a user is writing to many patients, as the fields of the form: one draft for each user. As with every draft, a save names the
//! version that it was typed over, so that no newer text is overwritten and what was kept for sending does not come back.

use crate::access::{self, SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::conversations::{BodyFormat, Draft, DraftError, Fields};
use crate::db::schema::broadcast_drafts as d;
use crate::db::sealed::{self, BroadcastDraftForm, Held};
use crate::db::{Both, Conn, DbError, Ts, Tx, UserId, lock_row};
use crate::text::CleanHtml;
use diesel::prelude::*;

/// The longest form that is kept, in bytes: the longest list and the longest text.
const LONGEST: usize = 1_000_000;

struct Row {
    version: i64,
    form: Option<String>,
    saved_at: Ts,
}

fn find(conn: &mut Conn, user: UserId) -> QueryResult<Option<Row>> {
    type Found = (i64, Option<Held<BroadcastDraftForm>>, Ts);
    let found = d::table.find(user).select((d::version, d::form, d::saved_at)).first::<Found>(conn).optional()?;
    let Some((version, form, saved_at)) = found else { return Ok(None) };
    let form = form.map(|form| form.of(user)).transpose()?;
    Ok(Some(Row { version, form, saved_at }))
}

fn read(text: &str) -> Result<Vec<(String, String)>, DbError> {
    Ok(serde_json::from_str(text).map_err(|cause| diesel::result::Error::DeserializationError(cause.into()))?)
}

fn written(form: &[(String, String)]) -> Result<String, DbError> {
    Ok(serde_json::to_string(form).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?)
}

/// Writes the next version over the one that was read, `before`; `None`: there was none. Gives whether it still was that one: the draft of
/// a user who leaves may have come to this user meanwhile.
fn put(tx: &mut Tx, now: Ts, user: UserId, before: Option<i64>, form: Option<&str>) -> QueryResult<bool> {
    let form = form.map(|form| sealed::of(user, form));
    let values = (d::version.eq(before.unwrap_or(0) + 1), d::form.eq(form), d::saved_at.eq(now));
    let rows = match before {
        Some(version) => {
            let read = d::table.find(user).filter(d::version.eq(version));
            diesel::update(read).set(values).execute(tx.conn())?
        }
        None => {
            let row = (d::user_id.eq(user), values.0, values.1, values.2);
            Both(diesel::insert_into(d::table).values(row).on_conflict_do_nothing()).execute(tx.conn())?
        }
    };
    Ok(rows > 0)
}

fn note(tx: &mut Tx, now: Ts, user: UserId, event: Event) -> QueryResult<()> {
    let entry = Entry::of_clinic(Actor::User(user), event, Subject::User(user));
    audit::append(tx, now, entry.with("many"))
}

/// The user's own draft.
///
/// # Errors
/// Database errors, also where the stored draft cannot be read.
pub fn draft(conn: &mut Conn, user: &SignedInUser<rights::SendMany>) -> Result<Draft, DbError> {
    let Some(row) = find(conn, user.id())? else { return Ok(Draft::default()) };
    let kept = row.form.map(|text| read(&text)).transpose()?.map(|pairs| (pairs, row.saved_at));
    Ok(Draft { version: row.version, kept })
}

/// Saves the form over `version` and gives the new version. The first save leaves an audit row; later ones, as the user types on,
/// leave none.
///
/// # Errors
/// See [`DraftError`].
pub fn save_draft(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::SendMany>,
    version: i64,
    form: &[(String, String)],
) -> Result<i64, DraftError> {
    let text = written(form)?;
    if text.len() > LONGEST {
        return Err(DraftError::TooLong);
    }
    lock_row(tx, "users", user.id().0)?;
    // the draft of a user who was deactivated a moment ago belongs to somebody else now
    let is_theirs = !access::active(tx, &[user.id()])?.is_empty();
    let before = find(tx, user.id())?;
    if !is_theirs || before.as_ref().map_or(0, |row| row.version) != version {
        return Err(DraftError::Newer);
    }
    if !put(tx, now, user.id(), before.as_ref().map(|row| row.version), Some(&text))? {
        return Err(DraftError::Newer);
    }
    if before.is_none_or(|row| row.form.is_none()) {
        note(tx, now, user.id(), Event::DraftSaved)?;
    }
    Ok(version + 1)
}

/// Throws the draft away. `version` is the one that the page showed: a newer draft of another window stays.
pub fn drop_draft(tx: &mut Tx, now: Ts, user: &SignedInUser<rights::SendMany>, version: i64) -> QueryResult<()> {
    lock_row(tx, "users", user.id().0)?;
    match find(tx, user.id())? {
        Some(before) if before.version == version && before.form.is_some() => {
            match put(tx, now, user.id(), Some(version), None)? {
                true => note(tx, now, user.id(), Event::DraftDiscarded),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Removes the draft of what was kept for sending, found by the version that the form shows or by the form's own key: the last save may
/// still have been under way. The caller has locked the user.
pub(super) fn is_prepared(tx: &mut Tx, now: Ts, user: UserId, version: i64, key: &str) -> Result<(), DbError> {
    let before = find(tx, user)?;
    let kept = before.as_ref().and_then(|row| row.form.as_deref()).map(read).transpose()?.unwrap_or_default();
    let is_this_form = kept.iter().any(|(name, value)| name == "key" && value == key);
    let before = before.map(|row| row.version);
    // a row stays also where nothing was ever saved, so that a late save of this form is refused
    if is_this_form || before.unwrap_or(0) == version {
        put(tx, now, user, before, None)?;
    }
    Ok(())
}

/// How many drafts a user has: one, or none.
pub fn count_drafts(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    d::table.find(user).filter(d::form.is_not_null()).count().get_result(conn)
}

/// Gives the draft of one user, whom the caller has locked, to another, below one that is there already. Says whether there was one.
pub fn hand_over_draft(tx: &mut Tx, now: Ts, from: UserId, to: UserId) -> Result<bool, DbError> {
    let Some(Row { version, form: Some(form), .. }) = find(tx, from)? else { return Ok(false) };
    // not the user's own row, which others lock in the order of the users: what the other saves from here on waits for this
    diesel::update(d::table.find(to)).set(d::version.eq(d::version)).execute(tx.conn())?;
    let theirs = find(tx, to)?;
    let before = theirs.as_ref().map(|row| row.version);
    let text = match theirs.and_then(|row| row.form) {
        Some(own) => written(&joined(read(&own)?, &read(&form)?))?,
        None => form,
    };
    Ok(put(tx, now, to, before, Some(&text))? && put(tx, now, from, Some(version), None)?)
}

/// One form: the user's own title and list stay as they are, for a list that grew unseen would reach patients whom nobody meant. What the
/// other had begun, their title and list too, stands as text below the user's own words, and the other's files below the user's own. Each
/// line of that list stands behind a blank that is never filled in: it names patients, and nothing goes out before it is taken away.
fn joined(mut own: Vec<(String, String)>, other: &[(String, String)]) -> Vec<(String, String)> {
    let words = |form: &[(String, String)]| {
        let typed = Fields(form).get("body");
        match Fields(form).format() {
            BodyFormat::Html => CleanHtml::from_html(typed).to_markdown(),
            _ => typed.to_owned(),
        }
    };
    let of_other = |name: &str| Fields(other).get(name).trim().to_owned();
    let lines = Fields(other).get("recipients").lines().map(str::trim).filter(|line| !line.is_empty());
    let list: Vec<String> = lines.map(|line| format!("{{{{?}}}} {line}")).collect();
    let theirs = [of_other("title"), words(other).trim().to_owned(), list.join("\n")];
    let theirs = theirs.into_iter().filter(|text| !text.is_empty());
    let text = std::iter::once(words(&own).trim_end().to_owned()).chain(theirs).collect::<Vec<_>>().join("\n\n");
    own.retain(|(name, _)| name != "body" && name != "body_format");
    own.push(("body".to_owned(), text.trim().to_owned()));
    own.push(("body_format".to_owned(), "markdown".to_owned()));
    own.extend(other.iter().filter(|(name, _)| name == "upload").cloned());
    own
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn words_of_two_stand_below_each_other() {
        let form = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let own = form(&[("title", "Flu"), ("recipients", "A1\n"), ("body", "<p>Mine</p>"), ("body_format", "html")]);
        let other = form(&[("title", "Iron"), ("recipients", "B2\r\n\nC3 "), ("body", "Come"), ("key", "x")]);
        let both =
            |body| form(&[("title", "Flu"), ("recipients", "A1\n"), ("body", body), ("body_format", "markdown")]);
        assert_eq!(joined(own.clone(), &other), both("Mine\n\nIron\n\nCome\n\n{{?}} B2\n{{?}} C3"));
        assert_eq!(joined(own, &form(&[("body", " ")])), both("Mine"));
        let files = joined(form(&[("upload", "1")]), &form(&[("upload", "2"), ("for_this_patient", "2")]));
        let uploads: Vec<&str> = files.iter().filter(|(name, _)| name == "upload").map(|(_, id)| id.as_str()).collect();
        assert_eq!((uploads, files.iter().any(|(name, _)| name == "for_this_patient")), (vec!["1", "2"], false));
    }
}
