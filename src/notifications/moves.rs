//! The only place that changes a notification's state.

use super::rows::NotificationRow;
use super::states::{Ending, State};
use super::{history, road_states};
use crate::audit::{self, Actor, Entry, Subject};
use crate::db::schema::notifications;
use crate::db::{Ts, Tx};
use crate::delivery::Reason;
use diesel::prelude::*;

/// Stores a state in the row, its history, its conversation's line of the inbox, and, if it is final, in the audit log.
/// States only move forward: a state that may not follow the row's present one is ignored, and `false` given. Where an
/// earlier answer was cut short, `Cancelled` becomes `Unsure`: the notification may have been sent.
pub fn set_state(tx: &mut Tx, now: Ts, row: &NotificationRow, attempts: i64, to: Ending) -> QueryResult<bool> {
    let to = match to.state {
        State::Cancelled if row.unsure => Ending { state: State::Unsure, ..to },
        _ => to,
    };
    let movable = notifications::table.find(row.id).filter(notifications::state.eq_any(to.state.before()));
    let moved = diesel::update(movable)
        .set((
            notifications::state.eq(to.state),
            notifications::reason.eq(to.reason),
            notifications::attempts.eq(attempts),
            notifications::state_at.eq(now),
            notifications::unsure.eq(row.unsure),
        ))
        .execute(tx.conn())?;
    if moved == 0 {
        return Ok(false);
    }
    if (row.state, row.reason) != (to.state, to.reason) {
        history::add(tx, now, row.id, to)?;
    }
    if let Some(about) = row.about() {
        road_states::moved(tx, now, about, row.channel, to)?;
    }
    if to.state.is_final() {
        let words = [Some(to.state.as_str()), to.reason.map(Reason::as_str)];
        let detail: Vec<&str> = words.into_iter().flatten().collect();
        let subject = Subject::Notification(row.id);
        let entry = Entry::of_patient(Actor::System, row.event(), row.patient_id, subject);
        audit::append(tx, now, entry.with(detail.join(" ")))?;
    }
    Ok(true)
}
