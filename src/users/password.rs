//! Passwords, after NIST SP 800-63B-4 (3.1.1.2): long, not among those that everybody guesses first, and not made of
//! names that everybody knows. No rule asks for certain kinds of characters, and no password expires.

use super::links::{self, Purpose};
use super::mails::{self, MailKind, Wanted};
use super::sessions;
use super::sign_in::{self, Arrival, SignInEnd};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Token;
use crate::db::schema::{clinic, users};
use crate::db::{Conn, Db, DbError, Ts, UserId};
use crate::slow_hash::{self, Lane};
use crate::text;
use diesel::prelude::*;
use std::net::IpAddr;
use unicode_normalization::UnicodeNormalization;

/// The shortest password, in code points: the standard's minimum where a password is the only factor. With a second
/// factor the minimum is 8.
pub const SHORTEST_PASSWORD: usize = 15;
/// The longest password, in code points; the standard wants at least 64 to be allowed.
pub const LONGEST_PASSWORD: usize = 200;
/// The fewest guesses that a password must need, as a power of ten: below it a password counts as one of those that are
/// tried first. At 10^10 guesses begins zxcvbn's highest score, "very unguessable".
const FEWEST_GUESSES: f64 = 10.0;

/// A password must have this many letters and figures besides the names that everybody knows.
const LEAST_BESIDE_NAMES: usize = 8;

/// Words that are tried first here, and that the library's lists (English) do not have.
const TRIED_FIRST: [&str; 24] = [
    "postern",
    "message",
    "messages",
    "patient",
    "patients",
    "portal",
    "portail",
    "clinic",
    "clinique",
    "medical",
    "docteur",
    "doctor",
    "infirmiere",
    "sante",
    "health",
    "bonjour",
    "motdepasse",
    "mot",
    "passe",
    "azerty",
    "azertyuiop",
    "qwertz",
    "quebec",
    "montreal",
];

/// What is wrong with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Shorter than [`SHORTEST_PASSWORD`].
    #[error("a password has at least {SHORTEST_PASSWORD} characters")]
    TooShort,
    /// Longer than [`LONGEST_PASSWORD`].
    #[error("a password has at most {LONGEST_PASSWORD} characters")]
    TooLong,
    /// Among those that everybody guesses first.
    #[error("this password is among those that are guessed first")]
    Common,
    /// Made of the user's name, address or the clinic's name.
    #[error("this password is made of names that everybody knows")]
    OfNames,
}

/// The names that a password may not be made of: those of the user and of the clinic.
#[derive(Debug, Clone, Default)]
pub struct KnownNames(Vec<String>);

impl KnownNames {
    /// These names and addresses, whole and in parts, with and without accents.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> KnownNames {
        let mut words = Vec::new();
        for name in names {
            for form in [name.to_lowercase(), text::fold(name)] {
                let parts: Vec<&str> = form.split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()).collect();
                words.push(parts.concat());
                // the address noor3@… also stands for the name noor
                words.extend(parts.iter().map(|part| part.trim_matches(char::is_numeric).to_owned()));
                words.extend(parts.into_iter().map(str::to_owned));
                words.push(form);
            }
        }
        words.retain(|word| word.chars().count() > 2);
        words.sort();
        words.dedup();
        KnownNames(words)
    }

    /// The letters and figures of a password that belong to no name.
    fn taken_out_of(&self, password: &str) -> String {
        let mut left: String = text::fold(password).chars().filter(|c| c.is_alphanumeric()).collect();
        // the longest first: a short name may stand in a long one
        let mut names: Vec<&String> = self.0.iter().collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.chars().count()));
        for name in names {
            left = left.replace(name.as_str(), "");
        }
        left
    }

    /// The name and address of a user, and the clinic's name.
    fn of_user(conn: &mut Conn, user: UserId) -> QueryResult<KnownNames> {
        let (name, email): (String, String) =
            users::table.find(user).select((users::name, users::email)).first(conn)?;
        let clinic: String = clinic::table.find(1).select(clinic::name).first(conn)?;
        Ok(KnownNames::new([name.as_str(), &email, &clinic]))
    }
}

/// A password that is allowed, in the form that is hashed.
pub struct NewPassword(String);

impl NewPassword {
    /// Reads what was typed.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(typed: &str, names: &KnownNames) -> Result<NewPassword, WeakPassword> {
        let password = normalised(typed);
        match password.chars().count() {
            ..SHORTEST_PASSWORD => return Err(WeakPassword::TooShort),
            count if count > LONGEST_PASSWORD => return Err(WeakPassword::TooLong),
            _ => {}
        }
        if names.taken_out_of(&password).chars().count() < LEAST_BESIDE_NAMES {
            return Err(WeakPassword::OfNames);
        }
        let is_guessed = |words: &[&str]| zxcvbn::zxcvbn(&password, words).guesses_log10() < FEWEST_GUESSES;
        if is_guessed(&TRIED_FIRST) {
            return Err(WeakPassword::Common);
        }
        let names: Vec<&str> = names.0.iter().map(String::as_str).chain(TRIED_FIRST).collect();
        if is_guessed(&names) {
            return Err(WeakPassword::OfNames);
        }
        Ok(NewPassword(password))
    }

    /// Its hash.
    ///
    /// # Errors
    /// When the system has no randomness or memory for it.
    pub async fn hash(self) -> Result<String, String> {
        slow_hash::hash(Lane::Passwords, self.0).await
    }
}

/// A password as it is hashed and compared: the same from every keyboard (Unicode NFKC).
fn normalised(typed: &str) -> String {
    typed.nfkc().collect()
}

/// Whether this is the password of the hash. One that was set before passwords were normalised is compared as it was
/// typed.
pub(super) async fn is_right(from: IpAddr, typed: String, hash: Option<String>) -> bool {
    let same = normalised(&typed);
    let differs = same != typed;
    slow_hash::verify(Lane::Passwords, from, same, hash.clone()).await
        || (differs && slow_hash::verify(Lane::Passwords, from, typed, hash).await)
}

/// Why there is no hash of a new password.
#[derive(Debug, thiserror::Error)]
pub(super) enum HashError {
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("hashing failed: {0}")]
    Hash(String),
}

/// Reads and hashes a new password of a user.
pub(super) async fn hashed(db: &Db, user: UserId, typed: String) -> Result<String, HashError> {
    let names = db.read(move |conn| -> Result<_, DbError> { Ok(KnownNames::of_user(conn, user)?) }).await?;
    // zxcvbn takes a while for a long password
    let read = tokio::task::spawn_blocking(move || NewPassword::parse(&typed, &names)).await;
    let password = read.map_err(|cause| HashError::Hash(cause.to_string()))??;
    password.hash().await.map_err(HashError::Hash)
}

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetPasswordError {
    /// The password is not allowed.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// The link is unknown, used or too old.
    #[error("the link does not work any more")]
    DeadLink,
    /// Users sign in at the provider only, and this is no emergency link.
    #[error("passwords open nothing")]
    Shut,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Hashing failed.
    #[error("hashing failed: {0}")]
    Hash(String),
}

impl From<HashError> for SetPasswordError {
    fn from(cause: HashError) -> Self {
        match cause {
            HashError::Weak(cause) => SetPasswordError::Weak(cause),
            HashError::Db(cause) => SetPasswordError::Db(cause),
            HashError::Hash(cause) => SetPasswordError::Hash(cause),
        }
    }
}

crate::from_database!(SetPasswordError);

/// Sets a password by link, uses the link up and ends the user's sessions. Except after an invitation, the user is told
/// by mail. With `are_shut`, where users sign in at the provider only, only an emergency link works. An emergency link
/// also signs its user in, as the password would: gives the result of that; `None` for other links.
///
/// # Errors
/// See [`SetPasswordError`].
pub async fn set_password(
    db: &Db,
    now: Ts,
    token: Token,
    typed: String,
    (are_shut, arrival): (bool, Arrival),
) -> Result<Option<SignInEnd>, SetPasswordError> {
    let opened = token.clone();
    let found = db.read(move |conn| -> Result<_, DbError> { Ok(links::open_password_link(conn, now, &opened)?) });
    let (user, purpose) = found.await?.ok_or(SetPasswordError::DeadLink)?;
    if are_shut && purpose != Purpose::Emergency {
        return Err(SetPasswordError::Shut);
    }
    let hash = hashed(db, user, typed).await?;
    db.write(move |tx| {
        let (user, purpose) = links::use_up(tx, now, &token)?.ok_or(SetPasswordError::DeadLink)?;
        diesel::update(users::table.find(user)).set(users::password_hash.eq(hash)).execute(tx.conn())?;
        sessions::end_all(tx, user)?;
        let entry = Entry::of_clinic(Actor::User(user), Event::PasswordSet, Subject::User(user));
        audit::append(tx, now, entry.with(purpose.as_str()))?;
        match purpose {
            Purpose::Invitation => Ok(None),
            Purpose::Forgotten => {
                mails::post(tx, now, &Wanted::to_user(MailKind::PasswordChanged, Some(user)))?;
                Ok(None)
            }
            Purpose::Emergency => {
                mails::post(tx, now, &Wanted::to_user(MailKind::PasswordChanged, Some(user)))?;
                Ok(sign_in::arrive(tx, now, user, &arrival, false)?)
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &str) -> Result<(), WeakPassword> {
        let names =
            KnownNames::new(["Olivia Okafor-Bélanger", "oliviaok@riverside.example", "Clinique Riverside Nord"]);
        NewPassword::parse(typed, &names).map(drop)
    }

    #[test]
    fn length_is_what_counts() {
        assert_eq!(read("Tr0ub4dor&3 x9"), Err(WeakPassword::TooShort));
        assert_eq!(read("👩🏽‍⚕️é中"), Err(WeakPassword::TooShort));
        for taken in [
            "correct horse battery",
            "the green kettle sings",
            "une pomme sous la neige",
            "83920183749201837492",
            "vbiqkzjwxpoerta",
            "четыре синих кита поют",
            &"a longer one, word by word ".repeat(7),
        ] {
            assert_eq!(read(taken), Ok(()), "{taken}");
        }
        assert_eq!(read(&"long words here ".repeat(13)), Err(WeakPassword::TooLong));
    }

    #[test]
    fn what_everybody_guesses_first_is_refused() {
        for common in [
            "123456789012345",
            "passwordpassword",
            "Password12345678",
            "P@ssw0rd12345678",
            "qwertyuiopasdfgh",
            "azertyuiop123456",
            "aaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "abcdefghijklmnopq",
            "motdepasse123456",
            "MotDePasse2026!!",
            "Bonjour123456789",
            "postern-postern-1",
            "iloveyouiloveyou",
            "letmeinletmeinletmein",
        ] {
            assert_eq!(read(common), Err(WeakPassword::Common), "{common}");
        }
    }

    #[test]
    fn names_that_everybody_knows_are_refused() {
        for name in [
            "OliviaOkafor2026!",
            "olivia.okafor-belanger",
            "Okafor-Bélanger 1",
            "oliviaok@riverside.example",
            "RiversideNord2026",
            "OliviaOkaforOliviaok",
            "riverside riverside",
            "Clinique2026!!!!",
        ] {
            assert_eq!(read(name), Err(WeakPassword::OfNames), "{name}");
        }
        assert_eq!(read("olivia likes green tea in june"), Ok(()));
        let numbered = KnownNames::new(["Noor3 Haddad", "noor3@clinic.example"]);
        assert!(NewPassword::parse("Noor Haddad 2026", &numbered).is_err());
    }

    #[test]
    fn a_keyboard_makes_no_difference() {
        assert_eq!(normalised("e\u{301}te\u{301} ﬁn"), "été fin");
    }
}
