//! Accounts: finding and listing the clinic's users.

use crate::access::Role;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::config::Oidc;
use crate::db::schema::{provider_links, users};
use crate::db::{Conn, MultiBackend, Ts, Tx, UserId};
use crate::values::{EmailAddress, UserName};
use diesel::prelude::*;

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

/// A user with what the pages and commands for managing users show.
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
    /// whether they have set a password
    #[diesel(select_expression = users::password_hash.is_not_null())]
    pub has_password: bool,
    /// whether they are linked to a person at the provider
    #[diesel(select_expression = provider_links::user_id.nullable().is_not_null())]
    pub is_linked: bool,
    /// when they last signed in
    pub signed_in_at: Option<Ts>,
}

/// By what users sign in, as the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaysIn {
    /// passwords and passkeys; there is no provider
    Passwords,
    /// these, and the provider
    Both,
    /// the provider only
    Provider,
}

impl WaysIn {
    /// With this provider, if there is one.
    pub fn of(provider: Option<&Oidc>) -> WaysIn {
        match provider {
            None => WaysIn::Passwords,
            Some(provider) if provider.only => WaysIn::Provider,
            Some(_) => WaysIn::Both,
        }
    }

    /// Whether a user who is active can sign in.
    pub fn are_open_to(self, one: &Account) -> bool {
        match self {
            WaysIn::Passwords => one.has_password,
            WaysIn::Both => one.has_a_way_in(),
            WaysIn::Provider => one.is_linked,
        }
    }
}

impl Account {
    /// Whether they have a password or a link to a person at the provider; without either they count as invited.
    pub fn has_a_way_in(&self) -> bool {
        self.has_password || self.is_linked
    }
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

/// The users after this one by id, also those who are not active any more; at most `limit`: for an export.
pub fn in_order(conn: &mut Conn, after: UserId, limit: i64) -> QueryResult<Vec<UserRow>> {
    users::table.filter(users::id.gt(after)).order(users::id).limit(limit).select(UserRow::as_select()).load(conn)
}

/// Every user, those who may sign in first, by name. At most 1,000.
pub fn accounts(conn: &mut Conn) -> QueryResult<Vec<Account>> {
    let all = users::table.left_join(provider_links::table);
    let all = all.order((users::active.desc(), users::name, users::id)).limit(1_000);
    all.select(Account::as_select()).load(conn)
}

/// One user; `None` where there is none.
pub fn account(conn: &mut Conn, user: UserId) -> QueryResult<Option<Account>> {
    let one = users::table.left_join(provider_links::table).filter(users::id.eq(user));
    one.select(Account::as_select()).first(conn).optional()
}

/// The email that a user signs in with.
pub fn email_of(conn: &mut Conn, user: UserId) -> QueryResult<EmailAddress> {
    users::table.find(user).select(users::email).first(conn)
}

/// The names of these users; an id that is no user's is left out.
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
