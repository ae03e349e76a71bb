//! Makes a passcode and sends it. The digits are in this one mail or text only; the table holds their slow hash, and the
//! row in the Outbox nothing of them.

use super::{finish, settings};
use crate::db::LinkId;
use crate::delivery::{Channel, Email, Failure, Reason, ReportKey, Text};
use crate::error::AppError;
use crate::notifications::templates::Kind;
use crate::notifications::{
    self, Address, Ending, NotificationRow, State, Wording, blocks, passcode_channel, passcode_going, passcode_over,
    roads, wording,
};
use crate::outbox::{self, Job};
use crate::patients::{self, Patient};
use crate::portal_links;
use crate::settings::Settings;
use crate::slow_hash;
use crate::state::AppState;

/// A passcode is tried to be sent this often: the patient is waiting, and asks again sooner than a mail server
/// recovers.
const TRIES: i64 = 3;

/// To whom it goes, by which road and in which words.
struct Known {
    patient: Patient,
    road: Channel,
    address: Option<Address>,
    settings: Settings,
    words: Wording,
}

/// What a passcode is waiting for.
enum Ready {
    /// nothing: it is wanted no more
    Over,
    /// a claim that is true of nobody: there is nobody to send to
    Nobody,
    /// to be sent
    Go(Box<ToGo>),
}

/// What goes out.
struct ToGo {
    row: NotificationRow,
    known: Known,
    report_to: Option<String>,
}

pub(super) async fn run(state: &AppState, job: Job) -> Result<(), AppError> {
    let link = LinkId(job.subject_id);
    let Some(known) = look(state, link).await? else { return over(state, job, link).await };
    let digits = state.random.six_digits();
    let hash = slow_hash::hash(slow_hash::Lane::Passcodes, digits.clone()).await.map_err(AppError::Internal)?;
    match prepare(state, &job, link, known, hash).await? {
        Ready::Over => over(state, job, link).await,
        // everything as for a true one, but nothing is sent
        Ready::Nobody => {
            let now = state.clock.now();
            let done =
                state.db.write(move |tx| finish(tx, &job, |tx| portal_links::mark_sent_to_nobody(tx, now, link)));
            done.await
        }
        Ready::Go(to_go) => {
            let sent = send(state, &to_go, &digits).await;
            settle(state, job, link, to_go.row, sent).await
        }
    }
}

/// Reads who asked. `None` where the link works no more; `Some(None)` for a claim that is true of nobody.
async fn look(state: &AppState, link: LinkId) -> Result<Option<Option<Known>>, AppError> {
    let (now, delivery) = (state.clock.now(), state.delivery.clone());
    let found = state.db.read(move |conn| -> Result<_, AppError> {
        let Some(to) = portal_links::recipient(conn, now, link)? else { return Ok(None) };
        let Some(patient) = to.patient else { return Ok(Some(None)) };
        let patient = patients::patient_by_id(conn, patient)?;
        let blocks = blocks(conn, &patient)?;
        let settings = settings(conn)?;
        let road = match to.is_claim {
            true => to.channel,
            false => passcode_channel(&patient, &blocks, &delivery, to.channel),
        };
        let words = wording(conn, now, &settings, &patient, (Kind::Passcode, road))?;
        let address = Address::of(&patient, road);
        Ok(Some(Some(Known { patient, road, address, settings, words })))
    });
    found.await
}

/// Stores the hash and puts the sending into the Outbox, before anything goes out.
async fn prepare(
    state: &AppState,
    job: &Job,
    link: LinkId,
    known: Option<Known>,
    hash: String,
) -> Result<Ready, AppError> {
    let (now, random, attempt) = (state.clock.now(), state.random.clone(), job.attempts);
    let (gateway, origin) = (state.delivery.gateway(), state.config.origin());
    let write = state.db.write(move |tx| -> Result<Ready, AppError> {
        if !portal_links::make(tx, now, link, &hash)? {
            return Ok(Ready::Over);
        }
        let Some(known) = known else { return Ok(Ready::Nobody) };
        let before = portal_links::notice(tx, link)?;
        let to = (known.patient.id, known.road, known.address.as_ref());
        let row = passcode_going(tx, now, &random, before, attempt, to)?;
        portal_links::set_notice(tx, link, row.id)?;
        let report_to = match gateway {
            Some(kind) => {
                let key = ReportKey::of(&crate::settings::cookie_key(tx)?);
                Some(format!("{origin}{}", key.receipts(kind, row.id)))
            }
            None => None,
        };
        Ok(Ready::Go(Box::new(ToGo { row, known, report_to })))
    });
    write.await
}

/// Nothing is sent any more; a row that says that something is being sent comes to its end.
async fn over(state: &AppState, job: Job, link: LinkId) -> Result<(), AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| {
        finish(tx, &job, |tx| {
            let before = portal_links::notice(tx, link)?;
            passcode_over(tx, now, before)
        })
    });
    write.await
}

async fn send(state: &AppState, to_go: &ToGo, digits: &str) -> Result<Option<String>, Failure> {
    let Known { address, settings, words, .. } = &to_go.known;
    let message_uid = to_go.row.message_uid.clone();
    match address.clone().ok_or(Failure::Permanent(Reason::NoAddress))? {
        Address::Email(to) => {
            let rendered = words.email(digits).map_err(|_| Failure::Permanent(Reason::Broken))?;
            let (subject, text, html) = (rendered.subject, rendered.text, rendered.html);
            let email = Email { to, from_name: settings.name.clone(), subject, text, html, message_uid };
            state.delivery.send_email(email).await.map(|()| None)
        }
        Address::Sms(to) => {
            let (text, report_to) = (words.text(digits), to_go.report_to.clone());
            state.delivery.send_text(Text { to, text, message_uid, report_to }).await
        }
    }
}

async fn settle(
    state: &AppState,
    job: Job,
    link: LinkId,
    row: NotificationRow,
    sent: Result<Option<String>, Failure>,
) -> Result<(), AppError> {
    let now = state.clock.now();
    let (gateway_id, sent) = match sent {
        Ok(gateway_id) => (gateway_id, Ok(())),
        Err(failure) => (None, Err(failure)),
    };
    let ending = match Ending::of(sent) {
        Ending { state: State::Sending, reason } if job.attempts >= TRIES => Ending { state: State::Failed, reason },
        ending => ending,
    };
    let again = now.plus(time::Duration::seconds(2 * job.attempts));
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        roads::note(tx, now, row.channel, sent)?;
        notifications::taken(tx, row.id, gateway_id.as_deref())?;
        if !ending.state.is_final() {
            if outbox::retry(tx, &job, again)? {
                notifications::set_state(tx, now, &row, job.attempts, ending)?;
            }
            return Ok(());
        }
        finish(tx, &job, |tx| {
            notifications::set_state(tx, now, &row, job.attempts, ending)?;
            // where the gateway knew of a STOP before us, the next passcode takes the other road
            notifications::block_after(tx, now, &row, ending)?;
            portal_links::mark_sent(tx, link, ending.reason)
        })
    });
    write.await
}
