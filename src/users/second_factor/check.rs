//! Checks a user's second factor. Wrong codes count for each user, over all addresses and across restarts: after every
//! fifth one no code of the app is accepted for a while, longer each time. Whoever gets this far has the password, so
//! the user is told. A recovery code cannot be guessed and is always accepted, so that nobody is locked out of their
//! own account.

use super::Vault;
use super::app;
use super::passkeys::{self, PasskeyAnswer, PasskeyUse, RelyingParty};
use super::recovery::{self, RecoveryCode};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::second_step_tries as t;
use crate::db::{Conn, Ts, Tx, UserId, lock_row};
use crate::users::mails::{self, MailKind, Wanted};
use diesel::prelude::*;
use std::net::IpAddr;
use time::Duration;

/// After this many wrong codes there is a pause.
const TRIES: i64 = 5;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::MINUTE;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::HOUR;

/// A second factor, as it was typed or signed.
pub enum TypedFactor {
    /// six digits of an app
    Code(String),
    /// a recovery code
    Recovery(RecoveryCode),
    /// what a device has signed, with the relying party and the purpose
    Passkey(Box<(RelyingParty, PasskeyUse, PasskeyAnswer)>),
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// it is right, and used up
    Right,
    /// it is wrong, or not valid any more
    Wrong,
    /// it was not checked, after too many wrong ones; the next one is from this moment on
    Paused(Ts),
}

/// Checks what was typed, counts a wrong one, and leaves an audit row.
pub fn check(
    tx: &mut Tx,
    now: Ts,
    (user, from): (UserId, IpAddr),
    typed: &TypedFactor,
    vault: &Vault,
) -> QueryResult<Checked> {
    lock_row(tx, "users", user.0)?;
    let right = match typed {
        TypedFactor::Recovery(code) => recovery::take(tx, now, user, code)?,
        TypedFactor::Passkey(signed) => {
            let (party, purpose, answer) = &**signed;
            passkeys::take_assertion(tx, now, (user, *purpose), party, answer)?
        }
        TypedFactor::Code(code) => match paused_until(tx, now, user)? {
            Some(until) => return Ok(Checked::Paused(until)),
            None => app::take_code(tx, now, user, code, vault)?,
        },
    };
    if right {
        forget(tx, user)?;
        return Ok(Checked::Right);
    }
    let entry = Entry::of_clinic(Actor::System, Event::SecondStepFailed, Subject::User(user));
    audit::append(tx, now, entry.with(from.to_string()))?;
    // a device's signature cannot be guessed, so it does not count
    if !matches!(typed, TypedFactor::Passkey(_)) {
        count(tx, now, user)?;
    }
    Ok(Checked::Wrong)
}

fn paused_until(conn: &mut Conn, now: Ts, user: UserId) -> QueryResult<Option<Ts>> {
    let until: Option<Option<Ts>> = t::table.find(user).select(t::locked_until).first(conn).optional()?;
    Ok(until.flatten().filter(|until| *until > now))
}

fn count(tx: &mut Tx, now: Ts, user: UserId) -> QueryResult<()> {
    let before: Option<i64> = t::table.find(user).select(t::wrong).first(tx.conn()).optional()?;
    let wrong = before.unwrap_or_default() + 1;
    let until = (wrong % TRIES == 0).then(|| now.plus(pause(wrong / TRIES)));
    let row = (t::wrong.eq(wrong), t::locked_until.eq(until));
    match before {
        Some(_) => diesel::update(t::table.find(user)).set(row).execute(tx.conn())?,
        None => diesel::insert_into(t::table).values((t::user_id.eq(user), row)).execute(tx.conn())?,
    };
    if until.is_some() && !mails::had_enough(tx, now, user, MailKind::SecondStepGuessed)? {
        mails::post(tx, now, &Wanted::to_user(MailKind::SecondStepGuessed, Some(user)))?;
    }
    Ok(())
}

/// How long the pause with this number is, counted from 1.
fn pause(number: i64) -> Duration {
    let doublings = u32::try_from((number - 1).clamp(0, 10)).unwrap_or_default();
    (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE)
}

/// Removes the counts of a user.
pub(super) fn forget(tx: &mut Tx, user: UserId) -> QueryResult<usize> {
    diesel::delete(t::table.find(user)).execute(tx.conn())
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_PAUSE, pause};
    use time::Duration;

    #[test]
    fn pauses_grow_to_an_hour() {
        let minutes: Vec<i64> = (1..9).map(|number| pause(number).whole_minutes()).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(i64::MAX), LONGEST_PAUSE);
        assert!(pause(1) > Duration::ZERO);
    }
}
