//! Recovery codes: ten, each of which replaces the second factor once. They are shown once and stored as hashes; with
//! 120 random bits a plain hash is enough (OWASP ASVS 5.0, 6.5.2), and nobody guesses one.

use crate::access::ConfirmedAccount;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::schema::recovery_codes as r;
use crate::db::{Ts, Tx, UserId, lock_row};
use crate::users::mails::{self, MailKind, Wanted};
use data_encoding::BASE32_NOPAD;
use diesel::prelude::*;
use sha2::{Digest, Sha256};

/// How many codes are made at a time.
const COUNT: usize = 10;
/// Random bytes of each.
const BYTES: usize = 15;

/// A recovery code. It has no `Debug`, so that no log contains one.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// Makes a set of random codes.
    pub fn draw(random: &Random) -> Vec<RecoveryCode> {
        let one = || {
            let drawn = random.bytes();
            RecoveryCode(BASE32_NOPAD.encode(&drawn[..BYTES]).to_lowercase())
        };
        (0..COUNT).map(|_| one()).collect()
    }

    /// Reads a typed code: without separators, and with 0 and 1 as the letters that they look like.
    pub fn typed(text: &str) -> RecoveryCode {
        let signs = text.chars().filter(char::is_ascii_alphanumeric).map(|c| match c.to_ascii_lowercase() {
            '0' => 'o',
            '1' => 'l',
            '8' => 'b',
            c => c,
        });
        RecoveryCode(signs.take(BYTES * 8 / 5 + 1).collect())
    }

    /// The code as it is shown: in groups of four.
    pub fn shown(&self) -> String {
        let signs: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = signs.chunks(4).map(|four| four.iter().collect()).collect();
        groups.join("-")
    }

    fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

/// Replaces what is left of the previous set by a new one. The user is told by mail.
pub fn make_recovery_codes(tx: &mut Tx, now: Ts, me: &ConfirmedAccount, codes: &[RecoveryCode]) -> QueryResult<()> {
    lock_row(tx, "users", me.id().0)?;
    store(tx, now, me.id(), codes)?;
    mails::post(tx, now, &Wanted::to_user(MailKind::RecoveryCodesMade, Some(me.id())))
}

/// Stores a set where there is none; gives the codes, to be shown.
pub(super) fn make_first(
    tx: &mut Tx,
    now: Ts,
    user: UserId,
    codes: Vec<RecoveryCode>,
) -> QueryResult<Option<Vec<RecoveryCode>>> {
    let left: i64 = r::table.filter(r::user_id.eq(user)).count().get_result(tx.conn())?;
    if left > 0 {
        return Ok(None);
    }
    store(tx, now, user, &codes)?;
    Ok(Some(codes))
}

fn store(tx: &mut Tx, now: Ts, user: UserId, codes: &[RecoveryCode]) -> QueryResult<()> {
    forget(tx, user)?;
    for code in codes {
        let row = (r::user_id.eq(user), r::code_hash.eq(code.hash()));
        diesel::insert_into(r::table).values(row).execute(tx.conn())?;
    }
    audit::append(tx, now, Entry::of_clinic(Actor::User(user), Event::RecoveryCodesMade, Subject::User(user)))
}

/// Uses a code up. The same code typed twice at the same moment: one succeeds. The user is told by mail.
pub(super) fn take(tx: &mut Tx, now: Ts, user: UserId, typed: &RecoveryCode) -> QueryResult<bool> {
    if diesel::delete(r::table.find((user, typed.hash()))).execute(tx.conn())? == 0 {
        return Ok(false);
    }
    audit::append(tx, now, Entry::of_clinic(Actor::User(user), Event::RecoveryCodeUsed, Subject::User(user)))?;
    mails::post(tx, now, &Wanted::to_user(MailKind::RecoveryCodeUsed, Some(user)))?;
    Ok(true)
}

/// Removes all codes of a user.
pub(super) fn forget(tx: &mut Tx, user: UserId) -> QueryResult<usize> {
    diesel::delete(r::table.filter(r::user_id.eq(user))).execute(tx.conn())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_shown_and_as_people_type_it() {
        let codes = RecoveryCode::draw(&Random::seeded(3));
        assert_eq!(codes.len(), COUNT);
        for code in &codes {
            let shown = code.shown();
            assert_eq!(shown.len(), 29, "{shown}");
            let spaced = format!("  {} ", shown.to_uppercase().replace('-', " "));
            for typed in [shown.clone(), shown.replace('-', ""), spaced, shown.replace('o', "0").replace('l', "1")] {
                assert!(RecoveryCode::typed(&typed) == *code, "{typed}");
            }
            assert!(RecoveryCode::typed(&format!("{shown}a")) != *code);
        }
    }
}
