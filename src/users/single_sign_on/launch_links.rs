//! Links between users and persons at EMRs: made by the user, who is asked once and proves who they are; ended by an
//! owner. Until somebody has signed in, the person who came is kept by their browser.

use crate::access::{Authority, ConfirmedAccount, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Token;
use crate::db::schema::{emr_links as l, emr_newcomers as n};
use crate::db::{Conn, Ts, Tx, UserId, lock_row};
use crate::provider::Person;
use crate::users::mails::{self, MailKind, Wanted};
use crate::users::manage::{ManageError, hold};
use crate::users::sessions;
use diesel::prelude::*;
use time::Duration;

/// For how long somebody who came from an EMR can be linked.
pub const NEWCOMER_LASTS: Duration = Duration::minutes(30);

/// The word in the audit log that tells these links from those with the identity provider.
const AUDITED: &str = "emr";

/// A user's link with an EMR.
#[derive(Debug, Clone, Queryable)]
pub struct LaunchLink {
    /// the EMR's name
    pub source: String,
    /// since when
    pub linked_at: Ts,
}

/// A user's links, by the names of the EMRs.
pub fn launch_links(conn: &mut Conn, user: UserId) -> QueryResult<Vec<LaunchLink>> {
    l::table.filter(l::user_id.eq(user)).order((l::source, l::issuer)).select((l::source, l::linked_at)).load(conn)
}

fn of_subject(conn: &mut Conn, issuer: &str, subject: &str) -> QueryResult<Option<UserId>> {
    l::table.find((issuer, subject)).select(l::user_id).first(conn).optional()
}

/// The user who is linked to this person.
pub(super) fn whose(conn: &mut Conn, person: &Person) -> QueryResult<Option<UserId>> {
    of_subject(conn, &person.issuer, &person.subject)
}

/// Notes that the user came by their link.
pub(super) fn used(tx: &mut Tx, now: Ts, user: UserId, person: &Person) -> QueryResult<usize> {
    let link = l::table.filter(l::user_id.eq(user)).filter(l::issuer.eq(&person.issuer));
    diesel::update(link).set(l::used_at.eq(now)).execute(tx.conn())
}

/// Keeps who came from an EMR, in place of who came before in this browser.
pub(super) fn note_newcomer(tx: &mut Tx, now: Ts, browser: &Token, source: &str, person: &Person) -> QueryResult<()> {
    diesel::delete(n::table.find(browser.hash())).execute(tx.conn())?;
    let row = (
        (n::browser_hash.eq(browser.hash()), n::source.eq(source)),
        (n::issuer.eq(&person.issuer), n::subject.eq(&person.subject)),
        n::expires_at.eq(now.plus(NEWCOMER_LASTS)),
    );
    diesel::insert_into(n::table).values(row).execute(tx.conn()).map(drop)
}

/// The name of the EMR from which somebody came in this browser; `None` where nobody did, or too long ago.
pub fn newcomer(conn: &mut Conn, now: Ts, browser: &Token) -> QueryResult<Option<String>> {
    let one = n::table.filter(n::browser_hash.eq(browser.hash())).filter(n::expires_at.gt(now));
    one.select(n::source).first(conn).optional()
}

/// Links the user to the person who came in this browser, in place of an earlier link with the same EMR. `None` where
/// nobody did, or too long ago; `false` where another user is linked to that person.
pub fn link_newcomer(tx: &mut Tx, now: Ts, me: &ConfirmedAccount, browser: &Token) -> QueryResult<Option<bool>> {
    lock_row(tx, "clinic", 1)?;
    let one = n::table.filter(n::browser_hash.eq(browser.hash())).filter(n::expires_at.gt(now));
    let columns = (n::source, n::issuer, n::subject);
    let found: Option<(String, String, String)> = one.select(columns).first(tx.conn()).optional()?;
    let Some((source, issuer, subject)) = found else { return Ok(None) };
    diesel::delete(n::table.find(browser.hash())).execute(tx.conn())?;
    match of_subject(tx, &issuer, &subject)? {
        Some(other) if other != me.id() => return Ok(Some(false)),
        Some(_) => {}
        None => {
            let before = l::table.filter(l::user_id.eq(me.id())).filter(l::issuer.eq(&issuer));
            diesel::delete(before).execute(tx.conn())?;
            let row = (
                (l::issuer.eq(&issuer), l::subject.eq(&subject), l::user_id.eq(me.id())),
                (l::source.eq(&source), l::linked_at.eq(now), l::used_at.eq(now)),
            );
            diesel::insert_into(l::table).values(row).execute(tx.conn())?;
            mails::post(tx, now, &Wanted::to_user(MailKind::ProviderLinked, Some(me.id())))?;
        }
    }
    let entry = Entry::of_clinic(Actor::User(me.id()), Event::ProviderLinked, Subject::User(me.id()));
    audit::append(tx, now, entry.with(AUDITED))?;
    Ok(Some(true))
}

/// Ends a user's links with all EMRs, and their sessions: whoever they are there cannot come as this user any more.
///
/// # Errors
/// [`ManageError::NotAllowed`], [`ManageError::NotFound`].
pub fn unlink_launches(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    user: UserId,
) -> Result<(), ManageError> {
    hold(tx, by, user)?;
    let had = diesel::delete(l::table.filter(l::user_id.eq(user))).execute(tx.conn())? > 0;
    if had {
        mails::post(tx, now, &Wanted::to_user(MailKind::ProviderUnlinked, Some(user)))?;
        sessions::end_all(tx, user)?;
    }
    // written also where there was no link, because somebody asked for it
    let entry = Entry::of_clinic(by.user().into(), Event::ProviderUnlinked, Subject::User(user));
    Ok(audit::append(tx, now, entry.with(AUDITED))?)
}

/// Removes who came and was not linked. Gives how many.
pub fn sweep_newcomers(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    diesel::delete(n::table.filter(n::expires_at.le(now))).execute(tx.conn())
}
