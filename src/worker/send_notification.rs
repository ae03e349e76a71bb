//! Sends one notification. The link to a message is minted here: its hash is stored, its text is in this one mail or text
//! only. "Portal access given" leads to the portal's first page: there is nothing in it to keep secret.

use super::{finish, is_over, settings};
use crate::clock::Token;
use crate::db::NotificationId;
use crate::delivery::{Channel, Email, Failure, Reason, ReportKey, Text};
use crate::error::AppError;
use crate::notifications::{
    self, Address, Ending, NotificationRow, State, Wording, fit_to_send, for_sending, hand_over, quiet_until, roads,
    set_state, wording,
};
use crate::outbox::{self, Job};
use crate::portal_links;
use crate::settings::Settings;
use crate::state::AppState;

/// What the transaction before the sending found.
enum Ready {
    /// nothing to do any more
    Done,
    /// to be sent to this address, with this link
    Send(Box<ToGo>),
}

/// What goes out, and where to.
struct ToGo {
    row: NotificationRow,
    settings: Settings,
    address: Address,
    words: Wording,
    /// of the link to the message; `None` leads to the portal's first page
    token: Option<Token>,
    report_to: Option<String>,
}

pub(super) async fn run(state: &AppState, job: Job) -> Result<(), AppError> {
    match prepare(state, &job).await? {
        Ready::Done => Ok(()),
        Ready::Send(to_go) => {
            let sent = send(state, &to_go).await;
            settle(state, job, to_go.row, sent).await
        }
    }
}

/// Reads the world anew: the patient may have read the message, lost access or changed their address since.
async fn prepare(state: &AppState, job: &Job) -> Result<Ready, AppError> {
    let (now, random, job) = (state.clock.now(), state.random.clone(), job.clone());
    let (gateway, origin) = (state.delivery.gateway(), state.config.origin());
    let prepare = state.db.write(move |tx| -> Result<Ready, AppError> {
        let settings = settings(tx)?;
        let Some(to_send) = for_sending(tx, NotificationId(job.subject_id))? else {
            outbox::finish(tx, &job)?;
            return Ok(Ready::Done);
        };
        let address = match fit_to_send(&settings, &to_send) {
            Ok(address) => address,
            Err(ending) => {
                finish(tx, &job, |tx| set_state(tx, now, &to_send.row, job.attempts, ending).map(drop))?;
                return Ok(Ready::Done);
            }
        };
        let mut row = to_send.row;
        let quiet = (settings.quiet_from, settings.quiet_until);
        if let Some(end) = quiet_until(quiet, settings.zone(), now).filter(|_| row.channel == Channel::Sms) {
            let held = Ending { state: row.state, reason: Some(Reason::QuietHours) };
            if outbox::retry(tx, &job, end)? {
                set_state(tx, now, &row, row.attempts, held)?;
            }
            return Ok(Ready::Done);
        }
        let token = match row.conversation_id {
            Some(conversation) => {
                let to = (row.patient_id, conversation, row.channel);
                Some(portal_links::mint(tx, now, &random, row.id, to)?)
            }
            None => None,
        };
        let reason = row.reason.filter(|reason| *reason != Reason::QuietHours);
        set_state(tx, now, &row, job.attempts, Ending { state: State::Sending, reason })?;
        hand_over(tx, row.id, &address)?;
        (row.state, row.reason, row.sent_to) = (State::Sending, reason, Some(address.as_str().to_owned()));
        let report_to = match gateway {
            Some(kind) => {
                let key = ReportKey::of(&crate::settings::cookie_key(tx)?);
                Some(format!("{origin}{}", key.receipts(kind, row.id)))
            }
            None => None,
        };
        let words = wording(tx, now, &settings, &to_send.patient, (row.kind, row.channel))?;
        Ok(Ready::Send(Box::new(ToGo { row, settings, address, words, token, report_to })))
    });
    prepare.await
}

/// Hands it over. Gives the gateway's own number for a text, if there is one.
async fn send(state: &AppState, to_go: &ToGo) -> Result<Option<String>, Failure> {
    let ToGo { row, settings, words, .. } = to_go;
    let origin = state.config.origin();
    let link = match &to_go.token {
        Some(token) => format!("{origin}/portal/link/{}", token.reveal()),
        None => format!("{origin}/portal"),
    };
    match to_go.address.clone() {
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
            state.delivery.send_email(email).await.map(|()| None)
        }
        Address::Sms(to) => {
            let (text, message_uid) = (words.text(&link), row.message_uid.clone());
            let report_to = to_go.report_to.clone();
            state.delivery.send_text(Text { to, text, message_uid, report_to }).await
        }
    }
}

/// Writes down what became of it, or when to try again.
async fn settle(
    state: &AppState,
    job: Job,
    row: NotificationRow,
    sent: Result<Option<String>, Failure>,
) -> Result<(), AppError> {
    let now = state.clock.now();
    let (gateway_id, sent) = match sent {
        Ok(gateway_id) => (gateway_id, Ok(())),
        Err(failure) => (None, Err(failure)),
    };
    let ending = match Ending::of(sent) {
        Ending { state: State::Sending, .. } if is_over(state, row.created_at) => {
            Ending { state: State::Failed, reason: Some(Reason::GaveUp) }
        }
        ending => ending,
    };
    let again = outbox::back_off(now, job.attempts, &state.random);
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        roads::note(tx, now, row.channel, sent)?;
        notifications::taken(tx, row.id, gateway_id.as_deref())?;
        if ending.state.is_final() {
            return finish(tx, &job, |tx| {
                notifications::set_state(tx, now, &row, job.attempts, ending)?;
                notifications::block_after(tx, now, &row, ending)
            });
        }
        if outbox::retry(tx, &job, again)? {
            notifications::set_state(tx, now, &row, job.attempts, ending)?;
        }
        Ok(())
    });
    write.await
}
