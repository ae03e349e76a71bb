//! The second factor: what signing in asks for besides the password, after NIST SP 800-63B-4 (3.1.2, 3.1.4) and RFC 6238.

mod app;
mod check;
mod passkeys;
mod recovery;
mod reset;
mod second_step;
mod vault;

pub use app::{AppSetup, Confirmed, app_in_setup, confirm_app, remove_app, seal_apps_anew, start_app};
pub use check::{Checked, TypedFactor, check};
pub use passkeys::{
    PasskeyAdded, PasskeyAnswer, PasskeyRow, PasskeyUse, RelyingParty, add_passkey, begin_assertion,
    begin_passkey_sign_in, begin_registration, remove_passkey, sign_in_with_passkey,
};
pub use recovery::{RecoveryCode, make_recovery_codes};
pub use reset::reset_second_factor;
pub use second_step::{PENDING_LASTS, SecondStep, SecondStepEnd, pending_user, second_step, sweep_pending};
pub(super) use second_step::{end_pending, make_pending};
pub use vault::Vault;

use super::mails::{self, MailKind, Wanted};
use crate::access::{self, ConfirmedAccount};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{authenticator_apps, recovery_codes};
use crate::db::{Conn, DbError, Ts, Tx, UserId};
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// A kind of second factor.
    pub enum Factor {
        /// an app that shows a code which changes every half minute
        App = "app",
        /// a key on a device, which asks for a finger, a face or a PIN
        Passkey = "passkey",
    }
}

/// The second factors that a user has, and their recovery codes.
#[derive(Debug, Clone, Default)]
pub struct SecondFactor {
    /// since when they have an authenticator app
    pub app: Option<Ts>,
    /// their passkeys
    pub passkeys: Vec<PasskeyRow>,
    /// recovery codes that are left
    pub recovery_codes: i64,
}

impl SecondFactor {
    /// Whether signing in asks for a second factor.
    pub fn is_there(&self) -> bool {
        self.app.is_some() || !self.passkeys.is_empty()
    }
}

/// The second factors that a user has, and their recovery codes.
pub fn second_factor(conn: &mut Conn, user: UserId) -> QueryResult<SecondFactor> {
    let app = authenticator_apps::table.find(user).select(authenticator_apps::added_at).first(conn).optional()?;
    let theirs = recovery_codes::table.filter(recovery_codes::user_id.eq(user));
    Ok(SecondFactor { app, passkeys: passkeys::of_user(conn, user)?, recovery_codes: theirs.count().get_result(conn)? })
}

/// Why a second factor was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// It is the last second factor, and the role needs one.
    #[error("the role needs a second factor")]
    Needed,
    /// There is no such second factor.
    #[error("there is no such second factor")]
    NotThere,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(RemoveError);

/// What follows a removal: without a second factor recovery codes are removed too. Called after the row is removed; an
/// error rolls that back.
fn removed(tx: &mut Tx, now: Ts, me: &ConfirmedAccount, factor: Factor) -> Result<(), RemoveError> {
    if !access::has_second_factor(tx, me.id())? {
        if access::needs_second_factor(tx, me.own().role())? {
            return Err(RemoveError::Needed);
        }
        recovery::forget(tx, me.id())?;
    }
    audit_factor(tx, now, me.id(), Event::SecondFactorRemoved, factor)?;
    Ok(mails::post(tx, now, &Wanted::to_user(MailKind::SecondFactorRemoved, Some(me.id())))?)
}

fn added(tx: &mut Tx, now: Ts, user: UserId, factor: Factor) -> QueryResult<()> {
    audit_factor(tx, now, user, Event::SecondFactorAdded, factor)?;
    mails::post(tx, now, &Wanted::to_user(MailKind::SecondFactorAdded, Some(user)))
}

fn audit_factor(tx: &mut Tx, now: Ts, user: UserId, event: Event, factor: Factor) -> QueryResult<()> {
    audit::append(tx, now, Entry::of_clinic(Actor::User(user), event, Subject::User(user)).with(factor.as_str()))
}
