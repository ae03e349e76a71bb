//! Mail to users about their own account: a link to set a password, and word of what has changed. A link is made when its
//! mail goes out, and only its hash is kept.

use super::links::{self, Purpose};
use crate::access::{Device, Role};
use crate::clock::Token;
use crate::db::schema::{account_mails as m, users};
use crate::db::{AccountMailId, Conn, Ts, Tx, UserId, lock_row};
use crate::outbox::{self, Task};
use crate::text_enum;
use crate::values::EmailAddress;
use diesel::prelude::*;
use time::Duration;

text_enum! {
    /// What a mail says.
    pub enum MailKind {
        /// an account was made: set a password by this link
        Invitation = "invitation",
        /// the password was forgotten: set another one by this link
        Forgotten = "forgotten",
        /// somebody signed in from a browser that was not seen before
        NewDevice = "new_device",
        /// the password is another one
        PasswordChanged = "password_changed",
        /// the address to sign in with is another one; it goes to the one before
        EmailChanged = "email_changed",
        /// signing in asks for something more from now on
        SecondFactorAdded = "second_factor_added",
        /// signing in asks for that no more
        SecondFactorRemoved = "second_factor_removed",
        /// an owner removed all of it
        SecondFactorReset = "second_factor_reset",
        /// whoever is this person at the provider signs in
        ProviderLinked = "provider_linked",
        /// and does no more
        ProviderUnlinked = "provider_unlinked",
        /// there are new recovery codes
        RecoveryCodesMade = "recovery_codes_made",
        /// a recovery code was used
        RecoveryCodeUsed = "recovery_code_used",
        /// somebody has the password and not the second factor
        SecondStepGuessed = "second_step_guessed",
        /// the seal of the audit log, to an owner
        AuditSeal = "audit_seal",
    }
}

impl MailKind {
    /// What its link is for; `None` where it has none.
    pub const fn purpose(self) -> Option<Purpose> {
        match self {
            MailKind::Invitation => Some(Purpose::Invitation),
            MailKind::Forgotten => Some(Purpose::Forgotten),
            _ => None,
        }
    }
}

text_enum! {
    /// What has become of a mail.
    pub enum MailState {
        /// it is on its way
        Waiting = "waiting",
        /// the mail server has taken it
        Sent = "sent",
        /// it could not be sent
        Failed = "failed",
        /// it was of no use any more when its turn came
        Over = "over",
    }
}

/// A mail is kept for this long, so that a page can say what became of it.
const KEPT: Duration = Duration::days(30);
/// So many mails of a kind that anybody can set off go to one user within [`WITHIN`], on all instances and across restarts.
const MOST: i64 = 3;
const WITHIN: Duration = Duration::HOUR;

/// A mail that is wanted.
pub(super) struct Wanted {
    kind: MailKind,
    user: Option<UserId>,
    to: Option<EmailAddress>,
    device: Option<Device>,
}

impl Wanted {
    /// To a user. Without one it goes nowhere: somebody typed an address that nobody has.
    pub(super) fn to_user(kind: MailKind, user: Option<UserId>) -> Wanted {
        Wanted { kind, user, to: None, device: None }
    }

    /// To another address than the user's own.
    pub(super) fn to(self, address: EmailAddress) -> Wanted {
        Wanted { to: Some(address), ..self }
    }

    /// About this browser.
    pub(super) fn about(self, device: Device) -> Wanted {
        Wanted { device: Some(device), ..self }
    }
}

/// Enqueues a mail.
pub(super) fn post(tx: &mut Tx, now: Ts, mail: &Wanted) -> QueryResult<()> {
    let row = (
        (m::user_id.eq(mail.user), m::kind.eq(mail.kind), m::state.eq(MailState::Waiting)),
        (m::to_email.eq(&mail.to), m::device.eq(mail.device.map(Device::to_stored))),
        (m::created_at.eq(now), m::state_at.eq(now)),
    );
    let id: AccountMailId = diesel::insert_into(m::table).values(row).returning(m::id).get_result(tx.conn())?;
    outbox::enqueue(tx, now, Task::TellUser(id), now)
}

/// An owner is told the seal of the audit log this often.
const SEAL_EVERY: Duration = Duration::hours(24);

/// Enqueues the seal of the audit log to each owner who was not told one within a day. Gives to how many.
pub fn tell_seal(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    lock_row(tx, "clinic", 1)?;
    let told = m::table
        .filter(m::kind.eq(MailKind::AuditSeal))
        .filter(m::created_at.gt(now.plus(-SEAL_EVERY)))
        .filter(m::user_id.is_not_null())
        .select(m::user_id.assume_not_null());
    let owners: Vec<UserId> = users::table
        .filter(users::role.eq(Role::Owner))
        .filter(users::active.eq(true))
        .filter(users::id.ne_all(told))
        .select(users::id)
        .order(users::id)
        .load(tx.conn())?;
    for owner in &owners {
        post(tx, now, &Wanted::to_user(MailKind::AuditSeal, Some(*owner)))?;
    }
    Ok(owners.len())
}

/// Whether a user had so many mails of a kind within the last hour that one more would only fill the mailbox.
pub(super) fn had_enough(conn: &mut Conn, now: Ts, user: UserId, kind: MailKind) -> QueryResult<bool> {
    let theirs = m::table.filter(m::user_id.eq(user)).filter(m::kind.eq(kind));
    let newest: Vec<Ts> = theirs.order(m::id.desc()).limit(MOST).select(m::created_at).load(conn)?;
    Ok(newest.iter().filter(|at| **at > now.plus(-WITHIN)).count() as i64 >= MOST)
}

/// What a mail is made of.
#[derive(Debug, Clone)]
pub struct ToSend {
    /// what it says
    pub kind: MailKind,
    /// to whom
    pub user: UserId,
    /// their name
    pub name: String,
    /// where to
    pub to: EmailAddress,
    /// about which browser
    pub device: Option<Device>,
    /// the user's language
    pub language: String,
    /// when it was wanted
    pub since: Ts,
}

/// What became of the newest mail of a kind to a user, and when; `None` where there was none of late.
pub fn last_mail(conn: &mut Conn, user: UserId, kind: MailKind) -> QueryResult<Option<(MailState, Ts)>> {
    let theirs = m::table.filter(m::user_id.eq(user)).filter(m::kind.eq(kind)).order(m::id.desc());
    theirs.select((m::state, m::state_at)).first(conn).optional()
}

/// Reads what a mail is made of; `None` where there is nobody to send it to, or its link would not work any more.
pub fn to_send(conn: &mut Conn, now: Ts, id: AccountMailId) -> QueryResult<Option<ToSend>> {
    type Mail = (MailKind, Ts, Option<EmailAddress>, Option<String>);
    type Recipient = (UserId, String, EmailAddress, String);
    let found: Option<(Mail, Recipient)> = m::table
        .find(id)
        .inner_join(users::table)
        .filter(users::active.eq(true))
        .select((
            (m::kind, m::created_at, m::to_email, m::device),
            (users::id, users::name, users::email, users::language),
        ))
        .first(conn)
        .optional()?;
    let Some(((kind, since, to, device), (user, name, email, language))) = found else { return Ok(None) };
    // a link is for as long as its purpose says, from the moment when it was wanted
    if kind.purpose().is_some_and(|purpose| since.plus(purpose.lasts()) <= now) {
        return Ok(None);
    }
    let device = device.as_deref().map(Device::stored);
    Ok(Some(ToSend { kind, user, name, to: to.unwrap_or(email), device, language, since }))
}

/// Stores the link of a mail that is about to go out, and gives until when it works; `None` where the mail has none.
pub fn make_link_of(tx: &mut Tx, mail: &ToSend, token: &Token) -> QueryResult<Option<Ts>> {
    let Some(purpose) = mail.kind.purpose() else { return Ok(None) };
    links::make_password_link(tx, mail.since, mail.user, purpose, token).map(Some)
}

/// Writes down what became of a mail.
pub fn settle(tx: &mut Tx, now: Ts, id: AccountMailId, state: MailState) -> QueryResult<()> {
    let row = diesel::update(m::table.find(id));
    row.set((m::state.eq(state), m::state_at.eq(now))).execute(tx.conn()).map(drop)
}

/// Says of each mail of a restored backup that waited that it is over: it may have been sent since, and its link is no more.
/// Gives how many.
pub fn after_restore(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let waiting = diesel::update(m::table.filter(m::state.eq(MailState::Waiting)));
    waiting.set((m::state.eq(MailState::Over), m::state_at.eq(now))).execute(tx.conn())
}

/// Forgets mails of long ago, a hundred at a time. Gives how many.
pub fn forget_mails(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let old = m::table.filter(m::created_at.lt(now.plus(-KEPT))).order((m::created_at, m::id)).limit(100);
    let old: Vec<AccountMailId> = old.select(m::id).load(tx.conn())?;
    diesel::delete(m::table.filter(m::id.eq_any(old))).execute(tx.conn())
}
