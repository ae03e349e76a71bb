//! Sends one notification. The link to a message is made here: only its hash is stored, and the link itself is only in
//! this one mail or text. "Portal access given" leads to the portal's first page, which is no secret.

use super::{finish, hand_over, settings};
use crate::clock::Token;
use crate::db::NotificationId;
use crate::delivery::{Channel, Reason};
use crate::error::AppError;
use crate::notifications::templates::Kind;
use crate::notifications::{
    self, Address, Ending, NotificationRow, Parcel, Wording, fit_to_send, for_sending, quiet_until, set_state, wording,
};
use crate::outbox::{self, Job};
use crate::portal_links;
use crate::state::AppState;

/// The result of the transaction before the sending.
enum Ready {
    /// there is nothing to send any more
    Done,
    /// to be sent to this address, with this link
    Send(Box<ToGo>),
}

/// A notification that is about to be sent.
struct ToGo {
    row: NotificationRow,
    from_name: String,
    address: Address,
    words: Wording,
    /// the token of the link to the message; `None`: the link leads to the portal's first page
    token: Option<Token>,
    report_to: Option<String>,
}

pub(super) async fn run(state: &AppState, job: Job, id: NotificationId) -> Result<(), AppError> {
    let Ready::Send(to_go) = prepare(state, &job, id).await? else { return Ok(()) };
    let ToGo { row, from_name, address, words, token, report_to } = *to_go;
    let origin = state.config.origin();
    let link = match &token {
        Some(token) => format!("{origin}/portal/link/{}", token.reveal()),
        None if row.kind == Kind::Recall => String::new(),
        None => format!("{origin}/portal"),
    };
    let message_uid = row.message_uid.clone();
    let parcel = Parcel { to: address, from_name: &from_name, words: &words, secret: &link, message_uid, report_to };
    let sent = parcel.send(&state.delivery).await;
    let again = outbox::back_off(state.clock.now(), job.attempts, &state.random);
    hand_over::settle(state, job, row, sent, again, |_, _| Ok(())).await
}

/// Reads everything again before sending: the patient may have read the message, lost access or changed their address.
async fn prepare(state: &AppState, job: &Job, id: NotificationId) -> Result<Ready, AppError> {
    let (now, random, job, state) = (state.clock.now(), state.random.clone(), job.clone(), state.clone());
    let db = state.db.clone();
    let prepare = db.write(move |tx| -> Result<Ready, AppError> {
        let settings = settings(tx)?;
        let Some(to_send) = for_sending(tx, now, id)? else {
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
        let row = to_send.row;
        let quiet = (settings.quiet_from, settings.quiet_until);
        if let Some(end) = quiet_until(quiet, settings.zone(), now).filter(|_| row.channel == Channel::Sms) {
            let held = Ending { state: row.state, reason: Some(Reason::QuietHours) };
            if outbox::retry(tx, &job, end)? {
                set_state(tx, now, &row, row.attempts, held)?;
            }
            return Ok(Ready::Done);
        }
        let token = match row.leads_to() {
            Some(conversation) => {
                let (whom, to) = ((row.patient_id, row.caregiver_id), (conversation, row.channel));
                Some(portal_links::mint(tx, now, &random, row.id, whom, to)?)
            }
            None => None,
        };
        let row = notifications::hand_over(tx, now, row, job.attempts, Some(&address))?;
        let report_to = hand_over::report_address(tx, &state, &row)?;
        let origin = state.config.origin();
        let words = wording(tx, now, (&settings, origin.as_str()), &to_send.to, (row.kind, row.channel))?;
        Ok(Ready::Send(Box::new(ToGo { row, from_name: settings.name, address, words, token, report_to })))
    });
    prepare.await
}
