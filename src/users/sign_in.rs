//! Signing in with email and password. A wrong address and a wrong password look alike and take alike long.

use super::{devices, password};
use crate::access::session::{Holder, Lasts};
use crate::access::{Device, Role};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Token;
use crate::db::schema::users;
use crate::db::{Db, DbError, Ts, UserId};
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
    /// where from, as it is written down
    pub address: IpAddr,
    /// what the browser says of itself
    pub device: Device,
    /// what the browser is known by, or will be
    pub browser: Token,
}

/// The holder of the new session, or `None`: which of the two was wrong is not told. Either way leaves an audit row.
pub async fn sign_in(db: &Db, now: Ts, typed: SignIn) -> Result<Option<Holder>, DbError> {
    let key = EmailAddress::parse(&typed.email).map(|email| email.key());
    let found = match key {
        None => None,
        Some(key) => {
            db.read(move |conn| -> Result<_, DbError> {
                type Found = ((UserId, String, Role, String), Option<String>, Option<Ts>);
                let user = users::table.filter(users::email_key.eq(key)).filter(users::active.eq(true));
                let who = (users::id, users::name, users::role, users::language);
                let columns = (who, users::password_hash, users::signed_in_at);
                Ok(user.select(columns).first::<Found>(conn).optional()?)
            })
            .await?
        }
    };
    let hash = found.as_ref().and_then(|(_, hash, _)| hash.clone());
    let right = password::is_right(typed.from, typed.password, hash).await;
    let known = found.as_ref().map(|((id, ..), ..)| *id);
    let address = typed.address;
    let (browser, is_first) = ((typed.device, typed.browser), found.as_ref().is_some_and(|(.., seen)| seen.is_none()));
    let write = db.write(move |tx| -> Result<_, DbError> {
        let subject = known.map_or(Subject::None, Subject::User);
        let signed_in = match known.filter(|_| right) {
            // who was deactivated while the password was checked is not signed in
            Some(id) => {
                let still = users::table.find(id).filter(users::active.eq(true));
                diesel::update(still).set(users::signed_in_at.eq(now)).execute(tx.conn())? == 1
            }
            None => false,
        };
        let entry = match known.filter(|_| signed_in) {
            Some(id) => Entry::of_clinic(Actor::User(id), Event::SignedIn, subject),
            None => Entry::of_clinic(Actor::System, Event::SignInFailed, subject),
        };
        audit::append(tx, now, entry.with(address.to_string()))?;
        if let Some(id) = known.filter(|_| signed_in) {
            devices::seen(tx, now, id, (browser.0, &browser.1), is_first)?;
        }
        Ok(signed_in)
    });
    let signed_in = write.await?;
    let who = found.filter(|_| signed_in).map(|(who, ..)| who);
    Ok(who.map(|(id, name, role, language)| Holder::User { id, name, role, language, lasts: LASTS }))
}

/// Writes down that a user signed out; the session itself is ended by its store.
pub async fn sign_out(db: &Db, now: Ts, user: UserId) -> Result<(), DbError> {
    db.write(move |tx| {
        Ok(audit::append(tx, now, Entry::of_clinic(Actor::User(user), Event::SignedOut, Subject::User(user)))?)
    })
    .await
}
