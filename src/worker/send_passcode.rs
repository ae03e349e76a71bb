//! Makes a passcode and sends it. The digits are only in this one mail or text: the database has their slow hash, and
//! the notification's row nothing of them.

use super::{finish, hand_over, settings};
use crate::db::{CaregiverId, LinkId, PatientId, Tx, share_row};
use crate::delivery::{Channel, Failure, Reason};
use crate::error::AppError;
use crate::notifications::templates::Kind;
use crate::notifications::{
    Address, Ending, NotificationRow, Parcel, Reached, Wording, blocks, passcode_channel, passcode_going,
    passcode_over, wording,
};
use crate::outbox::Job;
use crate::portal_links;
use crate::settings::Settings;
use crate::slow_hash;
use crate::state::AppState;

/// The recipient of a passcode, the channel, and the wording.
struct Known {
    patient: PatientId,
    caregiver: Option<CaregiverId>,
    road: Channel,
    address: Option<Address>,
    settings: Settings,
    words: Wording,
}

/// What is left to do for a passcode.
enum Ready {
    /// nothing: the link does not work any more, or the passcode is not wanted any more
    Over,
    /// the claim is true of nobody, so there is nobody to send it to
    Nobody,
    /// to be sent
    Go(Box<ToGo>),
}

/// A passcode that is about to be sent.
struct ToGo {
    row: NotificationRow,
    known: Known,
    report_to: Option<String>,
}

pub(super) async fn run(state: &AppState, job: Job, link: LinkId) -> Result<(), AppError> {
    let Some(known) = find_recipient(state, link).await? else { return over(state, job, link).await };
    let digits = state.random.six_digits();
    let hash = slow_hash::hash(slow_hash::Lane::Passcodes, digits.clone()).await.map_err(AppError::Internal)?;
    match prepare(state, &job, link, known, hash).await? {
        Ready::Over => over(state, job, link).await,
        // everything is done as for a true claim, but nothing is sent
        Ready::Nobody => {
            let now = state.clock.now();
            let done =
                state.db.write(move |tx| finish(tx, &job, |tx| portal_links::mark_sent_to_nobody(tx, now, link)));
            done.await
        }
        Ready::Go(to_go) => {
            let ToGo { row, known, report_to } = *to_go;
            let sent = send(state, &row, known, report_to, &digits).await;
            let again = state.clock.now().plus(time::Duration::seconds(2 * job.attempts));
            // where the gateway knows of a STOP that the clinic did not, the next passcode is sent by the other channel
            let at_end = move |tx: &mut Tx, ending: Ending| portal_links::mark_sent(tx, link, ending.reason);
            hand_over::settle(state, job, row, sent, again, at_end).await
        }
    }
}

/// Reads the recipient of a passcode. `None` where the link does not work any more; `Some(None)` for a claim that is
/// true of nobody.
async fn find_recipient(state: &AppState, link: LinkId) -> Result<Option<Option<Known>>, AppError> {
    let (now, delivery, origin) = (state.clock.now(), state.delivery.clone(), state.config.origin());
    let found = state.db.read(move |conn| -> Result<_, AppError> {
        let Some(to) = portal_links::recipient(conn, now, link)? else { return Ok(None) };
        let Some(patient) = to.patient else { return Ok(Some(None)) };
        let reached = Reached::read(conn, now, patient, to.caregiver)?;
        if !reached.is_current {
            return Ok(None);
        }
        let blocks = blocks(conn, &reached.record)?;
        let settings = settings(conn)?;
        let road = match to.is_claim {
            true => to.channel,
            false => passcode_channel(&reached.record, &blocks, &delivery, to.channel),
        };
        let words = wording(conn, now, (&settings, origin.as_str()), &reached, (Kind::Passcode, road))?;
        let address = Address::for_patient(&reached.record, road);
        Ok(Some(Some(Known { patient, caregiver: to.caregiver, road, address, settings, words })))
    });
    found.await
}

/// Stores the hash and the notification, before anything is sent.
async fn prepare(
    state: &AppState,
    job: &Job,
    link: LinkId,
    known: Option<Known>,
    hash: String,
) -> Result<Ready, AppError> {
    let (now, random, attempt, state) = (state.clock.now(), state.random.clone(), job.attempts, state.clone());
    let db = state.db.clone();
    let write = db.write(move |tx| -> Result<Ready, AppError> {
        // whoever ends their access or changes an address waits, or was first and has ended the link
        if let Some(caregiver) = known.as_ref().and_then(|known| known.caregiver) {
            share_row(tx, "caregivers", caregiver.0)?;
        }
        if !portal_links::make(tx, now, link, &hash)? {
            return Ok(Ready::Over);
        }
        let Some(known) = known else { return Ok(Ready::Nobody) };
        let before = portal_links::notice(tx, link)?;
        let (whom, to) = ((known.patient, known.caregiver), (known.road, known.address.as_ref()));
        let row = passcode_going(tx, now, &random, (before, attempt), whom, to)?;
        portal_links::set_notice(tx, link, row.id)?;
        let report_to = hand_over::report_address(tx, &state, &row)?;
        Ok(Ready::Go(Box::new(ToGo { row, known, report_to })))
    });
    write.await
}

/// Ends the job without sending, and the notification where an earlier attempt had begun one.
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

async fn send(
    state: &AppState,
    row: &NotificationRow,
    known: Known,
    report_to: Option<String>,
    digits: &str,
) -> Result<Option<String>, Failure> {
    let Known { address, settings, words, .. } = &known;
    let to = address.clone().ok_or(Failure::Permanent(Reason::NoAddress))?;
    let message_uid = row.message_uid.clone();
    let parcel = Parcel { to, from_name: &settings.name, words, secret: digits, message_uid, report_to };
    parcel.send(&state.delivery).await
}
