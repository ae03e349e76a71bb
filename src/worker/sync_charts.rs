//! Keeps the charts as the clinic's EMRs have them: each source on its own, so that none waits for a slower one.

use super::supervise::Stop;
use crate::db::DbError;
use crate::emr::Emr;
use crate::emr_sources;
use crate::state::AppState;
use crate::sync::{self, Outcome, Parts};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// How often it is seen whether a source is to be asked: an owner may have pressed "Sync now".
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The same where nothing can be done now.
const LOOK_LATER: Duration = Duration::from_secs(20);

/// Reads from the sources until it is asked to stop. What is under way then goes on where it was, once its lease ends.
pub(super) async fn keep_syncing(state: &AppState, stop: &Stop) {
    join_all(state.emr.iter().map(|emr| keep_one(state, emr, stop))).await;
}

async fn keep_one(state: &AppState, emr: &Emr, stop: &Stop) {
    loop {
        let pause = tokio::select! {
            () = stop.asked() => return,
            looked = look(state, emr) => looked.unwrap_or_else(|cause| {
                tracing::error!(%cause, "the sync with a source could not be written down");
                LOOK_LATER
            }),
        };
        if !stop.pause(pause).await {
            return;
        }
    }
}

/// Works at the round of a source, if it is switched on and its time has come; gives the pause until the next look.
async fn look(state: &AppState, emr: &Emr) -> Result<Duration, DbError> {
    let (now, name) = (state.clock.now(), emr.name().to_owned());
    let is_due = state.db.read(move |conn| -> Result<_, DbError> {
        Ok(emr_sources::source_state(conn, &name)?.switches.sync && sync::is_due(conn, now, &name)?)
    });
    if !is_due.await? {
        return Ok(LOOK_EVERY);
    }
    let parts = Parts {
        db: state.db.clone(),
        clock: state.clock.clone(),
        random: state.random.clone(),
        intake: state.intake.clone(),
        calling_code: state.config.calling_code.clone(),
    };
    Ok(match sync::run(&parts, Arc::new(emr.clone()), None).await? {
        Outcome::Done | Outcome::Stopped(..) => LOOK_EVERY,
        // another process reads, or the hours for it have not come
        Outcome::NotNow => LOOK_LATER,
    })
}
