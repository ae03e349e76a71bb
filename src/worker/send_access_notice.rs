//! Sends one "portal access given". It leads to the portal's first page: there is nothing in it to keep secret.

use super::{finish, is_over, settings};
use crate::chart::Patient;
use crate::db::AccessNoticeId;
use crate::delivery::{Channel, Email, Failure, Reason, Text};
use crate::error::AppError;
use crate::notifications::templates::Kind;
use crate::notifications::{
    AccessNotice, State, Wording, blocks, quiet_until, roads, set_access_state, to_send, wording,
};
use crate::outbox::{self, Job};
use crate::settings::Settings;
use crate::state::AppState;

pub(super) async fn run(state: &AppState, job: Job) -> Result<(), AppError> {
    let (now, id) = (state.clock.now(), AccessNoticeId(job.subject_id));
    let found = state.db.read(move |conn| -> Result<_, AppError> {
        let Some((row, patient)) = to_send(conn, id)? else { return Ok(None) };
        let settings = settings(conn)?;
        let words = wording(conn, now, &settings, &patient, (Kind::PortalAccess, row.channel))?;
        let blocked = blocks(conn, &patient)?.of(row.channel).map(|block| block.kind.reason());
        Ok(Some((row, patient, settings, words, blocked)))
    });
    let Some((row, patient, settings, words, blocked)) = found.await? else {
        return state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await;
    };
    let quiet = (settings.quiet_from, settings.quiet_until);
    if let Some(end) = quiet_until(quiet, settings.zone(), now).filter(|_| row.channel == Channel::Sms) {
        return state.db.write(move |tx| Ok(outbox::retry(tx, &job, end).map(drop)?)).await;
    }
    let result = match unfit(&settings, &patient).or(blocked) {
        Some(reason) => Err(Err(reason)),
        None => send(state, &row, &patient, &settings, &words).await.map_err(Ok),
    };
    settle(state, job, row, result).await
}

/// Why it is not right any more.
fn unfit(settings: &Settings, patient: &Patient) -> Option<Reason> {
    match () {
        () if patient.archived_at.is_some() => Some(Reason::Archived),
        () if !settings.portal_on => Some(Reason::PortalOff),
        () if !patient.portal_access => Some(Reason::NoAccess),
        () => None,
    }
}

async fn send(
    state: &AppState,
    row: &AccessNotice,
    patient: &Patient,
    settings: &Settings,
    words: &Wording,
) -> Result<(), Failure> {
    let link = format!("{}/portal", state.config.origin());
    let message_uid = row.message_uid.clone();
    match row.channel {
        Channel::Email => {
            let to = patient.email.clone().ok_or(Failure::Permanent(Reason::NoAddress))?;
            let rendered = words.email(&link).map_err(|_| Failure::Permanent(Reason::Broken))?;
            let (subject, text, html) = (rendered.subject, rendered.text, rendered.html);
            let email = Email { to, from_name: settings.name.clone(), subject, text, html, message_uid };
            state.delivery.send_email(email).await
        }
        Channel::Sms => {
            let to = patient.phone.clone().ok_or(Failure::Permanent(Reason::NoAddress))?;
            state.delivery.send_text(Text { to, text: words.text(&link), message_uid, report_to: None }).await.map(drop)
        }
    }
}

/// Sent, failed, or (the inner error) no longer right.
type Outcome = Result<(), Result<Failure, Reason>>;

async fn settle(state: &AppState, job: Job, row: AccessNotice, outcome: Outcome) -> Result<(), AppError> {
    let now = state.clock.now();
    let (to, reason) = match outcome {
        Ok(()) => (State::Sent, None),
        Err(Err(reason)) => (State::Cancelled, Some(reason)),
        Err(Ok(Failure::Permanent(reason))) => (State::Failed, Some(reason)),
        Err(Ok(Failure::Transient(_))) if is_over(state, row.created_at) => (State::Failed, Some(Reason::GaveUp)),
        Err(Ok(Failure::Transient(reason))) => (State::Sending, Some(reason)),
    };
    let again = outbox::back_off(now, job.attempts, &state.random);
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        match outcome {
            Ok(()) => roads::note(tx, now, row.channel, Ok(()))?,
            Err(Ok(failure)) => roads::note(tx, now, row.channel, Err(failure))?,
            Err(Err(_)) => {}
        }
        if to.is_final() {
            return finish(tx, &job, |tx| set_access_state(tx, now, &row, to, reason));
        }
        if outbox::retry(tx, &job, again)? {
            set_access_state(tx, now, &row, to, reason)?;
        }
        Ok(())
    });
    write.await
}
