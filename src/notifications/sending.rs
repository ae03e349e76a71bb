//! What the worker reads when a notification is due, and stores before and after it hands it over.

use super::blocks::{BlockKind, Blocks, blocks};
use super::moves::set_state;
use super::recipients::{Reached, is_caregivers};
use super::rows::NotificationRow;
use super::states::{Ending, State};
use super::templates::Kind;
use crate::db::schema::{conversations, messages, notifications};
use crate::db::{CaregiverId, Conn, NotificationId, Ts, Tx, change_rows, lock_row, share_row};
use crate::delivery::{Channel, Reason};
use crate::patients::Patient;
use crate::settings;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::prelude::*;

/// What the worker needs to send one, read at the moment of sending.
pub struct ToSend {
    /// the notification
    pub row: NotificationRow,
    /// whom it is for, as they are reached now
    pub to: Reached,
    /// when the conversation was closed, if it was
    pub closed_at: Option<Ts>,
    /// when the message was read, if that makes this needless: of a first notification by whom it is for, of a reminder by anybody
    pub read_at: Option<Ts>,
    /// when the message was taken back, if it was
    pub recalled_at: Option<Ts>,
    /// whom it is for sees its conversation: no caregiver one that is for the patient alone, also by a shared address, or began before
    /// their time
    pub is_shown: bool,
    /// the blocks on their addresses
    pub blocks: Blocks,
}

/// Reads what is needed to send one, and locks it: its message is not taken back between this look and the handing over.
/// `None` where it does not exist any more or is final.
pub fn for_sending(conn: &mut Conn, now: Ts, id: NotificationId) -> QueryResult<Option<ToSend>> {
    let whose = notifications::table.find(id).select(notifications::caregiver_id);
    // whoever changes or ends the caregiver waits, and then finds the link that is made here, or was first
    if let Some(caregiver) = whose.first::<Option<CaregiverId>>(conn).optional()?.flatten() {
        share_row(conn, "caregivers", caregiver.0)?;
    }
    lock_row(conn, "notifications", id.0)?;
    let row: Option<NotificationRow> =
        notifications::table.find(id).select(NotificationRow::as_select()).first(conn).optional()?;
    let Some(row) = row.filter(|row| !row.state.is_final()) else { return Ok(None) };
    // its line of the inbox is written below, and conversations come before patients
    if let Some((_, conversation)) = row.about() {
        change_rows(conn, "conversations", "id", conversation.0)?;
    }
    // whoever changes the patient's own address waits, and then ends the link that is made here, or was first
    share_row(conn, "patients", row.patient_id.0)?;
    let to = Reached::read(conn, now, row.patient_id, row.caregiver_id)?;
    let columns = (conversations::closed_at, conversations::only_patient, conversations::created_at);
    let marks = (messages::read_by_patient_at, messages::recalled_at, messages::reader_id);
    let ((closed_at, only_patient, began), (read_at, recalled_at, reader)) = match row.about() {
        Some((message, conversation)) => (
            conversations::table.find(conversation).select(columns).first(conn)?,
            messages::table.find(message).select(marks).first(conn)?,
        ),
        None => ((None, false, now), (None, None, None::<CaregiverId>)),
    };
    let read_at: Option<Ts> = read_at.filter(|_| row.kind == Kind::Reminder || reader == row.caregiver_id);
    let is_shown = match &to.caregiver {
        Some(one) => !only_patient && one.details.starts_at <= began,
        // the chart may have got a caregiver's address since
        None if only_patient => !is_caregivers(conn, now, &to.record, row.channel)?,
        None => true,
    };
    let blocks = blocks(conn, &to.record)?;
    Ok(Some(ToSend { row, to, closed_at, is_shown, read_at, recalled_at, blocks }))
}

/// Where a notification is sent.
#[derive(Debug, Clone)]
pub enum Address {
    /// to this mailbox
    Email(EmailAddress),
    /// to this phone
    Sms(PhoneNumber),
}

impl Address {
    /// The address in the chart for this road.
    pub fn for_patient(patient: &Patient, channel: Channel) -> Option<Address> {
        match channel {
            Channel::Email => patient.email.clone().map(Address::Email),
            Channel::Sms => patient.phone.clone().map(Address::Sms),
        }
    }

    /// The address as text, to be kept with what was sent to it.
    pub fn as_str(&self) -> &str {
        match self {
            Address::Email(email) => email.as_str(),
            Address::Sms(phone) => phone.as_str(),
        }
    }
}

/// Decides where to send it by what holds now, not by what held when the message was written.
///
/// # Errors
/// The state to set instead, with its reason.
pub fn fit_to_send(settings: &settings::Settings, to_send: &ToSend) -> Result<Address, Ending> {
    let patient = &to_send.to.record;
    let cancelled = |reason| Err(Ending { state: State::Cancelled, reason: Some(reason) });
    match () {
        () if patient.archived_at.is_some() => return cancelled(Reason::Archived),
        () if !settings.portal_on => return cancelled(Reason::PortalOff),
        () if !patient.portal_access || !to_send.to.is_current => return cancelled(Reason::NoAccess),
        () if !to_send.is_shown => return cancelled(Reason::NoAccess),
        // word that a message was taken back is wanted most where nothing else is left
        () if to_send.row.kind == Kind::Recall => {}
        () if to_send.recalled_at.is_some() => return cancelled(Reason::Recalled),
        () if to_send.closed_at.is_some() => return cancelled(Reason::Closed),
        () if to_send.read_at.is_some() => return cancelled(Reason::AlreadyRead),
        () => {}
    }
    if let Some(block) = to_send.blocks.on(to_send.row.channel) {
        let state =
            if matches!(block.kind, BlockKind::Bad | BlockKind::Wrong) { State::Failed } else { State::Stopped };
        return Err(Ending { state, reason: Some(block.kind.reason()) });
    }
    Address::for_patient(patient, to_send.row.channel)
        .ok_or(Ending { state: State::Failed, reason: Some(Reason::NoAddress) })
}

/// Notes that a notification is being handed over, and to which address. Until the answer is stored it counts as
/// perhaps sent, in case the program dies now. Gives the row after that; `unsure` in it is still the value before.
pub fn hand_over(
    tx: &mut Tx,
    now: Ts,
    row: NotificationRow,
    attempts: i64,
    address: Option<&Address>,
) -> QueryResult<NotificationRow> {
    if let Some(address) = address {
        let same = notifications::table.find(row.id);
        diesel::update(same).set(notifications::sent_to.eq(address.as_str())).execute(tx.conn())?;
    }
    let reason = row.reason.filter(|reason| *reason != Reason::QuietHours);
    let to = Ending { state: State::Sending, reason };
    let before = row.unsure;
    let going = NotificationRow { unsure: true, ..row };
    set_state(tx, now, &going, attempts, to)?;
    let sent_to = address.map(|address| address.as_str().to_owned()).or(going.sent_to);
    Ok(NotificationRow { state: to.state, reason, sent_to, unsure: before, ..going })
}

/// Keeps the gateway's own number for a text that it took.
pub fn taken(tx: &mut Tx, row: &NotificationRow, gateway_id: Option<&str>) -> QueryResult<()> {
    let Some(gateway_id) = gateway_id else { return Ok(()) };
    let row = notifications::table.find(row.id).filter(notifications::message_uid.eq(&row.message_uid));
    diesel::update(row).set(notifications::gateway_id.eq(gateway_id)).execute(tx.conn()).map(drop)
}
