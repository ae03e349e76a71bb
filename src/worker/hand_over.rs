//! What sending a notification of a message and sending a passcode have in common: the address that the gateway reports
//! to, and how the result is stored.

use super::finish;
use crate::db::{Ts, Tx};
use crate::delivery::{Failure, Reason, ReportKey};
use crate::error::AppError;
use crate::notifications::{self, Ending, NotificationRow, State, roads};
use crate::outbox::{self, GiveUp, Job};
use crate::settings::cookie_key;
use crate::state::AppState;
use diesel::QueryResult;

/// The address to which the gateway for texts reports on this notification; `None` where there is no gateway.
pub(super) fn report_address(tx: &mut Tx, state: &AppState, row: &NotificationRow) -> QueryResult<Option<String>> {
    let Some(gateway) = state.delivery.gateway() else { return Ok(None) };
    let key = ReportKey::derive(&cookie_key(tx)?);
    Ok(Some(format!("{}{}", state.config.origin(), key.receipts(gateway, row.id, &row.message_uid))))
}

/// Stores the result, or that it is to be tried again at `again`. Where the state is final, `at_end` runs in the same
/// transaction.
pub(super) async fn settle(
    state: &AppState,
    job: Job,
    row: NotificationRow,
    sent: Result<Option<String>, Failure>,
    again: Ts,
    at_end: impl FnOnce(&mut Tx, Ending) -> QueryResult<()> + Send + 'static,
) -> Result<(), AppError> {
    let now = state.clock.now();
    let (gateway_id, sent) = match sent {
        Ok(gateway_id) => (gateway_id, Ok(())),
        Err(failure) => (None, Err(failure)),
    };
    let unsure = row.unsure || matches!(sent, Err(Failure::Unknown(_)));
    let row = NotificationRow { unsure, ..row };
    let give_up = job.task.kind().give_up();
    let ending = match Ending::from_result(sent) {
        Ending { state: State::Sending, reason } if give_up.is_over(now, row.created_at, job.attempts) => {
            let day = matches!(give_up, GiveUp::After(_));
            Ending { state: State::Failed, reason: if day { Some(Reason::GaveUp) } else { reason } }
        }
        ending => ending,
    };
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        roads::record_result(tx, now, row.channel, sent)?;
        notifications::taken(tx, &row, gateway_id.as_deref())?;
        if !ending.state.is_final() {
            if outbox::retry(tx, &job, again)? {
                notifications::set_state(tx, now, &row, job.attempts, ending)?;
            }
            return Ok(());
        }
        finish(tx, &job, |tx| {
            notifications::set_state(tx, now, &row, job.attempts, ending)?;
            notifications::block_after(tx, now, &row, ending)?;
            at_end(tx, ending)
        })
    });
    write.await
}
