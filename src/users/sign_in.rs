//! Signing in with email and password. The answer to a wrong address and to a wrong password is the same, after the
//! same time.

use super::{devices, password, second_factor};
use crate::access::session::{self, Holder, Lasts};
use crate::access::{self, Device, Role};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Token;
use crate::db::schema::users;
use crate::db::{Db, DbError, Ts, Tx, UserId};
use crate::values::EmailAddress;
use diesel::prelude::*;
use std::net::IpAddr;

/// A user's session ends after an hour without a click, and after twelve hours in any case.
const LASTS: Lasts = Lasts::new(3_600, 12 * 3_600);

/// What was typed.
pub struct SignIn {
    /// may be anything
    pub email: String,
    /// may be anything
    pub password: String,
    /// the caller's address, for the fair use of hashing: see [`crate::slow_hash::verify`]
    pub from: IpAddr,
    /// the browser, and the address for the audit log
    pub arrival: Arrival,
}

/// A browser in which somebody is about to be signed in.
#[derive(Clone)]
pub struct Arrival {
    /// the caller's address, for the audit log
    pub address: IpAddr,
    /// the browser and system
    pub device: Device,
    /// the token by which the browser is or will be recognised
    pub browser: Token,
    /// the token that the browser gets for the second step, if there is one
    pub pending: Token,
}

/// The result of the first step.
pub enum SignInEnd {
    /// the holder of the new session
    SignedIn(Holder),
    /// the browser that has [`Arrival::pending`] may take the second step
    SecondStep,
    /// the email or the password is wrong; which of them is not told
    Refused,
}

/// Checks the password. Success and failure both leave an audit row.
pub async fn sign_in(db: &Db, now: Ts, typed: SignIn) -> Result<SignInEnd, DbError> {
    let key = EmailAddress::parse(&typed.email).map(|email| email.key());
    let found: Option<(UserId, Option<String>)> = match key {
        None => None,
        Some(key) => {
            db.read(move |conn| -> Result<_, DbError> {
                let user = users::table.filter(users::email_key.eq(key)).filter(users::active.eq(true));
                Ok(user.select((users::id, users::password_hash)).first(conn).optional()?)
            })
            .await?
        }
    };
    let (known, hash) = (found.as_ref().map(|(id, _)| *id), found.and_then(|(_, hash)| hash));
    let right = password::is_right(typed.from, typed.password, hash).await;
    let arrival = typed.arrival;
    let write = db.write(move |tx| -> Result<_, DbError> {
        if let Some(id) = known.filter(|_| right)
            && let Some(end) = arrive(tx, now, id, &arrival, false)?
        {
            return Ok(end);
        }
        note_failure(tx, now, known, arrival.address)?;
        Ok(SignInEnd::Refused)
    });
    write.await
}

/// Leaves an audit row for a sign-in that failed.
pub(super) fn note_failure(tx: &mut Tx, now: Ts, user: Option<UserId>, address: IpAddr) -> QueryResult<()> {
    let subject = user.map_or(Subject::None, Subject::User);
    let entry = Entry::of_clinic(Actor::System, Event::SignInFailed, subject);
    audit::append(tx, now, entry.with(address.to_string()))
}

/// Leaves an audit row for a sign-in with a password or passkey that is refused because users sign in at the provider
/// only.
pub fn refuse_sign_in(tx: &mut Tx, now: Ts, address: IpAddr) -> QueryResult<()> {
    note_failure(tx, now, None, address)
}

/// Signs in a user who has taken the first step, or asks for the second step. `stepped_elsewhere`: the second step was
/// taken at the provider. `None` where the user was deactivated meanwhile.
pub(super) fn arrive(
    tx: &mut Tx,
    now: Ts,
    user: UserId,
    arrival: &Arrival,
    stepped_elsewhere: bool,
) -> QueryResult<Option<SignInEnd>> {
    if !stepped_elsewhere && access::has_second_factor(tx, user)? {
        second_factor::make_pending(tx, now, (user, arrival.address), &arrival.pending)?;
        return Ok(Some(SignInEnd::SecondStep));
    }
    let entered = enter(tx, now, user, (arrival.device, &arrival.browser), arrival.address)?;
    Ok(entered.map(|holder| SignInEnd::SignedIn(holder.having_stepped_elsewhere(stepped_elsewhere))))
}

/// Signs in a user who has taken every step; `None` where they were deactivated meanwhile.
pub(super) fn enter(
    tx: &mut Tx,
    now: Ts,
    user: UserId,
    browser: (Device, &Token),
    address: IpAddr,
) -> QueryResult<Option<Holder>> {
    type Found = (String, Role, String, Option<Ts>);
    let active = users::table.find(user).filter(users::active.eq(true));
    let columns = (users::name, users::role, users::language, users::signed_in_at);
    let found: Option<Found> = active.select(columns).first(tx.conn()).optional()?;
    let Some((name, role, language, seen)) = found else { return Ok(None) };
    if diesel::update(active).set(users::signed_in_at.eq(now)).execute(tx.conn())? == 0 {
        return Ok(None);
    }
    let entry = Entry::of_clinic(Actor::User(user), Event::SignedIn, Subject::User(user));
    audit::append(tx, now, entry.with(address.to_string()))?;
    devices::seen(tx, now, user, browser, seen.is_none())?;
    // the session's store reads the first three again at each request; `arrive` sets the last
    let (must_set_up, confirmed, keys, stepped_elsewhere) = (false, true, true, false);
    let lasts = LASTS;
    Ok(Some(Holder::User { id: user, name, role, must_set_up, confirmed, stepped_elsewhere, language, keys, lasts }))
}

/// Ends the session with this mark, and leaves an audit row. A session that is older than marks is ended by its store.
pub async fn sign_out(db: &Db, now: Ts, user: UserId, mark: String) -> Result<(), DbError> {
    db.write(move |tx| {
        session::end_some(tx, now, user, |one| !mark.is_empty() && one.mark == mark)?;
        Ok(audit::append(tx, now, Entry::of_clinic(Actor::User(user), Event::SignedOut, Subject::User(user)))?)
    })
    .await
}
