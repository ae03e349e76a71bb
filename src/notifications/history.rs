//! Every state that a notification was in, with its time.

use super::states::{Ending, State};
use crate::db::schema::notification_states;
use crate::db::{Conn, MultiBackend, NotificationId, Ts, Tx};
use crate::delivery::Reason;
use diesel::prelude::*;

/// One state that a notification was in.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = notification_states, check_for_backend(MultiBackend))]
pub struct Step {
    /// the notification
    pub notification_id: NotificationId,
    /// the state
    pub state: State,
    /// why it got there
    pub reason: Option<Reason>,
    /// when it got there
    pub at: Ts,
}

pub(super) fn add(tx: &mut Tx, now: Ts, id: NotificationId, to: Ending) -> QueryResult<()> {
    let row = (
        (notification_states::notification_id.eq(id), notification_states::state.eq(to.state)),
        (notification_states::reason.eq(to.reason), notification_states::at.eq(now)),
    );
    diesel::insert_into(notification_states::table).values(row).execute(tx.conn()).map(drop)
}

/// The states of these notifications, oldest first for each.
pub fn of_all(conn: &mut Conn, ids: &[NotificationId]) -> QueryResult<Vec<Step>> {
    notification_states::table
        .filter(notification_states::notification_id.eq_any(ids.to_vec()))
        .order((notification_states::notification_id, notification_states::id))
        .select(Step::as_select())
        .load(conn)
}
