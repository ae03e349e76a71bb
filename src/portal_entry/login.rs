//! The proof: passcode and date of birth together.
//!
//! A try is counted before it is judged, in a write of its own, so that any number of tries at once get no more than
//! [`TRIES`](super::TRIES). All failures read alike and take alike long.

use super::links::OpenLink;
use super::locks;
use super::passcode::TRIES;
use crate::access::session::{Holder, Lasts};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{passcodes, patients};
use crate::db::{Db, DbError, PatientId, Ts, Tx};
use crate::delivery::Channel;
use crate::settings::{self, Settings};
use crate::slow_hash;
use crate::values::BirthDate;
use diesel::prelude::*;

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
    let tried = link.clone();
    let hash = db.write(move |tx| -> Result<_, DbError> { Ok(count_try(tx, now, &tried)?) }).await?;
    let right_code = slow_hash::verify(digits, hash.clone()).await;
    db.write(move |tx| -> Result<Result<Holder, LoginError>, LoginError> {
        // nobody has the number 0: a claim that is true of nobody takes the same way
        let of = patients::table.find(link.patient.unwrap_or(PatientId(0)));
        let known: Option<(PatientId, BirthDate, String)> =
            of.select((patients::id, patients::birth_date, patients::language)).first(tx.conn()).optional()?;
        let right = known.filter(|(_, born, _)| right_code && proof.birth_date == Some(*born));
        let used = right.is_some() && use_up(tx, &link, hash.as_deref())?;
        let Some((patient, _, language)) = right.filter(|_| used) else {
            // the failure is part of the answer, not an error: its audit row must be kept
            audit::append(tx, now, trace(&link, Event::PortalSignInFailed))?;
            return Ok(Err(LoginError::NoMatch));
        };
        audit::append(tx, now, trace(&link, Event::PortalSignedIn))?;
        match link.channel {
            Channel::Email => crate::patients::confirm_email(tx, patient)?,
            Channel::Sms => crate::patients::confirm_phone(tx, patient)?,
        }
        let lasts = lasts(&settings::load(tx)?, proof.stay);
        Ok(Ok(Holder::Patient { id: patient, language, lasts }))
    })
    .await?
}

fn trace(link: &OpenLink, event: Event) -> Entry {
    match link.patient {
        Some(patient) => Entry::of_patient(Actor::Patient(patient), event, patient, Subject::None),
        None => Entry::of_clinic(Actor::System, event, Subject::None),
    }
}

/// How long a session lasts: as the clinic says, or as "Stay logged in" does where that is offered and was asked for.
fn lasts(settings: &Settings, stay: bool) -> Lasts {
    match settings.portal_stay_days {
        days if stay && days > 0 => Lasts::new(days * 86_400, days * 86_400),
        _ => Lasts::new(settings.portal_idle_minutes * 60, settings.portal_longest_hours * 3_600),
    }
}

/// Counts one try and gives the hash to judge it by, or nothing where there is no live passcode. The try after the
/// last kills the passcode and locks the link for a growing time.
fn count_try(tx: &mut Tx, now: Ts, link: &OpenLink) -> QueryResult<Option<String>> {
    let live = passcodes::table.find(link.id).filter(passcodes::expires_at.gt(now));
    let left = live.filter(passcodes::tries.lt(TRIES)).filter(passcodes::code_hash.is_not_null());
    let counted = diesel::update(left).set(passcodes::tries.eq(passcodes::tries + 1));
    let row: Option<(Option<String>, i64, i64)> = counted
        .returning((passcodes::code_hash, passcodes::tries, passcodes::locks))
        .get_result(tx.conn())
        .optional()?;
    let Some((hash, tries, locks)) = row else { return Ok(None) };
    if tries == TRIES {
        let wait = locks::lasts(tx, now, link.patient, link.id, locks)?;
        diesel::update(passcodes::table.find(link.id))
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
