//! Makes a passcode and sends it. The digits are in this one mail or text only; the table holds their slow hash.

use super::{finish, settings};
use crate::chart::{self, Patient};
use crate::db::LinkId;
use crate::delivery::{Channel, Email, Failure, Reason, Text};
use crate::error::AppError;
use crate::notifications::templates::Kind;
use crate::notifications::{self, Wording, blocks, passcode_channel, roads, wording};
use crate::outbox::{self, Job};
use crate::portal_entry;
use crate::settings::Settings;
use crate::slow_hash;
use crate::state::AppState;

/// A passcode is tried to be sent this often: the patient is waiting, and asks again sooner than a mail server
/// recovers.
const TRIES: i64 = 3;

pub(super) async fn run(state: &AppState, job: Job) -> Result<(), AppError> {
    let (now, link) = (state.clock.now(), LinkId(job.subject_id));
    let delivery = state.delivery.clone();
    let found = state.db.read(move |conn| -> Result<_, AppError> {
        let Some(to) = portal_entry::recipient(conn, now, link)? else { return Ok(None) };
        let Some(patient) = to.patient else { return Ok(Some(None)) };
        let patient = chart::patient_by_id(conn, patient)?;
        let blocks = blocks(conn, &patient)?;
        let settings = settings(conn)?;
        let road = match to.is_claim {
            true => to.channel,
            false => passcode_channel(&patient, &blocks, &delivery, to.channel),
        };
        let words = wording(conn, now, &settings, &patient, (Kind::Passcode, road))?;
        Ok(Some(Some((patient, road, settings, words))))
    });
    let Some(known) = found.await? else {
        return state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await;
    };
    let digits = state.random.six_digits();
    let hash = slow_hash::hash(digits.clone()).await.map_err(AppError::Internal)?;
    let wanted = state.db.write(move |tx| -> Result<_, AppError> { Ok(portal_entry::make(tx, now, link, &hash)?) });
    if !wanted.await? {
        return state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await;
    }
    let Some((patient, road, settings, words)) = known else {
        // a claim that is true of nobody: everything as for a true one, but there is nobody to send to
        let done = state.db.write(move |tx| finish(tx, &job, |tx| portal_entry::mark_sent(tx, now, link, None, None)));
        return done.await;
    };
    let sent = send(state, &patient, (road, &words), &settings, &digits).await;
    settle(state, job, link, patient, road, sent).await
}

async fn send(
    state: &AppState,
    patient: &Patient,
    (road, words): (Channel, &Wording),
    settings: &Settings,
    digits: &str,
) -> Result<(), Failure> {
    match road {
        Channel::Email => {
            let to = patient.email.clone().ok_or(Failure::Permanent(Reason::NoAddress))?;
            let rendered = words.email(digits).map_err(|_| Failure::Permanent(Reason::Broken))?;
            let email = Email {
                to,
                from_name: settings.name.clone(),
                subject: rendered.subject,
                text: rendered.text,
                html: rendered.html,
                message_uid: state.random.token().reveal().to_lowercase(),
            };
            state.delivery.send_email(email).await
        }
        Channel::Sms => {
            let to = patient.phone.clone().ok_or(Failure::Permanent(Reason::NoAddress))?;
            let message_uid = state.random.token().reveal().to_lowercase();
            let text = Text { to, text: words.text(digits), message_uid, report_to: None };
            state.delivery.send_text(text).await.map(drop)
        }
    }
}

async fn settle(
    state: &AppState,
    job: Job,
    link: LinkId,
    patient: Patient,
    road: Channel,
    sent: Result<(), Failure>,
) -> Result<(), AppError> {
    let now = state.clock.now();
    let again = now.plus(time::Duration::seconds(2 * job.attempts));
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        roads::note(tx, now, road, sent)?;
        let failed = match sent {
            Ok(()) => None,
            Err(Failure::Transient(_)) if job.attempts < TRIES => {
                outbox::retry(tx, &job, again)?;
                return Ok(());
            }
            Err(Failure::Transient(reason) | Failure::Permanent(reason)) => Some(reason),
        };
        if failed == Some(Reason::StoppedByPatient) {
            // the gateway knew it before us; the next passcode takes the other road
            patient.phone.as_ref().map_or(Ok(()), |phone| notifications::stop(tx, now, phone))?;
        }
        finish(tx, &job, |tx| portal_entry::mark_sent(tx, now, link, Some(patient.id), failed))
    });
    write.await
}
