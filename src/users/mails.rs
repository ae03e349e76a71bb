//! Mail to users about their own account: a link to set a password, or news of a change. A link is made when its mail
//! is sent, and only its hash is stored.

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
        /// the password was changed
        PasswordChanged = "password_changed",
        /// the address to sign in with was changed; the mail goes to the old address
        EmailChanged = "email_changed",
        /// a second factor was added
        SecondFactorAdded = "second_factor_added",
        /// a second factor was removed
        SecondFactorRemoved = "second_factor_removed",
        /// an owner removed all of the user's second factors
        SecondFactorReset = "second_factor_reset",
        /// the account was linked to a person at the provider
        ProviderLinked = "provider_linked",
        /// that link was removed
        ProviderUnlinked = "provider_unlinked",
        /// there are new recovery codes
        RecoveryCodesMade = "recovery_codes_made",
        /// a recovery code was used
        RecoveryCodeUsed = "recovery_code_used",
        /// somebody typed the right password and then several wrong codes
        SecondStepGuessed = "second_step_guessed",
        /// the seal of the audit log, to an owner
        AuditSeal = "audit_seal",
        /// a message that was to go out later does not go out by itself
        NotSent = "not_sent",
    }
}

impl MailKind {
    /// The purpose of the mail's link; `None` where the mail has no link.
    pub const fn purpose(self) -> Option<Purpose> {
        match self {
            MailKind::Invitation => Some(Purpose::Invitation),
            MailKind::Forgotten => Some(Purpose::Forgotten),
            _ => None,
        }
    }
}

text_enum! {
    /// The state of a mail.
    pub enum MailState {
        /// it waits to be sent
        Waiting = "waiting",
        /// the mail server has taken it
        Sent = "sent",
        /// it could not be sent
        Failed = "failed",
        /// it is not sent: it has no recipient, its link has expired, or it waited in a backup that was restored
        Over = "over",
    }
}

/// The row of a mail is kept for this long, so that a page can say whether it was sent.
const KEPT: Duration = Duration::days(30);
/// At most this many mails of a kind that anybody can cause are sent to one user within [`WITHIN`], counted over all
/// instances and across restarts.
const MOST: i64 = 3;
const WITHIN: Duration = Duration::HOUR;

/// A mail to be enqueued.
pub(super) struct Wanted {
    kind: MailKind,
    user: Option<UserId>,
    to: Option<EmailAddress>,
    device: Option<Device>,
}

impl Wanted {
    /// A mail to a user. With `None` it is enqueued and sent to nobody: the address that was typed is no user's.
    pub(super) fn to_user(kind: MailKind, user: Option<UserId>) -> Wanted {
        Wanted { kind, user, to: None, device: None }
    }

    /// Sends it to this address instead of the user's own.
    pub(super) fn to(self, address: EmailAddress) -> Wanted {
        Wanted { to: Some(address), ..self }
    }

    /// Makes it name this browser.
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

/// Enqueues word to a user that a message in their list does not go out by itself; it says nothing of whom or what.
pub fn tell_not_sent(tx: &mut Tx, now: Ts, user: UserId) -> QueryResult<()> {
    post(tx, now, &Wanted::to_user(MailKind::NotSent, Some(user)))
}

/// An owner is told the seal of the audit log this often.
const SEAL_EVERY: Duration = Duration::hours(24);

/// Enqueues a mail with the seal of the audit log to each owner who got none within a day. Gives the number of owners.
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

/// The values of a mail.
#[derive(Debug, Clone)]
pub struct ToSend {
    /// its kind, which decides what it says
    pub kind: MailKind,
    /// the recipient
    pub user: UserId,
    /// the recipient's name
    pub name: String,
    /// the address that it is sent to
    pub to: EmailAddress,
    /// the browser that it is about
    pub device: Option<Device>,
    /// the user's language
    pub language: String,
    /// when it was requested; the time of its link counts from here
    pub since: Ts,
}

/// The state of the newest mail of a kind to a user, and since when; `None` where no such mail is kept.
pub fn last_mail(conn: &mut Conn, user: UserId, kind: MailKind) -> QueryResult<Option<(MailState, Ts)>> {
    let theirs = m::table.filter(m::user_id.eq(user)).filter(m::kind.eq(kind)).order(m::id.desc());
    theirs.select((m::state, m::state_at)).first(conn).optional()
}

/// Reads the values of a mail; `None` where there is nobody to send it to, or its link would not work any more.
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
    // the time of a link counts from the request, so a mail that waited too long would carry a dead link
    if kind.purpose().is_some_and(|purpose| since.plus(purpose.lasts()) <= now) {
        return Ok(None);
    }
    let device = device.as_deref().map(Device::stored);
    Ok(Some(ToSend { kind, user, name, to: to.unwrap_or(email), device, language, since }))
}

/// Stores the link of a mail that is about to be sent, and gives until when it works; `None` where the mail has none.
pub fn make_link_of(tx: &mut Tx, mail: &ToSend, token: &Token) -> QueryResult<Option<Ts>> {
    let Some(purpose) = mail.kind.purpose() else { return Ok(None) };
    links::make_password_link(tx, mail.since, mail.user, purpose, token).map(Some)
}

/// Stores the state of a mail.
pub fn settle(tx: &mut Tx, now: Ts, id: AccountMailId, state: MailState) -> QueryResult<()> {
    let row = diesel::update(m::table.find(id));
    row.set((m::state.eq(state), m::state_at.eq(now))).execute(tx.conn()).map(drop)
}

/// Marks each waiting mail of a restored backup as over: it may have been sent after the backup was made. Gives how
/// many.
pub fn after_restore(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let waiting = diesel::update(m::table.filter(m::state.eq(MailState::Waiting)));
    waiting.set((m::state.eq(MailState::Over), m::state_at.eq(now))).execute(tx.conn())
}

/// Removes mails that were kept for their full time, a hundred at a time. Gives how many.
pub fn forget_mails(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let old = m::table.filter(m::created_at.lt(now.plus(-KEPT))).order((m::created_at, m::id)).limit(100);
    let old: Vec<AccountMailId> = old.select(m::id).load(tx.conn())?;
    diesel::delete(m::table.filter(m::id.eq_any(old))).execute(tx.conn())
}
