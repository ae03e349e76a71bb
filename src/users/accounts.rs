//! Accounts: who there is, setting a password by a one-time link.

use crate::access::{Role, session};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Token;
use crate::db::schema::{password_links, users};
use crate::db::{Conn, Db, DbError, MultiBackend, Ts, Tx, UserId};
use crate::slow_hash;
use crate::values::{EmailAddress, UserName};
use diesel::prelude::*;
use time::Duration;

/// A password is at least this long, in characters (NIST SP 800-63B asks for length, not for kinds of characters).
pub const SHORTEST_PASSWORD: usize = 10;
/// A link to set a password works once, for this long.
pub const PASSWORD_LINK_LASTS: Duration = Duration::days(3);

/// A user as lists show them.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub struct UserRow {
    /// identity
    pub id: UserId,
    /// sign-in name
    pub email: EmailAddress,
    /// as colleagues see it
    pub name: String,
    /// role
    pub role: Role,
}

/// A user as those see them who manage users.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub struct Account {
    /// identity
    pub id: UserId,
    /// sign-in name
    pub email: EmailAddress,
    /// as colleagues see it
    pub name: UserName,
    /// role
    pub role: Role,
    /// whether they may sign in
    pub active: bool,
    /// whether they have set a password; until then they are invited
    #[diesel(select_expression = users::password_hash.is_not_null())]
    pub has_password: bool,
    /// when they last signed in
    pub signed_in_at: Option<Ts>,
}

/// The active users, by name. At most 500: a clinic has fewer.
pub fn active(conn: &mut Conn) -> QueryResult<Vec<UserRow>> {
    users::table
        .filter(users::active.eq(true))
        .order((users::name, users::id))
        .limit(500)
        .select(UserRow::as_select())
        .load(conn)
}

/// Every user, those who may sign in first, by name. At most 1,000.
pub fn accounts(conn: &mut Conn) -> QueryResult<Vec<Account>> {
    let all = users::table.order((users::active.desc(), users::name, users::id)).limit(1_000);
    all.select(Account::as_select()).load(conn)
}

/// One user; `None` where there is none.
pub fn account(conn: &mut Conn, user: UserId) -> QueryResult<Option<Account>> {
    users::table.find(user).select(Account::as_select()).first(conn).optional()
}

/// The email that a user signs in with.
pub fn email_of(conn: &mut Conn, user: UserId) -> QueryResult<EmailAddress> {
    users::table.find(user).select(users::email).first(conn)
}

/// The names of some users.
pub fn names_of(conn: &mut Conn, ids: &[UserId]) -> QueryResult<Vec<(UserId, String)>> {
    users::table.filter(users::id.eq_any(ids.to_vec())).select((users::id, users::name)).load(conn)
}

/// The user with this address, active or not.
pub fn by_email(conn: &mut Conn, email: &EmailAddress) -> QueryResult<Option<UserId>> {
    users::table.filter(users::email_key.eq(email.key())).select(users::id).first(conn).optional()
}

/// Sets the language of a user's pages.
pub fn set_language(tx: &mut Tx, now: Ts, user: UserId, language: &str) -> QueryResult<()> {
    diesel::update(users::table.find(user)).set(users::language.eq(language)).execute(tx.conn())?;
    let entry = Entry::of_clinic(Actor::User(user), Event::UserChanged, Subject::User(user));
    audit::append(tx, now, entry.with("language"))
}

/// Stores the hash of a link with which this user sets a password.
pub fn make_password_link(tx: &mut Tx, now: Ts, user: UserId, token: &Token) -> QueryResult<()> {
    let row = (
        password_links::token_hash.eq(token.hash()),
        password_links::user_id.eq(user),
        password_links::expires_at.eq(now.plus(PASSWORD_LINK_LASTS)),
    );
    diesel::insert_into(password_links::table).values(row).execute(tx.conn()).map(drop)
}

/// Whose link this is; `None` where it is unknown, used or too old.
pub fn open_password_link(conn: &mut Conn, now: Ts, token: &Token) -> QueryResult<Option<UserId>> {
    password_links::table
        .find(token.hash())
        .filter(password_links::expires_at.gt(now))
        .select(password_links::user_id)
        .first(conn)
        .optional()
}

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetPasswordError {
    /// Shorter than [`SHORTEST_PASSWORD`].
    #[error("the password is too short")]
    TooShort,
    /// The link is unknown, used or too old.
    #[error("the link does not work any more")]
    DeadLink,
    /// The database or the system.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Hashing failed.
    #[error("hashing failed: {0}")]
    Hash(String),
}

impl From<diesel::result::Error> for SetPasswordError {
    fn from(cause: diesel::result::Error) -> Self {
        SetPasswordError::Db(cause.into())
    }
}

/// Sets a password by link, uses the link up and ends the user's sessions.
///
/// # Errors
/// See [`SetPasswordError`].
pub async fn set_password(db: &Db, now: Ts, token: Token, password: String) -> Result<(), SetPasswordError> {
    if password.chars().count() < SHORTEST_PASSWORD {
        return Err(SetPasswordError::TooShort);
    }
    let hash = slow_hash::hash(slow_hash::Lane::Passwords, password).await.map_err(SetPasswordError::Hash)?;
    db.write(move |tx| {
        let user = open_password_link(tx, now, &token)?.ok_or(SetPasswordError::DeadLink)?;
        diesel::delete(password_links::table.filter(password_links::user_id.eq(user))).execute(tx.conn())?;
        diesel::update(users::table.find(user)).set(users::password_hash.eq(hash)).execute(tx.conn())?;
        session::end_of_user(tx, user)?;
        Ok(audit::append(tx, now, Entry::of_clinic(Actor::User(user), Event::PasswordSet, Subject::User(user)))?)
    })
    .await
}
