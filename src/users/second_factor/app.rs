//! An authenticator app: the clinic and a phone share a secret, from which both compute a code every half minute (RFC
//! 6238). A new secret is not used until a code shows that the phone has it.

use super::recovery::{self, RecoveryCode};
use super::{Factor, RemoveError, Vault, added, removed};
use crate::access::{ConfirmedAccount, OwnAccount};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{authenticator_apps as apps, authenticator_setups as setups};
use crate::db::{Conn, Ts, Tx, UserId, lock_row};
use diesel::prelude::*;
use time::Duration;
use totp_rs::{Builder, Totp};

/// A new secret has to be confirmed within this time.
const SETUP_LASTS: Duration = Duration::HOUR;

/// What the phone needs for setting up the app.
#[derive(Clone)]
pub struct AppSetup {
    /// the secret in base32, in groups of four, to be typed
    pub key: String,
    /// everything as an address, for the QR code
    pub address: String,
}

/// Accepts the code of this moment, and those of the half minute before and after it, because clocks differ.
fn totp(secret: Vec<u8>, clinic: &str, account: &str) -> Totp {
    let builder = Builder::new().with_secret(secret.into_boxed_slice()).with_skew(1);
    // a colon separates the issuer from the account
    builder
        .with_issuer(Some(clinic.replace(':', " ")))
        .with_account_name(account.replace(':', " "))
        .build_noncompliant()
}

/// The time step that has this code; `None` where it is no current code.
fn step_of(secret: Vec<u8>, now: Ts, typed: &str) -> Option<i64> {
    let code: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let now = u64::try_from(now.get().unix_timestamp()).ok()?;
    totp(secret, "", "").check(&code, now).and_then(|step| i64::try_from(step).ok())
}

/// Makes a secret, which [`app_in_setup`] shows, in place of an unconfirmed one.
pub fn start_app(tx: &mut Tx, now: Ts, me: &ConfirmedAccount, vault: &Vault) -> QueryResult<()> {
    let user = me.id();
    lock_row(tx, "users", user.0)?;
    diesel::delete(setups::table.find(user)).execute(tx.conn())?;
    let secret = vault.seal(user, &vault.draw())?;
    let row = (setups::user_id.eq(user), setups::secret.eq(secret), setups::expires_at.eq(now.plus(SETUP_LASTS)));
    diesel::insert_into(setups::table).values(row).execute(tx.conn())?;
    audit::append(tx, now, Entry::of_clinic(Actor::User(user), Event::SecondFactorBegun, Subject::User(user)))
}

fn in_setup(conn: &mut Conn, now: Ts, user: UserId, vault: &Vault) -> QueryResult<Option<Vec<u8>>> {
    let open = setups::table.find(user).filter(setups::expires_at.gt(now)).select(setups::secret);
    let stored: Option<Vec<u8>> = open.first(conn).optional()?;
    stored.map(|stored| vault.open(user, &stored)).transpose()
}

/// The app that is being set up; `None` where there is none, or its time is over.
pub fn app_in_setup(
    conn: &mut Conn,
    now: Ts,
    me: &OwnAccount,
    (clinic, account): (&str, &str),
    vault: &Vault,
) -> QueryResult<Option<AppSetup>> {
    let Some(secret) = in_setup(conn, now, me.id(), vault)? else { return Ok(None) };
    let totp = totp(secret, clinic, account);
    let signs: Vec<char> = totp.secret().to_base32().chars().collect();
    let groups: Vec<String> = signs.chunks(4).map(|four| four.iter().collect()).collect();
    // this fails only for an account without a name, and there is none
    Ok(Some(AppSetup { key: groups.join(" "), address: totp.to_url().unwrap_or_default() }))
}

/// The result of a code that was typed to confirm an app.
pub enum Confirmed {
    /// the app is used from now on; `Some`: these are the recovery codes, to be shown once
    Added(Option<Vec<RecoveryCode>>),
    /// it is no code of the app
    Wrong,
    /// nothing is being set up
    NotStarted,
}

/// Starts to use the app that was shown, in place of an earlier one, if this is a code of it. A user without recovery
/// codes gets `codes` as theirs.
pub fn confirm_app(
    tx: &mut Tx,
    now: Ts,
    me: &ConfirmedAccount,
    (typed, codes): (&str, Vec<RecoveryCode>),
    vault: &Vault,
) -> QueryResult<Confirmed> {
    let user = me.id();
    lock_row(tx, "users", user.0)?;
    let Some(secret) = in_setup(tx, now, user, vault)? else { return Ok(Confirmed::NotStarted) };
    let Some(step) = step_of(secret.clone(), now, typed) else { return Ok(Confirmed::Wrong) };
    diesel::delete(setups::table.find(user)).execute(tx.conn())?;
    diesel::delete(apps::table.find(user)).execute(tx.conn())?;
    let row = (
        (apps::user_id.eq(user), apps::secret.eq(vault.seal(user, &secret)?)),
        (apps::last_step.eq(step), apps::added_at.eq(now)),
    );
    diesel::insert_into(apps::table).values(row).execute(tx.conn())?;
    added(tx, now, user, Factor::App)?;
    Ok(Confirmed::Added(recovery::make_first(tx, now, user, codes)?))
}

/// Whether this is a code of the user's app that was not used before. The same code typed twice at the same moment: one
/// succeeds.
pub(super) fn take_code(tx: &mut Tx, now: Ts, user: UserId, typed: &str, vault: &Vault) -> QueryResult<bool> {
    let app: Option<Vec<u8>> = apps::table.find(user).select(apps::secret).first(tx.conn()).optional()?;
    let Some(stored) = app else { return Ok(false) };
    let secret = vault.open(user, &stored)?;
    let Some(step) = step_of(secret.clone(), now, typed) else { return Ok(false) };
    let later = apps::table.find(user).filter(apps::last_step.lt(step));
    let is_right = diesel::update(later).set(apps::last_step.eq(step)).execute(tx.conn())? == 1;
    if is_right && vault.is_outdated(&stored) {
        let sealed = vault.seal(user, &secret)?;
        diesel::update(apps::table.find(user)).set(apps::secret.eq(sealed)).execute(tx.conn())?;
    }
    Ok(is_right)
}

/// Seals with the present key the secrets of apps that are in clear or under an old key. A secret that cannot be opened
/// stays as it is, and the log says so. Gives how many were sealed.
pub fn seal_apps_anew(tx: &mut Tx, vault: &Vault) -> QueryResult<usize> {
    let all: Vec<(UserId, Vec<u8>)> = apps::table.select((apps::user_id, apps::secret)).load(tx.conn())?;
    let mut done = 0;
    for (user, stored) in all.into_iter().filter(|(_, stored)| vault.is_outdated(stored)) {
        match vault.open(user, &stored) {
            Ok(secret) => {
                let sealed = vault.seal(user, &secret)?;
                let same = apps::table.find(user).filter(apps::secret.eq(stored));
                done += diesel::update(same).set(apps::secret.eq(sealed)).execute(tx.conn())?;
            }
            Err(cause) => tracing::error!(%cause, %user, "the secret of an app could not be sealed anew"),
        }
    }
    Ok(done)
}

/// Removes the app.
///
/// # Errors
/// See [`RemoveError`].
pub fn remove_app(tx: &mut Tx, now: Ts, me: &ConfirmedAccount) -> Result<(), RemoveError> {
    lock_row(tx, "users", me.id().0)?;
    if diesel::delete(apps::table.find(me.id())).execute(tx.conn())? == 0 {
        return Err(RemoveError::NotThere);
    }
    removed(tx, now, me, Factor::App)
}

/// Removes the app, and one that is being set up.
pub(super) fn forget(tx: &mut Tx, user: UserId) -> QueryResult<usize> {
    diesel::delete(setups::table.find(user)).execute(tx.conn())?;
    diesel::delete(apps::table.find(user)).execute(tx.conn())
}

/// Removes secrets that were not confirmed in time.
pub(super) fn sweep(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    diesel::delete(setups::table.filter(setups::expires_at.le(now))).execute(tx.conn())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test values of RFC 6238, appendix B, cut to six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = || b"12345678901234567890".to_vec();
        let at = |seconds: i64| Ts::from_micros(seconds * 1_000_000).unwrap();
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            let step = seconds / 30;
            assert_eq!(step_of(secret(), at(seconds), code), Some(step));
            // half a minute late or early, and typed as the app shows it
            assert_eq!(step_of(secret(), at(seconds + 30), code), Some(step));
            assert_eq!(step_of(secret(), at(seconds - 30), &format!(" {} {} ", &code[..3], &code[3..])), Some(step));
            assert_eq!(step_of(secret(), at(seconds + 61), code), None);
            assert_eq!(step_of(secret(), at(seconds - 61), code), None);
        }
        for other in ["", "28708", "2870820", "abcdef", "２８７０８２", "000000"] {
            assert_eq!(step_of(secret(), at(59), other), None, "{other}");
        }
    }
}
