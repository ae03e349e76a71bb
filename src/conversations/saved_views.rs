//! Views of the inbox that a user keeps under a name of their own, and the one that the inbox opens with.

use super::inbox::{InboxFilter, InboxOrder, InboxView, Scope};
use crate::access::{Right, SignedInUser};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::saved_views as s;
use crate::db::sealed::{self, Held, SavedViewName};
use crate::db::{Conn, DbError, SavedViewId, Ts, Tx, UserId, lock_row};
use crate::text;
use diesel::prelude::*;

/// The most views that a user keeps: as many as one looks through at a glance.
pub const MOST_VIEWS: i64 = 12;

/// The name of a view: one line of 1 to 40 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewName(String);

impl ViewName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 40;

    /// Reads one line, trimmed; `None` if it is empty or too long.
    pub fn parse(text: &str) -> Option<ViewName> {
        let line = text::one_line(text);
        (!line.is_empty() && line.chars().count() <= ViewName::LONGEST).then_some(ViewName(line))
    }
}

/// A view as it is kept.
#[derive(Debug, Clone)]
pub struct SavedView {
    /// identity
    pub id: SavedViewId,
    /// what its user calls it
    pub name: String,
    /// what it lists
    pub view: InboxView,
    /// the inbox opens with it
    pub opens_first: bool,
}

/// Why a view was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveViewError {
    /// Another view of the user has this name; letters large or small, with accents or without, count as the same.
    #[error("the name is taken")]
    NameTaken,
    /// The user keeps [`MOST_VIEWS`] already.
    #[error("there are too many views")]
    TooMany,
    /// The user has no view with this id.
    #[error("no such view")]
    NotFound,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(SaveViewError);

/// The user's own views, by name.
pub fn saved_views<R: Right>(conn: &mut Conn, user: &SignedInUser<R>) -> QueryResult<Vec<SavedView>> {
    type Row = (SavedViewId, Held<SavedViewName>, Scope, InboxFilter, InboxOrder, bool);
    let rows: Vec<Row> = s::table
        .filter(s::user_id.eq(user.id()))
        .order(s::id)
        .limit(MOST_VIEWS)
        .select((s::id, s::name, s::whose, s::which, s::sorting, s::opens_first))
        .load(conn)?;
    let opened = rows.into_iter().map(|(id, name, scope, filter, order, opens_first)| {
        let view = InboxView { scope, filter, order };
        Ok(SavedView { id, name: name.of(user.id())?, view, opens_first })
    });
    let mut views: Vec<SavedView> = opened.collect::<QueryResult<_>>()?;
    views.sort_by_cached_key(|one| text::fold(&one.name));
    Ok(views)
}

/// One of the user's own views, which stays as it is until the transaction ends, as all of them do.
pub fn hold_saved_view<R: Right>(
    tx: &mut Tx,
    user: &SignedInUser<R>,
    id: SavedViewId,
) -> QueryResult<Option<SavedView>> {
    Ok(held(tx, user)?.into_iter().find(|one| one.id == id))
}

/// Of two that are saved at the same moment, the second waits for the user's row, and finds the first.
fn held<R: Right>(tx: &mut Tx, user: &SignedInUser<R>) -> QueryResult<Vec<SavedView>> {
    lock_row(tx, "users", user.id().0)?;
    saved_views(tx, user)
}

/// Keeps a view under a name.
///
/// # Errors
/// [`SaveViewError::NameTaken`], [`SaveViewError::TooMany`].
pub fn save_view<R: Right>(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<R>,
    name: &ViewName,
    view: InboxView,
    opens_first: bool,
) -> Result<SavedViewId, SaveViewError> {
    let before = held(tx, user)?;
    if before.len() as i64 >= MOST_VIEWS {
        return Err(SaveViewError::TooMany);
    }
    if is_taken(&before, name, None) {
        return Err(SaveViewError::NameTaken);
    }
    if opens_first {
        none_opens_first(tx, user.id())?;
    }
    let row = (
        (s::user_id.eq(user.id()), s::name.eq(sealed::of(user.id(), &name.0))),
        (s::whose.eq(view.scope), s::which.eq(view.filter), s::sorting.eq(view.order)),
        s::opens_first.eq(opens_first),
    );
    let id: SavedViewId = diesel::insert_into(s::table).values(row).returning(s::id).get_result(tx.conn())?;
    note(tx, now, user, "view saved")?;
    Ok(id)
}

/// Gives a view another name, and says whether the inbox opens with it.
///
/// # Errors
/// [`SaveViewError::NameTaken`], [`SaveViewError::NotFound`].
pub fn change_view<R: Right>(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<R>,
    id: SavedViewId,
    name: &ViewName,
    opens_first: bool,
) -> Result<(), SaveViewError> {
    let before = held(tx, user)?;
    if before.iter().all(|one| one.id != id) {
        return Err(SaveViewError::NotFound);
    }
    if is_taken(&before, name, Some(id)) {
        return Err(SaveViewError::NameTaken);
    }
    if opens_first {
        none_opens_first(tx, user.id())?;
    }
    let values = (s::name.eq(sealed::of(user.id(), &name.0)), s::opens_first.eq(opens_first));
    diesel::update(s::table.find(id)).set(values).execute(tx.conn())?;
    Ok(note(tx, now, user, "view saved")?)
}

/// Removes a view; its conversations stay as they are. `false` where the user has none with this id.
pub fn remove_view<R: Right>(tx: &mut Tx, now: Ts, user: &SignedInUser<R>, id: SavedViewId) -> QueryResult<bool> {
    let own = s::table.filter(s::id.eq(id)).filter(s::user_id.eq(user.id()));
    if diesel::delete(own).execute(tx.conn())? == 0 {
        return Ok(false);
    }
    note(tx, now, user, "view removed")?;
    Ok(true)
}

/// Whether a view other than `except` has this name.
fn is_taken(views: &[SavedView], name: &ViewName, except: Option<SavedViewId>) -> bool {
    let key = text::fold(&name.0);
    views.iter().any(|one| Some(one.id) != except && text::fold(&one.name) == key)
}

fn none_opens_first(tx: &mut Tx, user: UserId) -> QueryResult<()> {
    let first = s::table.filter(s::user_id.eq(user)).filter(s::opens_first.eq(true));
    diesel::update(first).set(s::opens_first.eq(false)).execute(tx.conn()).map(drop)
}

fn note<R: Right>(tx: &mut Tx, now: Ts, user: &SignedInUser<R>, what: &str) -> QueryResult<()> {
    let entry = Entry::of_clinic(Actor::User(user.id()), Event::UserChanged, Subject::User(user.id()));
    audit::append(tx, now, entry.with(what))
}
