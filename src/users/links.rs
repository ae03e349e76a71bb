//! One-time links with which a user sets a password. Each works once, and for as long as its purpose says; only its
//! hash is stored.

use crate::clock::Token;
use crate::db::schema::{password_links as l, users};
use crate::db::{Conn, Ts, Tx, UserId};
use crate::text_enum;
use diesel::prelude::*;
use time::Duration;

text_enum! {
    /// What a link is for.
    pub enum Purpose {
        /// an owner made the account, or wants the user to set another password
        Invitation = "invitation",
        /// the user has forgotten the password
        Forgotten = "forgotten",
        /// users sign in at the provider only, and an owner has to sign in without it
        Emergency = "emergency",
    }
}

impl Purpose {
    /// How long a link works, counted from the moment when it was requested.
    pub const fn lasts(self) -> Duration {
        match self {
            Purpose::Invitation => Duration::days(3),
            Purpose::Forgotten | Purpose::Emergency => Duration::minutes(30),
        }
    }
}

/// Stores the hash of a link that was requested at `since`, and gives until when it works. An earlier link of the same
/// user for the same purpose stops working.
pub fn make_password_link(tx: &mut Tx, since: Ts, user: UserId, purpose: Purpose, token: &Token) -> QueryResult<Ts> {
    let until = since.plus(purpose.lasts());
    diesel::delete(l::table.filter(l::user_id.eq(user)).filter(l::purpose.eq(purpose))).execute(tx.conn())?;
    let row =
        ((l::token_hash.eq(token.hash()), l::user_id.eq(user)), (l::purpose.eq(purpose), l::expires_at.eq(until)));
    diesel::insert_into(l::table).values(row).execute(tx.conn())?;
    Ok(until)
}

/// The user and the purpose of a link; `None` where it is unknown, used or too old, or its user was deactivated: nobody
/// can tell these apart.
pub fn open_password_link(conn: &mut Conn, now: Ts, token: &Token) -> QueryResult<Option<(UserId, Purpose)>> {
    open_by_hash(conn, now, token.hash())
}

fn open_by_hash(conn: &mut Conn, now: Ts, hash: Vec<u8>) -> QueryResult<Option<(UserId, Purpose)>> {
    let found = l::table.find(hash).inner_join(users::table);
    let alive = found.filter(l::expires_at.gt(now)).filter(users::active.eq(true));
    alive.select((l::user_id, l::purpose)).first(conn).optional()
}

/// Uses a link up, and removes every other link of its user. The same link used twice at the same moment: one succeeds,
/// the other gets `None`.
pub(super) fn use_up(tx: &mut Tx, now: Ts, token: &Token) -> QueryResult<Option<(UserId, Purpose)>> {
    use_up_by_hash(tx, now, token.hash())
}

/// As [`use_up`], for a link of which only the hash was stored.
pub(super) fn use_up_by_hash(tx: &mut Tx, now: Ts, hash: Vec<u8>) -> QueryResult<Option<(UserId, Purpose)>> {
    let Some((user, _)) = open_by_hash(tx, now, hash.clone())? else { return Ok(None) };
    let used: Option<Purpose> =
        diesel::delete(l::table.find(hash)).returning(l::purpose).get_result(tx.conn()).optional()?;
    diesel::delete(l::table.filter(l::user_id.eq(user))).execute(tx.conn())?;
    Ok(used.map(|purpose| (user, purpose)))
}
