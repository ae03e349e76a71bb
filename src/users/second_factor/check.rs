//! Whether what was typed is a user's second factor. Wrong codes count per user, over all addresses and across restarts: each
//! fifth makes all codes of the app wait, longer every time. Whoever gets so far has the password, so the user is told. A
//! recovery code is no guess, and always opens: nobody is locked out of their own account.

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

/// So many wrong codes are followed by a pause.
const TRIES: i64 = 5;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::MINUTE;
/// The longest.
const LONGEST_PAUSE: Duration = Duration::HOUR;

/// What was typed.
pub enum TypedFactor {
    /// six digits of an app
    Code(String),
    /// a recovery code
    Recovery(RecoveryCode),
    /// what a device has signed, to whom, and for what it was asked
    Passkey(Box<(RelyingParty, PasskeyUse, PasskeyAnswer)>),
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// theirs, and used up
    Right,
    /// not theirs, or not any more
    Wrong,
    /// not looked at: too many were wrong; this is when the next one is
    Paused(Ts),
}

/// Checks, counts and writes down.
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
    // nobody guesses what a device signs
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

/// How long the pause is that comes after so many others.
fn pause(number: i64) -> Duration {
    let doublings = u32::try_from((number - 1).clamp(0, 10)).unwrap_or_default();
    (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE)
}

/// Forgets the wrong ones.
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
