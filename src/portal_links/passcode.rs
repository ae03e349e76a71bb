//! Passcodes: six digits, valid for ten minutes and one use; a new one ends the old.
//!
//! The worker makes the digits at the moment of sending. No table has them, only their slow hash: a million guesses
//! against a stolen table take longer than a passcode is valid.

use super::links::OpenLink;
use super::tries;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{clinic, passcodes, portal_links};
use crate::db::{Both, Conn, LinkId, NotificationId, Ts, Tx};
use crate::delivery::Reason;
use crate::outbox::{self, Task};
use crate::text_enum;
use diesel::prelude::*;
use time::Duration;

/// A passcode works for this long.
pub const PASSCODE_LASTS: Duration = Duration::minutes(10);
/// After this many wrong tries a passcode does not work any more.
pub const TRIES: i64 = 5;
/// Another passcode can be requested after this long.
const AGAIN_AFTER: Duration = Duration::seconds(20);

text_enum! {
    /// Whether a passcode was sent.
    pub enum PasscodeState {
        /// requested, not sent yet
        Queued = "queued",
        /// handed to the mail server or gateway
        Sent = "sent",
        /// it could not be sent
        Failed = "failed",
    }
}

/// What the link's page shows of a passcode.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = passcodes, check_for_backend(crate::db::MultiBackend))]
pub struct PasscodeStatus {
    /// when it was requested
    pub requested_at: Ts,
    /// when it expires
    pub expires_at: Ts,
    /// the number of wrong tries
    pub tries: i64,
    /// whether it was sent
    pub send_state: PasscodeState,
    /// why it could not be sent
    pub send_reason: Option<Reason>,
    /// until when no passcode is made or taken
    pub locked_until: Option<Ts>,
}

/// The state of a link's passcode; `None` where none was ever requested, or the last has expired and there is no lock.
pub fn status(conn: &mut Conn, now: Ts, link: LinkId) -> QueryResult<Option<PasscodeStatus>> {
    let row = passcodes::table.find(link).select(PasscodeStatus::as_select()).first(conn).optional()?;
    Ok(row.filter(|row| row.expires_at > now || row.lock(now).is_some()))
}

impl PasscodeStatus {
    /// When the lock ends; `None` where there is none now.
    pub fn lock(&self, now: Ts) -> Option<Ts> {
        self.locked_until.filter(|until| *until > now)
    }

    /// How long no other passcode is made, because this one was sent a moment ago; `None`: one can be requested now.
    pub fn wait(&self, now: Ts) -> Option<Duration> {
        let is_good = self.send_state != PasscodeState::Failed && self.tries < TRIES;
        let left = AGAIN_AFTER - now.since(self.requested_at);
        (is_good && left.is_positive()).then_some(left)
    }
}

/// Why no passcode is made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestRefused {
    /// one was requested a moment ago
    JustSent,
    /// too many wrong tries; a new one can be requested from this moment on
    Locked(Ts),
    /// the patient, or the caregiver, got as many today as the clinic allows
    EnoughToday,
}

/// Requests a passcode: the old one ends now, and the worker makes and sends a new one.
pub fn request(tx: &mut Tx, now: Ts, link: &OpenLink) -> QueryResult<Result<(), RequestRefused>> {
    let before: Option<PasscodeStatus> =
        passcodes::table.find(link.id).select(PasscodeStatus::as_select()).first(tx.conn()).optional()?;
    if let Some(locked) = before.as_ref().and_then(|b| b.locked_until).filter(|until| *until > now) {
        return Ok(Err(RequestRefused::Locked(locked)));
    }
    if before.is_some_and(|before| before.wait(now).is_some()) {
        return Ok(Err(RequestRefused::JustSent));
    }
    // a claim is never refused for this, which would tell that it is true: see `recipient`
    if let Some(patient) = link.patient.filter(|_| !link.is_claim)
        && tries::of_person_today(tx, now, (patient, link.caregiver))?.asked >= most_a_day(tx)?
    {
        return Ok(Err(RequestRefused::EnoughToday));
    }
    let (day, since) = tries::of_link(tx, now, link.id)?;
    let counts = (
        (passcodes::asked.eq(day.asked + 1), passcodes::wrong_tries.eq(day.wrong)),
        passcodes::counted_since.eq(since),
    );
    let fresh = (
        (passcodes::code_hash.eq(None::<&str>), passcodes::requested_at.eq(now), counts),
        (passcodes::expires_at.eq(now.plus(PASSCODE_LASTS)), passcodes::tries.eq(0)),
        (passcodes::send_state.eq(PasscodeState::Queued), passcodes::send_reason.eq(None::<Reason>)),
    );
    let first = (passcodes::link_id.eq(link.id), passcodes::locks.eq(0), fresh);
    let insert = diesel::insert_into(passcodes::table).values(first);
    Both(insert.on_conflict(passcodes::link_id).do_update().set(fresh)).execute(tx.conn())?;
    outbox::enqueue(tx, now, Task::SendPasscode(link.id), now)?;
    let entry = match link.patient {
        Some(patient) => {
            let who = Actor::at_portal(patient, link.caregiver);
            Entry::of_patient(who, Event::PasscodeRequested, patient, Subject::None)
        }
        None => Entry::of_clinic(Actor::System, Event::PasscodeRequested, Subject::None),
    };
    audit::append(tx, now, entry)?;
    Ok(Ok(()))
}

/// The most passcodes that one patient, or one caregiver, gets in a day.
pub(super) fn most_a_day(conn: &mut Conn) -> QueryResult<i64> {
    clinic::table.find(1).select(clinic::passcodes_a_day).first(conn)
}

/// Stores the hash of the digits that are about to be sent. Says whether they are still wanted: not where the link has ended since
/// its job began.
pub fn make(tx: &mut Tx, now: Ts, link: LinkId, hash: &str) -> QueryResult<bool> {
    let open = portal_links::table.find(link).filter(portal_links::expires_at.gt(now));
    let open = open.filter(portal_links::ended_at.is_null()).select(portal_links::id);
    if open.first::<LinkId>(tx.conn()).optional()?.is_none() {
        return Ok(false);
    }
    let wanted = passcodes::table
        .find(link)
        .filter(passcodes::send_state.eq(PasscodeState::Queued))
        .filter(passcodes::expires_at.gt(now));
    Ok(diesel::update(wanted).set(passcodes::code_hash.eq(hash)).execute(tx.conn())? == 1)
}

/// The notification of the newest passcode of this link, if it has one.
pub fn notice(conn: &mut Conn, link: LinkId) -> QueryResult<Option<NotificationId>> {
    let found = passcodes::table.find(link).select(passcodes::notification_id).first(conn).optional()?;
    Ok(found.flatten())
}

/// Stores which notification the newest passcode of this link has.
pub fn set_notice(tx: &mut Tx, link: LinkId, id: NotificationId) -> QueryResult<()> {
    let row = passcodes::table.find(link);
    diesel::update(row).set(passcodes::notification_id.eq(id)).execute(tx.conn()).map(drop)
}

/// Stores whether the digits were sent. The notification leaves the audit row.
pub fn mark_sent(tx: &mut Tx, link: LinkId, failed: Option<Reason>) -> QueryResult<()> {
    let state = if failed.is_some() { PasscodeState::Failed } else { PasscodeState::Sent };
    diesel::update(passcodes::table.find(link))
        .set((passcodes::send_state.eq(state), passcodes::send_reason.eq(failed)))
        .execute(tx.conn())
        .map(drop)
}

/// A later report says that the digits did not arrive: the patient is told, and can request others at once. For a claim
/// nothing is told, because it would show that the claim is true.
pub fn not_arrived(tx: &mut Tx, notice: NotificationId, why: Reason) -> QueryResult<()> {
    let link = passcodes::table.filter(passcodes::notification_id.eq(notice)).select(passcodes::link_id);
    let Some(link) = link.first::<LinkId>(tx.conn()).optional()? else { return Ok(()) };
    let is_claim = portal_links::table.find(link).select(portal_links::claim_hash.is_not_null());
    match is_claim.first(tx.conn())? {
        true => Ok(()),
        false => mark_sent(tx, link, Some(why)),
    }
}

/// Marks a passcode of a claim that is true of nobody as sent: it is made like any other, and sent nowhere.
pub fn mark_sent_to_nobody(tx: &mut Tx, now: Ts, link: LinkId) -> QueryResult<()> {
    mark_sent(tx, link, None)?;
    let entry = Entry::of_clinic(Actor::System, Event::PasscodeState, Subject::None);
    audit::append(tx, now, entry.with(PasscodeState::Sent.as_str()))
}
