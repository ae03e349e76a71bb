//! Passcodes: six digits, ten minutes, one use; a new one kills the old.
//!
//! The digits are made by the worker at the moment of sending and are in no table, only their slow hash: a million
//! guesses against a stolen table take longer than a passcode lives.

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
/// Wrong tries before a passcode is dead.
pub const TRIES: i64 = 5;
/// A further passcode can be asked for after this long.
const AGAIN_AFTER: Duration = Duration::seconds(20);

text_enum! {
    /// What became of a passcode.
    pub enum PasscodeState {
        /// asked for, on its way
        Queued = "queued",
        /// handed over
        Sent = "sent",
        /// it could not be sent
        Failed = "failed",
    }
}

/// What the page needs to know.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = passcodes, check_for_backend(crate::db::MultiBackend))]
pub struct PasscodeStatus {
    /// when it was asked for
    pub requested_at: Ts,
    /// when it ends
    pub expires_at: Ts,
    /// how many wrong tries
    pub tries: i64,
    /// what became of it
    pub send_state: PasscodeState,
    /// why it could not be sent
    pub send_reason: Option<Reason>,
    /// no passcode before this moment
    pub locked_until: Option<Ts>,
}

/// What is known of a link's passcode; `None` where none was ever asked for, or the last is over and no lock holds.
pub fn status(conn: &mut Conn, now: Ts, link: LinkId) -> QueryResult<Option<PasscodeStatus>> {
    let row = passcodes::table.find(link).select(PasscodeStatus::as_select()).first(conn).optional()?;
    Ok(row.filter(|row| row.expires_at > now || row.lock(now).is_some()))
}

impl PasscodeStatus {
    /// Until when no passcode is made or taken, if so.
    pub fn lock(&self, now: Ts) -> Option<Ts> {
        self.locked_until.filter(|until| *until > now)
    }
}

/// Why no passcode is made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestRefused {
    /// one was asked for a moment ago
    JustSent,
    /// too many wrong tries; a new one can be asked for at this moment
    Locked(Ts),
    /// as many as the clinic lets go to one patient in a day
    EnoughToday,
}

/// Asks for a passcode: the old one dies now, a new one is made and sent by the worker.
pub fn request(tx: &mut Tx, now: Ts, link: &OpenLink) -> QueryResult<Result<(), RequestRefused>> {
    let before: Option<PasscodeStatus> =
        passcodes::table.find(link.id).select(PasscodeStatus::as_select()).first(tx.conn()).optional()?;
    if let Some(locked) = before.as_ref().and_then(|b| b.locked_until).filter(|until| *until > now) {
        return Ok(Err(RequestRefused::Locked(locked)));
    }
    let is_good = |b: &PasscodeStatus| b.send_state != PasscodeState::Failed && b.tries < TRIES;
    let just_sent = before.is_some_and(|b| now.since(b.requested_at) < AGAIN_AFTER && is_good(&b));
    if just_sent {
        return Ok(Err(RequestRefused::JustSent));
    }
    // of a claim nothing is told: see `recipient`
    if let Some(patient) = link.patient.filter(|_| !link.is_claim)
        && tries::of_patient_today(tx, now, patient)?.asked >= most_a_day(tx)?
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
        Some(patient) => Entry::of_patient(Actor::Patient(patient), Event::PasscodeRequested, patient, Subject::None),
        None => Entry::of_clinic(Actor::System, Event::PasscodeRequested, Subject::None),
    };
    audit::append(tx, now, entry)?;
    Ok(Ok(()))
}

/// So many passcodes go to one patient in a day.
pub(super) fn most_a_day(conn: &mut Conn) -> QueryResult<i64> {
    clinic::table.find(1).select(clinic::passcodes_a_day).first(conn)
}

/// Stores the hash of the digits that are about to be sent. Says whether they are still wanted.
pub fn make(tx: &mut Tx, now: Ts, link: LinkId, hash: &str) -> QueryResult<bool> {
    let wanted = passcodes::table
        .find(link)
        .filter(passcodes::send_state.eq(PasscodeState::Queued))
        .filter(passcodes::expires_at.gt(now));
    Ok(diesel::update(wanted).set(passcodes::code_hash.eq(hash)).execute(tx.conn())? == 1)
}

/// The row of the Outbox for the newest passcode of this link, if it has one.
pub fn notice(conn: &mut Conn, link: LinkId) -> QueryResult<Option<NotificationId>> {
    let found = passcodes::table.find(link).select(passcodes::notification_id).first(conn).optional()?;
    Ok(found.flatten())
}

/// Notes which row of the Outbox the newest passcode of this link has.
pub fn set_notice(tx: &mut Tx, link: LinkId, id: NotificationId) -> QueryResult<()> {
    let row = passcodes::table.find(link);
    diesel::update(row).set(passcodes::notification_id.eq(id)).execute(tx.conn()).map(drop)
}

/// Writes down whether the digits went out. The audit row is that of their row in the Outbox.
pub fn mark_sent(tx: &mut Tx, link: LinkId, failed: Option<Reason>) -> QueryResult<()> {
    let state = if failed.is_some() { PasscodeState::Failed } else { PasscodeState::Sent };
    diesel::update(passcodes::table.find(link))
        .set((passcodes::send_state.eq(state), passcodes::send_reason.eq(failed)))
        .execute(tx.conn())
        .map(drop)
}

/// The road says later that the digits did not arrive: the patient is told, and can ask for others at once. Of a claim
/// nothing is told, as ever: it would say whether the claim is true.
pub fn not_arrived(tx: &mut Tx, notice: NotificationId, why: Reason) -> QueryResult<()> {
    let link = passcodes::table.filter(passcodes::notification_id.eq(notice)).select(passcodes::link_id);
    let Some(link) = link.first::<LinkId>(tx.conn()).optional()? else { return Ok(()) };
    let is_claim = portal_links::table.find(link).select(portal_links::claim_hash.is_not_null());
    match is_claim.first(tx.conn())? {
        true => Ok(()),
        false => mark_sent(tx, link, Some(why)),
    }
}

/// The digits for a claim that is true of nobody are made like any others, and go nowhere.
pub fn mark_sent_to_nobody(tx: &mut Tx, now: Ts, link: LinkId) -> QueryResult<()> {
    mark_sent(tx, link, None)?;
    let entry = Entry::of_clinic(Actor::System, Event::PasscodeState, Subject::None);
    audit::append(tx, now, entry.with(PasscodeState::Sent.as_str()))
}
