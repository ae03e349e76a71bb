//! The notifications of passcodes: that a passcode was sent, where to, and what became of it. Never the digits, nor
//! anything made from them.

use super::moves::set_state;
use super::rows::{NotificationRow, insert};
use super::sending::{Address, hand_over};
use super::states::{Ending, State};
use super::templates::Kind;
use crate::clock::Random;
use crate::db::schema::notifications;
use crate::db::{CaregiverId, NotificationId, PatientId, Ts, Tx};
use crate::delivery::{Channel, Reason};
use diesel::prelude::*;

/// Stores that a passcode is being sent. `before` is the row of the last sending for the same link: it is used again
/// for a further `attempt` by the same channel, and is ended otherwise.
pub fn passcode_going(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    (before, attempt): (Option<NotificationId>, i64),
    (patient, caregiver): (PatientId, Option<CaregiverId>),
    (channel, address): (Channel, Option<&Address>),
) -> QueryResult<NotificationRow> {
    let waiting = match before {
        Some(id) => find(tx, id)?.filter(|row| !row.state.is_final()),
        None => None,
    };
    let id = match waiting {
        Some(row) if attempt > 1 && row.channel == channel => {
            // these are new digits: a mail program that keeps one mail of each Message-ID must not keep the old ones
            let uid = random.token().reveal().to_lowercase();
            let same = notifications::table.find(row.id);
            diesel::update(same).set(notifications::message_uid.eq(uid)).execute(tx.conn())?;
            row.id
        }
        other => {
            end(tx, now, other)?;
            insert(tx, now, random, None, (patient, caregiver, None), (Kind::Passcode, channel))?
        }
    };
    let row: NotificationRow = notifications::table.find(id).select(NotificationRow::as_select()).first(tx.conn())?;
    hand_over(tx, now, row, attempt, address)
}

/// Ends the sending of a passcode that is not wanted any more: it has expired, or a newer one was asked for.
pub fn passcode_over(tx: &mut Tx, now: Ts, before: Option<NotificationId>) -> QueryResult<()> {
    let Some(id) = before else { return Ok(()) };
    let row = find(tx, id)?;
    end(tx, now, row)
}

fn find(tx: &mut Tx, id: NotificationId) -> QueryResult<Option<NotificationRow>> {
    notifications::table.find(id).select(NotificationRow::as_select()).first(tx.conn()).optional()
}

fn end(tx: &mut Tx, now: Ts, row: Option<NotificationRow>) -> QueryResult<()> {
    let Some(row) = row.filter(|row| !row.state.is_final()) else { return Ok(()) };
    let over = Ending { state: State::Cancelled, reason: Some(Reason::Expired) };
    set_state(tx, now, &row, row.attempts, over).map(drop)
}
