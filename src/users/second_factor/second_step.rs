//! The second step of signing in. A user with a second factor who has typed the password is not signed in yet: the
//! browser has a token, for a few minutes, that is good only for this step.

use super::check::{Checked, TypedFactor, check};
use super::{Vault, app, passkeys};
use crate::access::Device;
use crate::access::session::Holder;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Token;
use crate::db::schema::{pending_sign_ins as p, users};
use crate::db::{Conn, Db, DbError, Ts, Tx, UserId};
use crate::users::sign_in;
use diesel::prelude::*;
use std::net::IpAddr;
use time::Duration;

/// How long after the password the second step is open.
pub const PENDING_LASTS: Duration = Duration::minutes(10);

/// Notes that a user has typed the password in the browser that has this token.
pub(in crate::users) fn make_pending(
    tx: &mut Tx,
    now: Ts,
    (user, from): (UserId, IpAddr),
    token: &Token,
) -> QueryResult<()> {
    let row = (p::token_hash.eq(token.hash()), p::user_id.eq(user), p::expires_at.eq(now.plus(PENDING_LASTS)));
    diesel::insert_into(p::table).values(row).execute(tx.conn())?;
    let entry = Entry::of_clinic(Actor::System, Event::SecondStepAsked, Subject::User(user));
    audit::append(tx, now, entry.with(from.to_string()))
}

/// The user who is at this step in the browser with this token.
pub fn pending_user(conn: &mut Conn, now: Ts, token: &Token) -> QueryResult<Option<UserId>> {
    let open = p::table.find(token.hash()).filter(p::expires_at.gt(now)).inner_join(users::table);
    open.filter(users::active.eq(true)).select(p::user_id).first(conn).optional()
}

/// What was typed at this step.
pub struct SecondStep {
    /// the token that the browser got after the password
    pub pending: Token,
    /// the code or passkey, as typed
    pub typed: TypedFactor,
    /// the caller's address, for the audit log
    pub address: IpAddr,
    /// the browser and system
    pub device: Device,
    /// the token by which the browser is or will be recognised
    pub browser: Token,
}

/// The result of the second step.
pub enum SecondStepEnd {
    /// the holder of the new session
    SignedIn(Holder),
    /// what was typed is wrong
    Wrong,
    /// it was not checked; the next one is from this moment on
    Paused(Ts),
    /// the step expired, or was done in another window, or the account has changed: the password is asked for again
    Over,
}

/// Takes the second step. The same token used twice at the same moment: one signs in.
pub async fn second_step(db: &Db, now: Ts, step: SecondStep, vault: Vault) -> Result<SecondStepEnd, DbError> {
    let write = db.write(move |tx| -> Result<_, DbError> {
        let Some(user) = pending_user(tx, now, &step.pending)? else { return Ok(SecondStepEnd::Over) };
        match check(tx, now, (user, step.address), &step.typed, &vault)? {
            Checked::Wrong => return Ok(SecondStepEnd::Wrong),
            Checked::Paused(until) => return Ok(SecondStepEnd::Paused(until)),
            Checked::Right => {}
        }
        if diesel::delete(p::table.find(step.pending.hash())).execute(tx.conn())? == 0 {
            return Ok(SecondStepEnd::Over);
        }
        let entered = sign_in::enter(tx, now, user, (step.device, &step.browser), step.address)?;
        Ok(entered.map_or(SecondStepEnd::Over, SecondStepEnd::SignedIn))
    });
    write.await
}

/// Ends a user's unfinished sign-ins.
pub(in crate::users) fn end_pending(tx: &mut Tx, user: UserId) -> QueryResult<usize> {
    diesel::delete(p::table.filter(p::user_id.eq(user))).execute(tx.conn())
}

/// Removes expired sign-ins, and expired setups of apps and passkeys. Gives the number of sign-ins.
pub fn sweep_pending(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    app::sweep(tx, now)?;
    passkeys::sweep(tx, now)?;
    diesel::delete(p::table.filter(p::expires_at.le(now))).execute(tx.conn())
}
