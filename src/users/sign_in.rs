//! Signing in with email and password. A wrong address and a wrong password look alike and take alike long.

use super::{devices, password, second_factor};
use crate::access::session::{Holder, Lasts};
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
    /// who waits: see [`crate::slow_hash::verify`]
    pub from: IpAddr,
    /// in which browser, and from where
    pub arrival: Arrival,
}

/// A browser in which somebody is about to be signed in.
#[derive(Clone)]
pub struct Arrival {
    /// where from, as it is written down
    pub address: IpAddr,
    /// what the browser says of itself
    pub device: Device,
    /// what it is known by, or will be
    pub browser: Token,
    /// what it has until the second step is taken, where there is one
    pub pending: Token,
}

/// What comes of it.
pub enum SignInEnd {
    /// the holder of the new session
    SignedIn(Holder),
    /// the browser that has [`Arrival::pending`] may take the second step
    SecondStep,
    /// which of the two was wrong is not told
    Refused,
}

/// Checks the password. Either way leaves an audit row.
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

/// Writes down that somebody did not get in.
pub(super) fn note_failure(tx: &mut Tx, now: Ts, user: Option<UserId>, address: IpAddr) -> QueryResult<()> {
    let subject = user.map_or(Subject::None, Subject::User);
    let entry = Entry::of_clinic(Actor::System, Event::SignInFailed, subject);
    audit::append(tx, now, entry.with(address.to_string()))
}

/// Refuses a way to sign in that the clinic has shut: with a password or a passkey, where users do so at the provider only.
pub fn refuse_sign_in(tx: &mut Tx, now: Ts, address: IpAddr) -> QueryResult<()> {
    note_failure(tx, now, None, address)
}

/// Takes a user in who has taken the first step; `stepped_elsewhere`: and the second one, at the provider. `None` where they
/// were deactivated meanwhile.
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

/// Lets a user in who has said all that is asked for; `None` where they were deactivated meanwhile.
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
    // what the session's store reads anew at each request is not said here
    let (must_set_up, confirmed, stepped_elsewhere) = (false, true, false);
    Ok(Some(Holder::User { id: user, name, role, must_set_up, confirmed, stepped_elsewhere, language, lasts: LASTS }))
}

/// Writes down that a user signed out; the session itself is ended by its store.
pub async fn sign_out(db: &Db, now: Ts, user: UserId) -> Result<(), DbError> {
    db.write(move |tx| {
        Ok(audit::append(tx, now, Entry::of_clinic(Actor::User(user), Event::SignedOut, Subject::User(user)))?)
    })
    .await
}
