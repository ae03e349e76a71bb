//! DOOR for gateways and mail servers: their reports, and the texts that patients send. There is no session: each call
//! is proved by a signature, or by a code in its address that only this clinic can make. Kannel can only call by GET,
//! so these are the program's only GETs that change something; no browser follows them, and they show nothing. EMRs read
//! here the public halves of the keys by which Postern signs in at them.

mod bounces;
mod emr_keys;
mod kannel;
mod twilio;

use crate::db::{Conn, NotificationId};
use crate::delivery::ReportKey;
use crate::error::AppError;
use crate::notifications::{self, Ending, Incoming};
use crate::portal_links;
use crate::settings;
use crate::state::AppState;
use actix_web::web::{self, ServiceConfig};

pub use emr_keys::show as show_emr_keys;

/// Every route of this door, below `/hooks`.
pub fn routes(config: &mut ServiceConfig) {
    let (get, post) = (web::get, web::post);
    config
        .route("/twilio/receipts/{notification}/{code}", post().to(twilio::receipt))
        .route("/twilio/texts/{code}", post().to(twilio::text))
        .route("/kannel/receipts/{notification}/{code}", get().to(kannel::receipt))
        .route("/kannel/texts/{code}", get().to(kannel::text))
        .route("/bounces/{code}", post().to(bounces::receive));
}

fn key(conn: &mut Conn) -> Result<ReportKey, AppError> {
    Ok(ReportKey::derive(&settings::cookie_key(conn)?))
}

/// Takes a report on a notification, if the code in its address is right. `None` is a kind of report that changes
/// nothing. A repeated or late report is answered like any other, or it would be sent again.
async fn receipt(state: &AppState, path: (i64, String), ending: Option<Ending>) -> Result<(), AppError> {
    let (id, code, now) = (NotificationId(path.0), path.1, state.clock.now());
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        let uid = notifications::uid(tx, id)?.ok_or(AppError::NotFound)?;
        if !key(tx)?.is_receipt(id, &uid, &code) {
            return Err(AppError::NotFound);
        }
        let Some(ending) = ending else { return Ok(()) };
        let changed = notifications::report(tx, now, id, ending)?;
        if let Some(why) = ending.reason.filter(|_| changed) {
            portal_links::not_arrived(tx, id, why)?;
        }
        Ok(())
    });
    write.await
}

/// An incoming text.
struct Came {
    from: String,
    body: String,
    gateway_id: String,
    answered: bool,
}

/// Acts on an incoming text, and gives the answer to send, if any. A text from a sender without a telephone number (a
/// short code, a name) is ignored.
async fn text(state: &AppState, what: &'static str, code: String, came: Came) -> Result<Option<String>, AppError> {
    let (now, calling_code) = (state.clock.now(), state.config.calling_code.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        if !key(tx)?.is_path(what, &code) {
            return Err(AppError::NotFound);
        }
        let Some(from) = sender(&came.from, &calling_code) else { return Ok(None) };
        let (body, gateway_id, answered) = (came.body.as_str(), came.gateway_id.as_str(), came.answered);
        Ok(notifications::receive(tx, now, &Incoming { from, body, gateway_id, answered })?)
    });
    write.await
}

/// The sender's number; a gateway may leave out the plus of an international number.
fn sender(text: &str, calling_code: &str) -> Option<crate::values::PhoneNumber> {
    let digits = text.trim();
    let international = digits.starts_with(calling_code) && digits.len() >= 10;
    let text = if international { format!("+{digits}") } else { digits.to_owned() };
    let known = crate::values::PhoneNumber::from_network(&text);
    known.or_else(|| crate::values::PhoneNumber::parse(&text, calling_code))
}
