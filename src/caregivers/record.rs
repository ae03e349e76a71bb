//! A caregiver's row, and the questions that others ask about it.

use crate::access::{Authority, ChartAccess, PortalVisit, Right, rights};
use crate::db::schema::{caregivers, patients as records};
use crate::db::{CaregiverId, Conn, MultiBackend, PatientId, Ts, UserId};
use crate::delivery::Channel;
use crate::patients::{self, Demographics, Method, Patient};
use crate::text_enum;
use crate::values::{BirthDate, EmailAddress, PhoneNumber};
use diesel::prelude::*;
use std::collections::HashMap;

text_enum! {
    /// What a caregiver is to the patient.
    pub enum Relation {
        /// mother or father
        Parent = "parent",
        /// by a court or by law
        Guardian = "guardian",
        /// whom the patient has chosen
        Proxy = "proxy",
        /// anybody else
        Other = "other",
    }
}

/// What a user enters of a caregiver.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = caregivers, check_for_backend(MultiBackend))]
pub struct Details {
    /// given and family name
    pub name: String,
    /// what they are to the patient
    pub relation: Relation,
    /// their own date of birth, which proves who they are
    pub birth_date: BirthDate,
    /// their own email
    pub email: Option<EmailAddress>,
    /// their own cellphone
    pub phone: Option<PhoneNumber>,
    /// code of a language that the pages have
    pub language: String,
    /// how they are notified
    #[diesel(column_name = notification_method)]
    pub method: Method,
    /// from when they read for the patient: they see conversations that began at or after this moment
    pub starts_at: Ts,
    /// until when; [`Ts::LAST`] where no end is set
    pub ends_at: Ts,
}

/// Somebody who reads and answers for one patient.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = caregivers, check_for_backend(MultiBackend))]
pub struct Caregiver {
    /// identity
    pub id: CaregiverId,
    /// the patient whom they read for
    pub patient_id: PatientId,
    /// what a user entered
    #[diesel(embed)]
    pub details: Details,
    /// who ended it before its time
    pub ended_by: Option<UserId>,
    /// grows with each change of what a session or link rests on
    pub version: i64,
}

/// The most caregivers of one chart.
pub const MOST: i64 = 50;

impl Caregiver {
    /// Whether they read for the patient at this moment.
    pub fn is_current(&self, now: Ts) -> bool {
        (self.details.starts_at..self.details.ends_at).contains(&now)
    }

    /// When it ends, where an end is set.
    pub fn ends_at(&self) -> Option<Ts> {
        Some(self.details.ends_at).filter(|end| *end < Ts::LAST)
    }

    /// Whether the patient's address on this road is this caregiver's too, as it may be where the chart got it later.
    pub fn has_address_of(&self, patient: &Patient, channel: Channel) -> bool {
        let own = &self.details;
        match channel {
            Channel::Email => {
                let both = own.email.as_ref().zip(patient.email.as_ref());
                both.is_some_and(|(one, other)| one.key() == other.key())
            }
            Channel::Sms => own.phone.is_some() && own.phone == patient.phone,
        }
    }

    /// The patient as they are reached by this caregiver: access, standing and chart are the patient's, and name, addresses,
    /// language, method and date of birth the caregiver's own. Whoever tells or asks a caregiver something works with this record.
    pub fn stands_for(&self, patient: &Patient) -> Patient {
        let own = &self.details;
        Patient {
            demographics: Demographics {
                given_name: own.name.clone(),
                family_name: String::new(),
                preferred_name: None,
                birth_date: own.birth_date,
                email: own.email.clone(),
                phone: own.phone.clone(),
                language: own.language.clone(),
                method: own.method,
                ..patient.demographics.clone()
            },
            confirmed_email: None,
            confirmed_phone: None,
            ..patient.clone()
        }
    }
}

/// A caregiver whose identity comes from another proof (a visit's) or from the worker; `None` where the row is gone.
pub fn by_id(conn: &mut Conn, id: CaregiverId) -> QueryResult<Option<Caregiver>> {
    caregivers::table.find(id).select(Caregiver::as_select()).first(conn).optional()
}

/// The caregiver who reads in this visit; `None`: the patient does.
pub fn of_visit(conn: &mut Conn, visit: &PortalVisit) -> QueryResult<Option<Caregiver>> {
    match visit.caregiver() {
        Some(id) => by_id(conn, id),
        None => Ok(None),
    }
}

/// A patient's caregivers, also those whose time is over or has not begun; the newest first.
pub fn of_chart<R: Right>(conn: &mut Conn, access: &ChartAccess<R>) -> QueryResult<Vec<Caregiver>> {
    let theirs = caregivers::table.filter(caregivers::patient_id.eq(access.patient()));
    theirs.order(caregivers::id.desc()).limit(MOST).select(Caregiver::as_select()).load(conn)
}

/// All of a patient's caregivers, in the order in which they were entered: for an export.
pub fn in_order(
    conn: &mut Conn,
    _by: &impl Authority<rights::Records>,
    patient: PatientId,
) -> QueryResult<Vec<Caregiver>> {
    let theirs = caregivers::table.filter(caregivers::patient_id.eq(patient));
    theirs.order(caregivers::id).select(Caregiver::as_select()).load(conn)
}

/// One of them; `None` where this chart has none of that identity.
pub fn one_of_chart<R: Right>(
    conn: &mut Conn,
    access: &ChartAccess<R>,
    id: CaregiverId,
) -> QueryResult<Option<Caregiver>> {
    let theirs = caregivers::table.find(id).filter(caregivers::patient_id.eq(access.patient()));
    theirs.select(Caregiver::as_select()).first(conn).optional()
}

/// Those who read for this patient at this moment. Somebody who is entered twice, as after charts were merged, is named once.
pub fn current(conn: &mut Conn, now: Ts, patient: PatientId) -> QueryResult<Vec<Caregiver>> {
    current_of(conn, (now, now), &[patient])
}

/// The same for several patients in one query, and of those only who see a conversation that began at the second moment.
pub fn current_of(conn: &mut Conn, (now, began): (Ts, Ts), of: &[PatientId]) -> QueryResult<Vec<Caregiver>> {
    let mut found: Vec<Caregiver> = caregivers::table
        .filter(caregivers::patient_id.eq_any(of.to_vec()))
        .filter(caregivers::starts_at.le(now.min(began)))
        .filter(caregivers::ends_at.gt(now))
        .order((caregivers::patient_id, caregivers::id))
        .limit(MOST * of.len() as i64)
        .select(Caregiver::as_select())
        .load(conn)?;
    let mut kept: Vec<Caregiver> = Vec::with_capacity(found.len());
    for one in found.drain(..) {
        let is_same = |other: &Caregiver| {
            let (a, b) = (&one.details, &other.details);
            one.patient_id == other.patient_id
                && (&a.email, &a.phone, a.birth_date) == (&b.email, &b.phone, b.birth_date)
        };
        if !kept.iter().any(is_same) {
            kept.push(one);
        }
    }
    Ok(kept)
}

/// The names of these caregivers, and what they are to the patient.
pub fn named(conn: &mut Conn, ids: &[CaregiverId]) -> QueryResult<HashMap<CaregiverId, (String, Relation)>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(CaregiverId, String, Relation)> = caregivers::table
        .filter(caregivers::id.eq_any(ids.to_vec()))
        .select((caregivers::id, caregivers::name, caregivers::relation))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, name, relation)| (id, (name, relation))).collect())
}

/// Whether the caregiver's address on this road also leads to another patient: as the patient's own, or because somebody with
/// this address reads for them too.
pub fn is_shared(conn: &mut Conn, caregiver: &Caregiver, channel: Channel) -> QueryResult<bool> {
    let (own, patient) = (&caregiver.details, caregiver.patient_id);
    let elsewhere = caregivers::table.filter(caregivers::patient_id.ne(patient)).select(caregivers::id);
    let found: Option<CaregiverId> = match (channel, &own.email, &own.phone) {
        (Channel::Email, Some(email), _) if patients::email_is_shared(conn, patient, email)? => return Ok(true),
        (Channel::Sms, _, Some(phone)) if patients::phone_is_shared(conn, patient, phone)? => return Ok(true),
        (Channel::Email, Some(email), _) => {
            elsewhere.filter(caregivers::email_key.eq(email.key())).first(conn).optional()?
        }
        (Channel::Sms, _, Some(phone)) => {
            elsewhere.filter(caregivers::phone.eq(phone.as_str().to_owned())).first(conn).optional()?
        }
        _ => None,
    };
    Ok(found.is_some())
}

/// Whether somebody who reads for this patient has an address that is the patient's own too, because it came into the record later.
/// Links to both then arrive there, and each asks for another date of birth.
pub fn has_patients_own(conn: &mut Conn, now: Ts, patient: PatientId) -> QueryResult<bool> {
    let own = addresses_of(conn, patient)?;
    let has = |one: &Caregiver| {
        let (email, phone) = are_own(&own, &one.details);
        email || phone
    };
    Ok(current(conn, now, patient)?.iter().any(has))
}

/// The most people who are read of one number, as of its patients.
const MOST_AT_PHONE: i64 = 50;

/// Those who read for a patient, or will, and have this cellphone number: each with the patient and their own language.
pub fn at_phone(conn: &mut Conn, now: Ts, phone: &PhoneNumber) -> QueryResult<Vec<(CaregiverId, PatientId, String)>> {
    caregivers::table
        .filter(caregivers::phone.eq(phone.as_str().to_owned()))
        .filter(caregivers::ends_at.gt(now))
        .order(caregivers::id)
        .limit(MOST_AT_PHONE)
        .select((caregivers::id, caregivers::patient_id, caregivers::language))
        .load(conn)
}

/// Whether the email, and whether the cellphone, is the patient's own: then it is none of a caregiver.
pub(super) fn is_patients_own(conn: &mut Conn, patient: PatientId, details: &Details) -> QueryResult<(bool, bool)> {
    Ok(are_own(&addresses_of(conn, patient)?, details))
}

/// A patient's own email and cellphone.
type Addresses = (Option<EmailAddress>, Option<PhoneNumber>);

fn addresses_of(conn: &mut Conn, patient: PatientId) -> QueryResult<Addresses> {
    records::table.find(patient).select((records::email, records::phone)).first(conn)
}

fn are_own((email, phone): &Addresses, details: &Details) -> (bool, bool) {
    let same_email = details.email.as_ref().zip(email.as_ref()).is_some_and(|(one, other)| one.key() == other.key());
    (same_email, details.phone.is_some() && details.phone == *phone)
}
