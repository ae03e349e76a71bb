//! Reports of gateways and mail servers on notifications, and what follows for the address.

use super::blocks::{BlockKind, block};
use super::incoming;
use super::moves::set_state;
use super::rows::NotificationRow;
use super::states::Ending;
use crate::db::schema::notifications;
use crate::db::{Conn, NotificationId, Ts, Tx};
use crate::delivery::{Channel, Reason};
use crate::values::{EmailAddress, PhoneNumber};
use diesel::prelude::*;

/// Takes the report of a gateway, or of a mail server that returns a mail. Says whether it changed anything. A number
/// whose holder said STOP is blocked, and so is a mailbox that does not exist.
pub fn report(tx: &mut Tx, now: Ts, id: NotificationId, to: Ending) -> QueryResult<bool> {
    let row: Option<NotificationRow> =
        notifications::table.find(id).select(NotificationRow::as_select()).first(tx.conn()).optional()?;
    let Some(row) = row else { return Ok(false) };
    if !set_state(tx, now, &row, row.attempts, to)? {
        return Ok(false);
    }
    block_after(tx, now, &row, to)?;
    Ok(true)
}

/// What tells a notification from one that had its number before; `None` where it is gone.
pub fn uid(conn: &mut Conn, id: NotificationId) -> QueryResult<Option<String>> {
    notifications::table.find(id).select(notifications::message_uid).first(conn).optional()
}

/// Draws the conclusion from an ending for the address itself.
pub fn block_after(tx: &mut Tx, now: Ts, row: &NotificationRow, ending: Ending) -> QueryResult<()> {
    let Some(address) = row.sent_to.as_deref() else { return Ok(()) };
    match (row.channel, ending.reason) {
        (Channel::Sms, Some(Reason::StoppedByPatient)) => match PhoneNumber::from_network(address) {
            Some(phone) => incoming::stop(tx, now, &phone),
            None => Ok(()),
        },
        (Channel::Sms, Some(Reason::NoSuchNumber)) => block(tx, now, Channel::Sms, address, BlockKind::Bad).map(drop),
        (Channel::Email, Some(Reason::NoMailbox)) => match EmailAddress::parse(address) {
            Some(email) => block(tx, now, Channel::Email, &email.key(), BlockKind::Bad).map(drop),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
