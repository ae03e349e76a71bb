//! A form that a user sent and that was refused, for example because the session had ended: kept for that user alone.

use crate::access::{Right, SignedInUser};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{kept_forms, users};
use crate::db::sealed::{self, Held, KeptFormText};
use crate::db::{Conn, DbError, Ts, Tx, UserId};
use diesel::prelude::*;
use time::Duration;

/// How long a form is kept.
const KEPT_FOR: Duration = Duration::DAY;

/// The longest form that is kept, in bytes.
const LONGEST: usize = 1 << 20;

/// A form as it was sent.
#[derive(Debug, Clone)]
pub struct KeptForm {
    /// the address that it was sent to
    pub action: String,
    /// names and values
    pub pairs: Vec<(String, String)>,
    /// when it was sent
    pub at: Ts,
}

/// The active user for whom a page was made: the first whose id `is_theirs` accepts; `None` where it accepts none.
pub fn of_page(conn: &mut Conn, is_theirs: impl Fn(UserId) -> bool) -> QueryResult<Option<UserId>> {
    let all: Vec<UserId> = users::table.filter(users::active.eq(true)).select(users::id).load(conn)?;
    Ok(all.into_iter().find(|user| is_theirs(*user)))
}

/// Keeps a form for a user, in place of an earlier one of the same page. It is neither shown nor carried out: only that
/// user, signed in again, gets it back. Gives whether it was kept: a form that is too long is not.
///
/// # Errors
/// Those of the database.
pub fn keep_form(tx: &mut Tx, user: UserId, page: &str, form: &KeptForm) -> Result<bool, DbError> {
    let text =
        serde_json::to_string(&form.pairs).map_err(|cause| diesel::result::Error::SerializationError(cause.into()))?;
    if text.len() > LONGEST {
        return Ok(false);
    }
    let same = kept_forms::table.filter(kept_forms::user_id.eq(user)).filter(kept_forms::page.eq(page));
    let again = diesel::delete(same).execute(tx.conn())? > 0;
    let row = (
        (kept_forms::user_id.eq(user), kept_forms::page.eq(page), kept_forms::action.eq(&form.action)),
        (kept_forms::form.eq(sealed::of(user, &text)), kept_forms::kept_at.eq(form.at)),
    );
    diesel::insert_into(kept_forms::table).values(row).execute(tx.conn())?;
    // a script that saves while the user types sends the same form many times
    if !again {
        let entry = Entry::of_clinic(Actor::User(user), Event::DraftSaved, Subject::User(user));
        audit::append(tx, form.at, entry.with("session over"))?;
    }
    Ok(true)
}

/// The form that is kept of a page for this user.
///
/// # Errors
/// Database errors, also where the stored form cannot be read.
pub fn kept_form<R: Right>(
    conn: &mut Conn,
    now: Ts,
    user: &SignedInUser<R>,
    page: &str,
) -> Result<Option<KeptForm>, DbError> {
    let row = kept_forms::table.filter(kept_forms::user_id.eq(user.id())).filter(kept_forms::page.eq(page));
    let fresh = row.filter(kept_forms::kept_at.gt(now.plus(-KEPT_FOR)));
    let found = fresh.select((kept_forms::action, kept_forms::form, kept_forms::kept_at)).first(conn).optional()?;
    let Some((action, text, at)): Option<(String, Held<KeptFormText>, Ts)> = found else { return Ok(None) };
    let pairs = serde_json::from_str(&text.of(user.id())?)
        .map_err(|cause| diesel::result::Error::DeserializationError(cause.into()))?;
    Ok(Some(KeptForm { action, pairs, at }))
}

/// The address that the kept form of a page was sent to.
pub fn kept_action(conn: &mut Conn, user: UserId, page: &str) -> QueryResult<Option<String>> {
    let row = kept_forms::table.filter(kept_forms::user_id.eq(user)).filter(kept_forms::page.eq(page));
    row.select(kept_forms::action).first(conn).optional()
}

/// Removes the kept form of a page, which has been sent.
pub fn drop_kept(tx: &mut Tx, user: UserId, page: &str) -> QueryResult<usize> {
    let row = kept_forms::table.filter(kept_forms::user_id.eq(user)).filter(kept_forms::page.eq(page));
    diesel::delete(row).execute(tx.conn())
}

/// Removes forms that were kept for their full time. Gives how many.
pub fn sweep_kept_forms(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    diesel::delete(kept_forms::table.filter(kept_forms::kept_at.lt(now.plus(-KEPT_FOR)))).execute(tx.conn())
}
