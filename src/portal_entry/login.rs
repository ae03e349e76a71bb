//! The proof: passcode and date of birth together.
//!
//! A try is counted before it is checked, in a write of its own, so that many tries at the same moment get no more than
//! [`TRIES`](portal_links::TRIES). All failures give the same answer and take equally long.

use crate::access::Carer;
use crate::access::session::{Holder, Lasts};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::db::schema::patients;
use crate::db::{CaregiverId, Db, DbError, PatientId, Ts, share_row};
use crate::delivery::Channel;
use crate::portal_links::{self, OpenLink};
use crate::settings::{self, Settings};
use crate::slow_hash::{self, Lane};
use crate::values::BirthDate;
use diesel::prelude::*;
use std::net::IpAddr;

/// What was typed.
pub struct Proof {
    /// the passcode, as typed
    pub passcode: String,
    /// as typed
    pub birth_date: BirthDate,
    /// "Stay logged in"
    pub stay: bool,
    /// the caller's address: see [`slow_hash::verify`]
    pub from: IpAddr,
}

/// Why the patient was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong, expired, used or tried too often: the answer does not say which.
    #[error("the passcode and date of birth did not match")]
    NoMatch,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(LoginError);

/// Signs the patient in: uses the passcode up, and gives the holder of the new session.
///
/// # Errors
/// See [`LoginError`]. A failure leaves an audit row.
pub async fn login(db: &Db, now: Ts, link: OpenLink, proof: Proof) -> Result<Holder, LoginError> {
    let digits: String = proof.passcode.chars().filter(char::is_ascii_digit).collect();
    let tried = link.clone();
    let counted = db.write(move |tx| -> Result<_, DbError> { Ok(portal_links::count_try(tx, now, &tried)?) }).await?;
    let hash = counted.hash;
    let right_code = slow_hash::verify(Lane::Passcodes, proof.from, digits, hash.clone()).await && !counted.is_over;
    db.write(move |tx| -> Result<Result<Holder, LoginError>, LoginError> {
        // no patient or caregiver has the id 0: a claim that is true of nobody runs the same statements
        let id = link.patient.unwrap_or(PatientId(0));
        let of = patients::table.find(id);
        let known: Option<(PatientId, BirthDate, String)> =
            of.select((patients::id, patients::birth_date, patients::language)).first(tx.conn()).optional()?;
        // whoever ends it waits, or was first
        share_row(tx, "caregivers", link.caregiver.map_or(0, |caregiver| caregiver.0))?;
        let carer = caregivers::by_id(tx, link.caregiver.unwrap_or(CaregiverId(0)))?;
        let carer = carer.filter(|one| one.is_current(now) && one.patient_id == id);
        let known = match (link.caregiver, carer) {
            (None, _) => known.map(|(patient, born, language)| (patient, born, language, None)),
            (Some(_), Some(one)) => {
                let own = one.details;
                let carer = Carer::new(one.id, own.starts_at, one.version);
                known.map(|(patient, ..)| (patient, own.birth_date, own.language, Some(carer)))
            }
            (Some(_), None) => None,
        };
        let right = known.filter(|(_, born, ..)| right_code && proof.birth_date == *born);
        let used = right.is_some() && portal_links::use_up(tx, &link, hash.as_deref())?;
        let Some((patient, _, language, carer)) = right.filter(|_| used) else {
            // the failure is a value, not an error: otherwise its audit row would be rolled back
            audit::append(tx, now, trace(&link, Event::PortalSignInFailed))?;
            return Ok(Err(LoginError::NoMatch));
        };
        // a caregiver proves nothing about the patient's own addresses
        match (carer, link.channel) {
            (Some(_), _) => {}
            (None, Channel::Email) => crate::patients::confirm_email(tx, patient)?,
            (None, Channel::Sms) => crate::patients::confirm_phone(tx, patient)?,
        }
        // the patient's row comes before their audit chain, as everywhere
        audit::append(tx, now, trace(&link, Event::PortalSignedIn))?;
        let lasts = lasts(&settings::load(tx)?, proof.stay);
        Ok(Ok(Holder::Patient { id: patient, carer, language, lasts }))
    })
    .await?
}

fn trace(link: &OpenLink, event: Event) -> Entry {
    match link.patient {
        Some(patient) => {
            let who = Actor::at_portal(patient, link.caregiver);
            Entry::of_patient(who, event, patient, Subject::None)
        }
        None => Entry::of_clinic(Actor::System, event, Subject::None),
    }
}

/// How long a session lasts: as the clinic's settings say, or as "Stay logged in" where that is offered and was chosen.
fn lasts(settings: &Settings, stay: bool) -> Lasts {
    match settings.portal_stay_days {
        days if stay && days > 0 => Lasts::new(days * 86_400, days * 86_400),
        _ => Lasts::new(settings.portal_idle_minutes * 60, settings.portal_longest_hours * 3_600),
    }
}
