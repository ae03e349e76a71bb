//! Writing templates: every change keeps the previous version.

use super::Content;
use super::list::{self, MOST, Template};
use crate::access::{Action, SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{message_template_versions as old, message_templates as t};
use crate::db::{Conn, DbError, TemplateId, Ts, Tx, UserId};
use crate::text;
use diesel::prelude::*;

/// Why a template was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is no template with that id that this user may change.
    #[error("no such template")]
    NotFound,
    /// Somebody saved it since the page was loaded.
    #[error("the template was changed meanwhile")]
    Newer,
    /// There are already as many as a user can look through.
    #[error("there are too many templates")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(SaveError);

/// Adds a template: the user's own, or with `for_clinic` the clinic's, which takes the right
/// [`Action::Templates`].
///
/// # Errors
/// See [`SaveError`]; [`SaveError::NotFound`] also where the right is missing.
pub fn add(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    for_clinic: bool,
    content: &Content,
) -> Result<TemplateId, SaveError> {
    if for_clinic && !user.role().may(Action::Templates) {
        return Err(SaveError::NotFound);
    }
    if list::readable(tx, user, false)?.len() as i64 >= MOST {
        return Err(SaveError::TooMany);
    }
    let owner = (!for_clinic).then(|| user.id());
    let id = insert(tx, now, owner, Some(user.id()), content)?;
    audit_template(tx, now, user, Event::TemplateSaved, id)?;
    Ok(id)
}

/// Changes a template from the version that the page showed.
///
/// # Errors
/// See [`SaveError`].
pub fn change(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    id: TemplateId,
    version: i64,
    content: &Content,
) -> Result<(), SaveError> {
    let before = locked(tx, user, id)?;
    if before.version != version {
        return Err(SaveError::Newer);
    }
    let (name_key, next) = (text::fold(&content.name), version + 1);
    let values = (
        (t::name.eq(&content.name), t::name_key.eq(name_key), t::category.eq(&content.category)),
        (t::language.eq(&content.language), t::title.eq(content.title.as_str())),
        (t::body_html.eq(content.body.as_str()), t::replies.eq(content.replies)),
        (t::version.eq(next), t::changed_at.eq(now)),
    );
    diesel::update(t::table.find(id)).set(values).execute(tx.conn())?;
    keep_version(tx, now, id, next, Some(user.id()), content)?;
    audit_template(tx, now, user, Event::TemplateSaved, id)
}

/// Makes a copy that is the user's own, and gives its id.
///
/// # Errors
/// See [`SaveError`].
pub fn duplicate(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    id: TemplateId,
    name: &str,
) -> Result<TemplateId, SaveError> {
    let found = list::template(tx, user, id)?.ok_or(SaveError::NotFound)?;
    let content = Content {
        name: name.to_owned(),
        category: found.category,
        language: found.language,
        title: crate::values::Title::parse(&found.title).ok_or(SaveError::NotFound)?,
        body: text::CleanHtml::stored(found.body_html),
        replies: found.replies,
    };
    add(tx, now, user, false, &content)
}

/// Takes a template out of the picker, or puts it back.
///
/// # Errors
/// See [`SaveError`].
pub fn set_retired(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    id: TemplateId,
    retired: bool,
) -> Result<(), SaveError> {
    locked(tx, user, id)?;
    if !retired && list::readable(tx, user, false)?.len() as i64 >= MOST {
        return Err(SaveError::TooMany);
    }
    diesel::update(t::table.find(id)).set(t::retired_at.eq(retired.then_some(now))).execute(tx.conn())?;
    audit_template(tx, now, user, Event::TemplateRetired, id)
}

/// How many templates are this user's own.
pub fn count_own(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    t::table.filter(t::owner_id.eq(user)).count().get_result(conn)
}

/// Gives a user's own templates to another user. Gives their ids.
pub fn hand_over(tx: &mut Tx, from: UserId, to: UserId) -> QueryResult<Vec<TemplateId>> {
    let own = t::table.filter(t::owner_id.eq(from)).order(t::id).select(t::id).load(tx.conn())?;
    diesel::update(t::table.filter(t::owner_id.eq(from))).set(t::owner_id.eq(to)).execute(tx.conn())?;
    Ok(own)
}

pub(super) fn insert(
    tx: &mut Tx,
    now: Ts,
    owner: Option<UserId>,
    by: Option<UserId>,
    content: &Content,
) -> QueryResult<TemplateId> {
    let values = (
        (t::owner_id.eq(owner), t::name.eq(&content.name), t::name_key.eq(text::fold(&content.name))),
        (t::category.eq(&content.category), t::language.eq(&content.language)),
        (t::title.eq(content.title.as_str()), t::body_html.eq(content.body.as_str())),
        (t::replies.eq(content.replies), t::version.eq(1), t::changed_at.eq(now)),
    );
    let id = diesel::insert_into(t::table).values(values).returning(t::id).get_result(tx.conn())?;
    keep_version(tx, now, id, 1, by, content)?;
    Ok(id)
}

fn keep_version(
    tx: &mut Tx,
    now: Ts,
    id: TemplateId,
    version: i64,
    by: Option<UserId>,
    content: &Content,
) -> QueryResult<()> {
    let values = (
        (old::template_id.eq(id), old::version.eq(version), old::changed_by.eq(by), old::changed_at.eq(now)),
        (old::name.eq(&content.name), old::category.eq(&content.category), old::language.eq(&content.language)),
        (old::title.eq(content.title.as_str()), old::body_html.eq(content.body.as_str())),
        old::replies.eq(content.replies),
    );
    diesel::insert_into(old::table).values(values).execute(tx.conn())?;
    Ok(())
}

fn locked(tx: &mut Tx, user: &SignedInUser<rights::Send>, id: TemplateId) -> Result<Template, SaveError> {
    crate::db::lock_row(tx, "message_templates", id.0)?;
    list::own_template(tx, user, id)?.ok_or(SaveError::NotFound)
}

fn audit_template(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Send>,
    event: Event,
    id: TemplateId,
) -> Result<(), SaveError> {
    let entry = Entry::of_clinic(Actor::User(user.id()), event, Subject::Template(id));
    Ok(audit::append(tx, now, entry)?)
}

/// Computes the keys for sorting by name again, after the rule of folding has changed.
pub fn renew_names(tx: &mut Tx) -> QueryResult<()> {
    let all: Vec<(TemplateId, String)> = t::table.select((t::id, t::name)).load(tx.conn())?;
    for (id, name) in all {
        diesel::update(t::table.find(id)).set(t::name_key.eq(text::fold(&name))).execute(tx.conn())?;
    }
    Ok(())
}
