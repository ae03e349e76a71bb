//! Sends one notification. The link is minted here: its hash is stored, its text is in this one mail or text only.

use super::{finish, is_over, settings};
use crate::clock::Token;
use crate::db::NotificationId;
use crate::delivery::{Email, Failure, Reason, Text};
use crate::error::AppError;
use crate::notifications::{
    self, Address, Ending, NotificationRow, State, Wording, fit_to_send, for_sending, set_state, wording,
};
use crate::outbox::{self, Job};
use crate::portal_entry;
use crate::settings::Settings;
use crate::state::AppState;

/// What the transaction before the sending found.
enum Ready {
    /// nothing to do any more
    Done,
    /// to be sent to this address, with this link
    Send(Box<(NotificationRow, Settings, Address, Wording, Token)>),
}

pub(super) async fn run(state: &AppState, job: Job) -> Result<(), AppError> {
    match prepare(state, &job).await? {
        Ready::Done => Ok(()),
        Ready::Send(parts) => {
            let (row, settings, address, words, token) = *parts;
            let sent = send(state, &row, &settings, address, &words, &token).await;
            settle(state, job, row, sent).await
        }
    }
}

/// Reads the world anew: the patient may have read the message, lost access or changed their address since.
async fn prepare(state: &AppState, job: &Job) -> Result<Ready, AppError> {
    let (now, random, job) = (state.clock.now(), state.random.clone(), job.clone());
    let prepare = state.db.write(move |tx| -> Result<Ready, AppError> {
        let settings = settings(tx)?;
        let Some(to_send) = for_sending(tx, NotificationId(job.subject_id))? else {
            outbox::finish(tx, &job)?;
            return Ok(Ready::Done);
        };
        let address = match fit_to_send(&settings, &to_send) {
            Ok(address) => address,
            Err(ending) => {
                finish(tx, &job, |tx| set_state(tx, now, &to_send.row, job.attempts, ending))?;
                return Ok(Ready::Done);
            }
        };
        let row = to_send.row;
        let to = (row.patient_id, row.conversation_id, row.channel);
        let token = portal_entry::mint(tx, now, &random, row.id, to)?;
        set_state(tx, now, &row, job.attempts, Ending { state: State::Sending, reason: row.reason })?;
        let words = wording(tx, now, &settings, &to_send.patient, (row.kind, row.channel))?;
        Ok(Ready::Send(Box::new((row, settings, address, words, token))))
    });
    prepare.await
}

async fn send(
    state: &AppState,
    row: &NotificationRow,
    settings: &Settings,
    address: Address,
    words: &Wording,
    token: &Token,
) -> Result<(), Failure> {
    let link = format!("{}/portal/link/{}", state.config.origin(), token.reveal());
    match address {
        Address::Email(to) => {
            let rendered = words.email(&link).map_err(|_| Failure::Permanent(Reason::Broken))?;
            let email = Email {
                to,
                from_name: settings.name.clone(),
                subject: rendered.subject,
                text: rendered.text,
                html: rendered.html,
                message_uid: row.message_uid.clone(),
            };
            state.delivery.send_email(email).await
        }
        Address::Sms(to) => {
            let (text, message_uid) = (words.text(&link), row.message_uid.clone());
            state.delivery.send_text(Text { to, text, message_uid }).await
        }
    }
}

/// Writes down what became of it, or when to try again.
async fn settle(state: &AppState, job: Job, row: NotificationRow, sent: Result<(), Failure>) -> Result<(), AppError> {
    let now = state.clock.now();
    let ending = match sent {
        Ok(()) => Ending { state: State::Sent, reason: None },
        Err(Failure::Permanent(reason)) => Ending { state: State::Failed, reason: Some(reason) },
        Err(Failure::Transient(_)) if is_over(state, row.created_at) => {
            Ending { state: State::Failed, reason: Some(Reason::GaveUp) }
        }
        Err(Failure::Transient(reason)) => Ending { state: State::Sending, reason: Some(reason) },
    };
    let again = outbox::back_off(now, job.attempts, &state.random);
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        if ending.state.is_final() {
            return finish(tx, &job, |tx| notifications::set_state(tx, now, &row, job.attempts, ending));
        }
        if outbox::retry(tx, &job, again)? {
            notifications::set_state(tx, now, &row, job.attempts, ending)?;
        }
        Ok(())
    });
    write.await
}
