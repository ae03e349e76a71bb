//! The proof: passcode and date of birth together.
//!
//! A try is counted before it is judged, in a write of its own, so that any number of tries at once get no more than
//! [`TRIES`](super::TRIES). All failures read alike and take alike long.

use super::links::OpenLink;
use super::passcode::TRIES;
use crate::access::session::{Holder, Lasts};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart;
use crate::db::schema::{passcodes, patients};
use crate::db::{Db, DbError, Ts, Tx};
use crate::delivery::Channel;
use crate::settings;
use crate::slow_hash;
use crate::values::BirthDate;
use diesel::prelude::*;
use time::Duration;

/// A session of the portal ends after this long in any case, unless the patient stays logged in.
const LONGEST: Duration = Duration::hours(12);
/// After the first dead passcode this long passes before the next; twice as long after each more.
const FIRST_LOCK: Duration = Duration::minutes(1);

/// What was typed.
pub struct Proof {
    /// may be anything
    pub passcode: String,
    /// `None` where the three fields are no date
    pub birth_date: Option<BirthDate>,
    /// "Stay logged in"
    pub stay: bool,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong, late, used or too often tried: which is not told.
    #[error("the passcode and date of birth did not match")]
    NoMatch,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for LoginError {
    fn from(cause: diesel::result::Error) -> Self {
        LoginError::Db(cause.into())
    }
}

/// Lets the patient in: the passcode is used up, and the holder of the new session comes back.
///
/// # Errors
/// See [`LoginError`]. A failure leaves an audit row.
pub async fn login(db: &Db, now: Ts, link: OpenLink, proof: Proof) -> Result<Holder, LoginError> {
    let digits: String = proof.passcode.chars().filter(char::is_ascii_digit).collect();
    let id = link.id;
    let hash = db.write(move |tx| -> Result<_, DbError> { Ok(count_try(tx, now, id)?) }).await?;
    let right_code = slow_hash::verify(digits, hash.clone()).await;
    db.write(move |tx| -> Result<Result<Holder, LoginError>, LoginError> {
        let patient = patients::table.find(link.patient);
        let born: BirthDate = patient.select(patients::birth_date).first(tx.conn())?;
        let may = right_code && proof.birth_date == Some(born) && use_up(tx, &link, hash.as_deref())?;
        let event = if may { Event::PortalSignedIn } else { Event::PortalSignInFailed };
        audit::append(tx, now, Entry::of_patient(Actor::Patient(link.patient), event, link.patient, Subject::None))?;
        // the failure is part of the answer, not an error: its audit row must be kept
        if !may {
            return Ok(Err(LoginError::NoMatch));
        }
        match link.channel {
            Channel::Email => chart::confirm_email(tx, link.patient)?,
            Channel::Sms => chart::confirm_phone(tx, link.patient)?,
        }
        let settings = settings::load(tx)?;
        let days = if proof.stay { settings.portal_stay_days } else { 0 };
        let lasts = match days {
            0 => Lasts { idle: settings.portal_idle_minutes * 60, all: LONGEST.whole_seconds() },
            days => Lasts { idle: days * 86_400, all: days * 86_400 },
        };
        Ok(Ok(Holder::Patient { id: link.patient, language: link.language, lasts }))
    })
    .await?
}

/// Counts one try and gives the hash to judge it by, or nothing where there is no live passcode. The try after the
/// last kills the passcode and locks the link for a growing time.
fn count_try(tx: &mut Tx, now: Ts, link: crate::db::LinkId) -> QueryResult<Option<String>> {
    let live = passcodes::table.find(link).filter(passcodes::expires_at.gt(now));
    let left = live.filter(passcodes::tries.lt(TRIES)).filter(passcodes::code_hash.is_not_null());
    let counted = diesel::update(left).set(passcodes::tries.eq(passcodes::tries + 1));
    let row: Option<(Option<String>, i64, i64)> = counted
        .returning((passcodes::code_hash, passcodes::tries, passcodes::locks))
        .get_result(tx.conn())
        .optional()?;
    let Some((hash, tries, locks)) = row else { return Ok(None) };
    if tries == TRIES {
        let wait = FIRST_LOCK * 2i32.pow(locks.clamp(0, 6) as u32);
        diesel::update(passcodes::table.find(link))
            .set((passcodes::locked_until.eq(now.plus(wait)), passcodes::locks.eq(locks + 1)))
            .execute(tx.conn())?;
    }
    Ok(hash)
}

/// Takes the passcode out of use. Of two right tries at once only one finds it still there.
fn use_up(tx: &mut Tx, link: &OpenLink, hash: Option<&str>) -> QueryResult<bool> {
    let same = passcodes::table.find(link.id).filter(passcodes::code_hash.eq(hash));
    let over = (
        passcodes::code_hash.eq(None::<String>),
        passcodes::locked_until.eq(None::<Ts>),
        passcodes::locks.eq(0),
        passcodes::expires_at.eq(passcodes::requested_at),
    );
    Ok(diesel::update(same).set(over).execute(tx.conn())? == 1)
}
