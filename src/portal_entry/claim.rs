//! Signing in without a link: a patient says who they are and at which address they are reached. Whether that is true
//! or not, a link of the same kind is made and a passcode requested, in the same statements, so that neither the answer
//! nor its time tells whether there is such a patient.

use crate::caregivers::{self, Caregiver};
use crate::clock::{Random, Token};
use crate::db::{CaregiverId, PatientId, Ts, Tx};
use crate::delivery::Channel;
use crate::patients::{self, IdKind, Patient};
use crate::portal_links::{self, OpenLink, RequestRefused};
use crate::settings;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::QueryResult;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What somebody says about themselves.
#[derive(Debug, Clone)]
pub struct Claim {
    /// kind of number
    pub kind: IdKind,
    /// as typed
    pub number: String,
    /// the address for the passcode
    pub at: Address,
}

/// An address as typed.
#[derive(Debug, Clone)]
pub enum Address {
    /// email
    Email(EmailAddress),
    /// cellphone
    Phone(PhoneNumber),
}

impl Address {
    /// Reads an email address or a telephone number.
    pub fn parse(text: &str, calling_code: &str) -> Option<Address> {
        match text.contains('@') {
            true => EmailAddress::parse(text).map(Address::Email),
            false => PhoneNumber::parse(text, calling_code).map(Address::Phone),
        }
    }

    fn channel(&self) -> Channel {
        match self {
            Address::Email(_) => Channel::Email,
            Address::Phone(_) => Channel::Sms,
        }
    }

    fn key(&self) -> String {
        match self {
            Address::Email(email) => email.key(),
            Address::Phone(phone) => phone.as_str().to_owned(),
        }
    }

    fn is_of(&self, email: Option<&EmailAddress>, phone: Option<&PhoneNumber>) -> bool {
        match self {
            Address::Email(typed) => email.is_some_and(|own| own.key() == typed.key()),
            Address::Phone(typed) => phone == Some(typed),
        }
    }
}

/// Makes a link for a claim and requests its passcode. The same claim made again leads to the same link with another
/// token, and its wrong tries go on counting.
pub fn claim(tx: &mut Tx, now: Ts, random: &Random, claim: &Claim) -> QueryResult<(Token, Result<(), RequestRefused>)> {
    let settings = settings::load(tx)?;
    let open = settings.portal_on;
    let may = |patient: &Patient| open && patient.portal_access && patient.archived_at.is_none();
    // the same two statements, whether or not there is such a patient
    let mut found = patients::with_number(tx, claim.kind, &claim.number)?;
    found.retain(may);
    let ids: Vec<PatientId> = found.iter().map(|patient| patient.id).collect();
    let caregivers = caregivers::current_of(tx, (now, now), &ids)?;
    let (patient, caregiver) = the_one(&claim.at, &found, &caregivers).unzip();
    let caregiver: Option<CaregiverId> = caregiver.flatten();
    let token = random.token();
    let key = settings::cookie_key(tx)?;
    let id = portal_links::put_claim(tx, now, &token, hash(&key, claim), (patient, caregiver), claim.at.channel())?;
    let channel = claim.at.channel();
    let link = OpenLink { id, patient, caregiver, leads_to: None, channel, language: None, is_claim: true };
    Ok((token, portal_links::request(tx, now, &link)?))
}

/// Whom a claim is true of: the patient who is reached at this address, or a caregiver who is reached there and reads for the
/// patient. `None` unless there is exactly one such patient, and where two caregivers have the same address.
fn the_one(at: &Address, found: &[Patient], caregivers: &[Caregiver]) -> Option<(PatientId, Option<CaregiverId>)> {
    let own = found.iter().filter(|one| at.is_of(one.email.as_ref(), one.phone.as_ref())).map(|one| (one.id, None));
    let caring = caregivers
        .iter()
        .filter(|one| at.is_of(one.details.email.as_ref(), one.details.phone.as_ref()))
        .map(|one| (one.patient_id, Some(one.id)));
    let own: Vec<_> = own.collect();
    // an address that is the patient's own proves the patient
    let all: Vec<_> = if own.is_empty() { caring.collect() } else { own };
    <[_; 1]>::try_from(all).ok().map(|[one]| one)
}

/// A claim is stored as a keyed hash, so that the table does not tell who tried to get in.
fn hash(key: &[u8], claim: &Claim) -> Vec<u8> {
    let number: String = claim.number.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    let words = format!("claim\0{}\0{number}\0{}", claim.kind.as_str(), claim.at.key());
    // HMAC takes keys of any length
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(words.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
